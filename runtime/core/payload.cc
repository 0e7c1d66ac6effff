// Payload checks and the background comparison with the checksum table.
#include "runtime/core/payload.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

#include "runtime/core/crc32c.h"

namespace stoop::rt {
namespace {

using u64 = unsigned long long;

bool inside(const stoop_extent& extent, uint64_t bytes) {
  return extent.offset <= bytes && extent.size <= bytes - extent.offset;
}

// Whether the open file starts with the same ELF and program headers as the running image.
bool is_this_program(int file, const Elf64_Ehdr& header) {
  constexpr size_t kMost = 4096;
  size_t length = header.e_phoff + uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
  if (length > kMost) length = kMost;
  unsigned char start[kMost];
  if (pread(file, start, length, 0) != static_cast<ssize_t>(length)) return false;
  Elf64_Ehdr on_disk;
  memcpy(&on_disk, start, sizeof on_disk);
  // Section headers are not mapped; tools may move them without changing the program.
  return on_disk.e_entry == header.e_entry && on_disk.e_phnum == header.e_phnum &&
         memcmp(start + header.e_phoff,
                reinterpret_cast<const unsigned char*>(&header) + header.e_phoff,
                length - header.e_phoff) == 0;
}

}  // namespace

stoop_status check_layout(const stoop_payload& layout, Message& message) {
  if (layout.magic != STOOP_MAGIC) {
    return fail(message, STOOP_BAD_PROGRAM,
                "this program carries no model: its payload was never written");
  }
  if (layout.abi_version >> 16 != STOOP_ABI_VERSION >> 16 ||
      layout.abi_version > STOOP_ABI_VERSION) {
    return fail(message, STOOP_BAD_PROGRAM,
                "payload of ABI version %#x, but this runtime understands %#x", layout.abi_version,
                STOOP_ABI_VERSION);
  }
  const struct {
    const char* name;
    const stoop_extent& extent;
  } parts[] = {{"weights", layout.weights},
               {"tokenizer", layout.tokenizer},
               {"manifest", layout.manifest},
               {"checksums", layout.checksums}};
  for (const auto& part : parts) {
    if (inside(part.extent, layout.bytes)) continue;
    return fail(message, STOOP_BAD_PROGRAM,
                "damaged payload header: %s at byte %llu with %llu bytes, payload has %llu",
                part.name, static_cast<u64>(part.extent.offset),
                static_cast<u64>(part.extent.size), static_cast<u64>(layout.bytes));
  }
  return STOOP_OK;
}

stoop_status check_file_size(const void* elf, uint64_t vaddr, uint64_t bytes, const char* path,
                             Message& message) {
  const Elf64_Ehdr& header = *static_cast<const Elf64_Ehdr*>(elf);
  const Elf64_Phdr* segments = reinterpret_cast<const Elf64_Phdr*>(
      static_cast<const unsigned char*>(elf) + header.e_phoff);
  const Elf64_Phdr* segment = nullptr;
  for (unsigned i = 0; i < header.e_phnum; ++i)
    if (segments[i].p_type == PT_LOAD && segments[i].p_vaddr == vaddr) segment = &segments[i];
  if (!segment || segment->p_filesz < bytes) {
    return fail(message, STOOP_BAD_PROGRAM, "no loaded segment holds the payload of %llu bytes",
                static_cast<u64>(bytes));
  }
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return STOOP_OK;
  struct stat about;
  bool known = fstat(file, &about) == 0 && S_ISREG(about.st_mode) && is_this_program(file, header);
  close(file);
  uint64_t needed = segment->p_offset + bytes;
  if (known && static_cast<uint64_t>(about.st_size) < needed) {
    char target[256];  // what /proc/self/exe points at says more than that name
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length > 0) target[length] = '\0';
    return fail(message, STOOP_BAD_PROGRAM, "%s is cut off: it has %llu bytes and needs %llu",
                length > 0 ? target : path,
                static_cast<u64>(about.st_size), static_cast<u64>(needed));
  }
  return STOOP_OK;
}

stoop_status PayloadVerifier::start(const stoop_payload& layout, const void* payload, uint64_t from,
                                    Message& message) {
  payload_ = static_cast<const uint8_t*>(payload);
  total_ = layout.checksums.offset;
  block_bytes_ = layout.checksum_block_bytes;
  uint64_t blocks = block_bytes_ ? (total_ + block_bytes_ - 1) / block_bytes_ : 0;
  if (!block_bytes_ || layout.checksums.size < blocks * sizeof(uint32_t)) {
    return fail(message, STOOP_BAD_PROGRAM,
                "damaged payload header: %llu bytes of checksums for %llu blocks",
                static_cast<u64>(layout.checksums.size), static_cast<u64>(blocks));
  }
  first_block_ = from / block_bytes_;
  table_ = reinterpret_cast<const uint32_t*>(payload_ + layout.checksums.offset);
  if (crc32c(table_, layout.checksums.size) != layout.checksums_crc) {
    return fail(message, STOOP_BAD_PROGRAM,
                "the table of checksums is damaged (--no-verify skips this check)");
  }
  // Signals belong to the program's own threads.
  sigset_t every, before;
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STOOP_LEAST_STACK_BYTES);  // it only computes checksums
  int error = pthread_create(&thread_, &attributes, thread_main, this);
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0)
    return fail(message, STOOP_OUT_OF_MEMORY, "out of memory: no thread for the payload check");
  started_ = true;
  return STOOP_OK;
}

void* PayloadVerifier::thread_main(void* self) {
  static_cast<PayloadVerifier*>(self)->compare();
  return nullptr;
}

void PayloadVerifier::compare() {
#ifndef MADV_POPULATE_READ
  constexpr int MADV_POPULATE_READ = 22;
#endif
  uint64_t blocks = (total_ + block_bytes_ - 1) / block_bytes_;
  for (uint64_t block = first_block_; block < blocks && !stop_.load(std::memory_order_relaxed); block += 4) {
    const uint8_t* first = payload_ + block * block_bytes_;
    uint64_t bytes = total_ - block * block_bytes_;
    if (bytes > 4 * block_bytes_) bytes = 4 * block_bytes_;
    // One call maps the pages of four blocks instead of one fault per 64 KiB; older kernels refuse,
    // and then the reads below fault as usual.
    uintptr_t page = reinterpret_cast<uintptr_t>(first) & ~uintptr_t{4095};
    madvise(reinterpret_cast<void*>(page), bytes, MADV_POPULATE_READ);
    uint32_t sums[4] = {};
    uint64_t count = (bytes + block_bytes_ - 1) / block_bytes_;
    if (bytes == 4 * block_bytes_) {
      const void* starts[4] = {first, first + block_bytes_, first + 2 * block_bytes_,
                               first + 3 * block_bytes_};
      crc32c_4(starts, block_bytes_, sums);
    } else {
      for (uint64_t i = 0; i < count; ++i) {
        uint64_t left = bytes - i * block_bytes_;
        sums[i] = crc32c(first + i * block_bytes_, left < block_bytes_ ? left : block_bytes_);
      }
    }
    for (uint64_t i = 0; i < count; ++i) {
      if (sums[i] == table_[block + i]) continue;
      bad_block_.store(block + i, std::memory_order_relaxed);
      finished_.store(true, std::memory_order_release);
      return;
    }
    done_.fetch_add(bytes, std::memory_order_relaxed);
  }
  finished_.store(true, std::memory_order_release);
}

stoop_status PayloadVerifier::wait(stoop_progress_fn progress, void* user, Message& message) {
  while (progress && started_ && !joined_ && !finished_.load(std::memory_order_acquire)) {
    timespec pause{0, 2'000'000};
    nanosleep(&pause, nullptr);
    uint64_t done = done_.load(std::memory_order_relaxed);
    if (progress(user, "MiB checked", done >> 20, (total_ - first_block_ * block_bytes_) >> 20))
      return fail(message, STOOP_CANCELLED, "stopped while checking the payload");
  }
  if (started_ && !joined_) {
    pthread_join(thread_, nullptr);
    joined_ = true;
  }
  uint64_t bad = bad_block_.load(std::memory_order_relaxed);
  if (bad == kNone) return STOOP_OK;
  return fail(message, STOOP_BAD_PROGRAM,
              "the binary is damaged: bytes %llu to %llu of its payload do not match their checksum "
              "(--no-verify skips this check)",
              static_cast<u64>(bad * block_bytes_),
              static_cast<u64>(bad * block_bytes_ + block_bytes_ < total_
                                   ? bad * block_bytes_ + block_bytes_ : total_) - 1);
}

void PayloadVerifier::cancel() {
  stop_.store(true, std::memory_order_relaxed);
  if (started_ && !joined_) pthread_join(thread_, nullptr);
  joined_ = true;
}

}  // namespace stoop::rt

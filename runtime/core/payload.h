// The payload of a binary (weights, tokenizer, manifest, checksums): is it recorded, is the file whole,
// do the bytes match their checksums.
// Invariant: check_payload touches no page behind the checks it has made, so that a cut-off file is
// reported and does not end in SIGBUS.
#ifndef STOOP_RUNTIME_CORE_PAYLOAD_H_
#define STOOP_RUNTIME_CORE_PAYLOAD_H_

#include <pthread.h>

#include <atomic>

#include "runtime/core/status.h"

namespace stoop::rt {

// Compares the recorded layout with itself: magic, version, and every extent inside the payload.
stoop_status check_layout(const stoop_payload& layout, Message& message);

// Checks that the file behind a running program holds all of the segment that carries the payload.
// `elf` is the program's ELF header in memory, `vaddr` the segment's address relative to it. The
// segment's place in the file is read from the program headers, because tools that rewrite a file
// (strip, objcopy) move it. `path` may be NULL or unreadable: then nothing can be said and STOOP_OK
// is returned; so it is for a file that is not this program (its headers differ).
stoop_status check_file_size(const void* elf, uint64_t vaddr, uint64_t bytes, const char* path,
                             Message& message);

// Compares the payload with its checksum table on a thread of its own.
class PayloadVerifier {
 public:
  PayloadVerifier() = default;
  PayloadVerifier(const PayloadVerifier&) = delete;
  PayloadVerifier& operator=(const PayloadVerifier&) = delete;
  ~PayloadVerifier() { cancel(); }

  // Checks the table itself, then starts the thread on the blocks from byte `from` on. `payload` must
  // stay mapped until the end.
  stoop_status start(const stoop_payload& layout, const void* payload, uint64_t from,
                     Message& message);

  // Waits for the result, calling `progress` (may be NULL) now and then; STOOP_BAD_PROGRAM names the
  // first damaged block, STOOP_CANCELLED comes from the callback. Repeatable.
  stoop_status wait(stoop_progress_fn progress, void* user, Message& message);

 private:
  static void* thread_main(void* self);
  void compare();
  void cancel();

  static constexpr uint64_t kNone = ~uint64_t{0};
  const uint8_t* payload_ = nullptr;
  const uint32_t* table_ = nullptr;
  uint64_t total_ = 0, block_bytes_ = 0, first_block_ = 0;
  pthread_t thread_{};
  bool started_ = false, joined_ = false;
  std::atomic<bool> stop_{false}, finished_{false};
  std::atomic<uint64_t> done_{0}, bad_block_{kNone};
};

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_CORE_PAYLOAD_H_

//===- CodeCache.cpp - compiled kernels, found again by content -----------===//
//
// Entries are written under another name and renamed: a reader sees all or none. Each ends in the
// hash of its bytes.
//
//===----------------------------------------------------------------------===//
#include "codegen/CodeCache.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CachePruning.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <elf.h>
#include <link.h>
#include <mutex>

using namespace llvm;
using namespace stoop;

static constexpr uint64_t kMostBytes = uint64_t(1) << 30;
static constexpr size_t kHashBytes = 32;
static constexpr const char *kPrefix = "llvmcache-"; // what pruneCache looks at

codegen::CodeKey &codegen::CodeKey::add(StringRef part) {
  hash.update(std::to_string(part.size()));
  hash.update(":");
  hash.update(part);
  return *this;
}

std::string codegen::CodeKey::text() { return toHex(hash.final(), /*LowerCase=*/true); }

/// The description of a loaded file's NT_GNU_BUILD_ID note, or empty.
static std::string buildIdOf(const dl_phdr_info &file) {
  for (int i = 0; i < file.dlpi_phnum; ++i) {
    const ElfW(Phdr) &segment = file.dlpi_phdr[i];
    if (segment.p_type != PT_NOTE)
      continue;
    const char *at = reinterpret_cast<const char *>(file.dlpi_addr + segment.p_vaddr);
    const char *end = at + segment.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      const auto *note = reinterpret_cast<const ElfW(Nhdr) *>(at);
      const char *name = at + sizeof(*note);
      const char *description = name + alignTo(note->n_namesz, 4);
      if (note->n_type == NT_GNU_BUILD_ID && StringRef(name, note->n_namesz) == StringRef("GNU\0", 4))
        return std::string(description, note->n_descsz);
      at = description + alignTo(note->n_descsz, 4);
    }
  }
  return "";
}

const std::string &codegen::buildIdentity() {
  static const std::string identity = [] {
    std::string ids;
    // The first file is the program itself; code comes from it and from LLVM.
    dl_iterate_phdr(
        [](dl_phdr_info *file, size_t, void *data) {
          auto &all = *static_cast<std::string *>(data);
          StringRef name = file->dlpi_name;
          if (!all.empty() && !name.contains("libLLVM"))
            return 0;
          std::string id = buildIdOf(*file);
          all = id.empty() ? "" : all + id;
          return id.empty() ? 1 : 0;
        },
        &ids);
    return ids;
  }();
  return identity;
}

/// The folder of the cache; empty: none.
static std::string cacheFolder() {
  if (const char *folder = getenv("STOOP_CACHE_DIR"))
    return folder;
  if (const char *folder = getenv("XDG_CACHE_HOME"))
    return std::string(folder) + "/stoop";
  if (const char *home = getenv("HOME"))
    return std::string(home) + "/.cache/stoop";
  return "";
}

static std::string hashOf(StringRef bytes) {
  std::array<uint8_t, kHashBytes> hash = SHA256::hash(arrayRefFromStringRef(bytes));
  return std::string(hash.begin(), hash.end());
}

/// Once a process: what was not used for a week goes, and the oldest above the limit.
static void prune(const std::string &folder) {
  static std::once_flag once;
  std::call_once(once, [&] {
    CachePruningPolicy policy;
    policy.MaxSizeBytes = kMostBytes;
    pruneCache(folder, policy);
  });
}

/// Keeps an entry as a whole or not at all; failure is not an error of the compilation. (LLVM's
/// localCache ends the process when the disk is full.)
static void keep(const std::string &folder, StringRef path, StringRef bytes) {
  SmallString<128> part;
  int file = -1;
  if (sys::fs::createUniqueFile(path + ".%%%%%%", file, part))
    return;
  raw_fd_ostream stream(file, /*shouldClose=*/true);
  stream << bytes << hashOf(bytes);
  stream.close();
  bool isWritten = !stream.has_error();
  stream.clear_error();
  if (!isWritten || sys::fs::rename(part, path))
    sys::fs::remove(part);
  prune(folder);
}

Expected<std::string>
codegen::cachedCode(const std::string &key,
                    const std::function<Expected<std::string>()> &compile) {
  std::string folder = cacheFolder();
  if (folder.empty() || sys::fs::create_directories(folder))
    return compile();
  std::string path = folder + "/" + kPrefix + key;
  if (auto entry = MemoryBuffer::getFile(path, /*IsText=*/false, /*NeedsTerminator=*/false)) {
    StringRef whole = (*entry)->getBuffer();
    StringRef bytes = whole.drop_back(std::min(kHashBytes, whole.size()));
    if (!bytes.empty() && hashOf(bytes) == whole.take_back(kHashBytes))
      return bytes.str();
  }
  Expected<std::string> fresh = compile();
  if (fresh)
    keep(folder, path, *fresh);
  return fresh;
}

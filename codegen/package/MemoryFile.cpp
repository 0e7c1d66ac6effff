//===- MemoryFile.cpp - A file that lives in memory -----------------------===//
//
// memfd_create(2) with a path below /proc.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/MemoryFile.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace stoop::codegen {

static llvm::Error memoryError(const char *action) {
  int code = errno;
  return llvm::createStringError(std::error_code(code, std::generic_category()),
                                 std::string("cannot ") + action +
                                     " a file in memory: " + std::strerror(code));
}

llvm::Expected<MemoryFile> MemoryFile::create(const std::string &name, llvm::StringRef content) {
  int descriptor = ::memfd_create(name.c_str(), MFD_CLOEXEC);
  if (descriptor < 0)
    return memoryError("make");
  MemoryFile file(descriptor);
  while (!content.empty()) {
    ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0)
      return memoryError("write");
    content = content.drop_front(static_cast<size_t>(written));
  }
  return file;
}

MemoryFile::~MemoryFile() {
  if (descriptor >= 0)
    ::close(descriptor);
}

std::string MemoryFile::path() const { return "/proc/self/fd/" + std::to_string(descriptor); }

} // namespace stoop::codegen

//===- MemoryFile.h - A file that lives in memory ---------------*- C++ -*-===//
//
// Objects travel to the linker in anonymous memory that has a path: nothing has
// to be removed from disk, whatever happens.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_PACKAGE_MEMORYFILE_H
#define STOOP_CODEGEN_PACKAGE_MEMORYFILE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace stoop::codegen {

/// An anonymous file, reachable under path() while the object lives (in this process only).
class MemoryFile {
public:
  /// A file with the given content; `name` shows in /proc only.
  static llvm::Expected<MemoryFile> create(const std::string &name, llvm::StringRef content);
  MemoryFile(MemoryFile &&other) : descriptor(other.descriptor) { other.descriptor = -1; }
  MemoryFile &operator=(MemoryFile &&) = delete;
  ~MemoryFile();

  std::string path() const;

private:
  explicit MemoryFile(int descriptor) : descriptor(descriptor) {}
  int descriptor;
};

} // namespace stoop::codegen

#endif

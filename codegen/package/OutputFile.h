//===- OutputFile.h - A file that appears whole or not at all ---*- C++ -*-===//
//
// Output is written under no name (or, on file systems without unnamed files,
// under a temporary one that is removed on signals) in the target directory and
// gets its final name only by commit(). A full disk, an error or a killed
// process leaves the final name as it was.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_PACKAGE_OUTPUTFILE_H
#define STOOP_CODEGEN_PACKAGE_OUTPUTFILE_H

#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <string>

namespace stoop::codegen {

/// One output file in the making. Not thread-safe except for write(), which may be called from
/// several threads on disjoint ranges.
class OutputFile {
public:
  /// Opens an output that will be named `path`. Fails when the directory is missing or unwritable,
  /// or `path` is a directory.
  static llvm::Expected<std::unique_ptr<OutputFile>> create(const std::string &path);
  /// Discards everything that was not committed.
  ~OutputFile();
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;

  /// Takes `bytes` of disk space at once, so that a full disk is noticed before the work.
  llvm::Error reserve(uint64_t bytes);
  /// Makes the file at least `bytes` long; what is new reads as zeros.
  llvm::Error extend(uint64_t bytes);
  /// Writes all of `data` at byte `offset`.
  llvm::Error write(const void *data, uint64_t size, uint64_t offset);
  /// Reads exactly `size` bytes at byte `offset`.
  llvm::Error read(void *data, uint64_t size, uint64_t offset) const;
  /// Flushes to disk, sets `mode` (reduced by the umask) and gives the file its final name,
  /// replacing what was there.
  llvm::Error commit(unsigned mode);

  const std::string &path() const { return finalPath; }

private:
  OutputFile(std::string finalPath, int descriptor, std::string temporaryPath);
  llvm::Error error(const char *action, int code) const;

  std::string finalPath;
  std::string temporaryPath; ///< empty while the file has no name
  int descriptor;
};

} // namespace stoop::codegen

#endif

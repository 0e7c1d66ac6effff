//===- ExecutableWriter.h - Program and payload to one file -----*- C++ -*-===//
//
// Joins the linked program with its payload: weights, tokenizer, manifest and
// block checksums (layout: stoop_payload in abi.h). The payload becomes a
// segment with a section of its own, so the kernel's ELF loader maps it and
// strip and objcopy carry it along. The file appears whole or not at all.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_PACKAGE_EXECUTABLEWRITER_H
#define STOOP_CODEGEN_PACKAGE_EXECUTABLEWRITER_H

#include "codegen/package/WeightPacker.h"
#include <functional>
#include <string>
#include <vector>

namespace stoop::codegen {

/// What goes into one executable.
struct ExecutableParts {
  std::string program;             ///< the linked ELF file's bytes
  std::vector<WeightPack> weights; ///< packed into an arena of `weightsBytes`
  uint64_t weightsBytes = 0;
  std::string tokenizer; ///< blob; empty: none
  /// Makes the manifest (JSON) when the weights have been read.
  std::function<std::string(const PackSummary &)> manifest;
  unsigned numThreads = 1;
  PackProgress progress;
};

/// Writes `parts` to `path`, mode 0755 less the umask.
llvm::Error writeExecutable(ExecutableParts parts, const std::string &path);

} // namespace stoop::codegen

#endif

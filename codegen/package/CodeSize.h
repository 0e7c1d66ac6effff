//===- CodeSize.h - what a linked program takes in memory --------*- C++ -*-===//
#ifndef STOOP_CODEGEN_PACKAGE_CODESIZE_H
#define STOOP_CODEGEN_PACKAGE_CODESIZE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <cstdint>

namespace stoop::codegen {

/// Bytes that the loader maps for a linked program without payload: the sum of its loaded
/// segments' sizes in memory. Fails if `elf` is no 64-bit ELF file.
llvm::Expected<uint64_t> loadedBytes(llvm::StringRef elf);

/// Enters the size of the code in a report's list of memory classes.
void setCodeBytes(llvm::json::Object &report, uint64_t bytes);

} // namespace stoop::codegen

#endif

//===- CubinInfo.h - what a cubin says of its kernel --------------*- C++ -*-===//
#ifndef STOOP_CODEGEN_CUDA_CUBININFO_H
#define STOOP_CODEGEN_CUDA_CUBININFO_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace stoop::codegen {

/// Resources of one kernel, and what the whole file takes on a device. Local memory is where registers are spilled to: a
/// kernel of the library has none.
struct CubinInfo {
  unsigned registers = 0;  ///< per thread
  unsigned sharedBytes = 0; ///< static; from sm_90 on with the 1024 that every block has
  unsigned localBytes = 0; ///< stack frame of a thread
  uint64_t deviceBytes = 0; ///< code, constants and variables: every section that is loaded but shared memory
};

/// Reads a cubin (an ELF file of machine CUDA) with one kernel called `kernel`.
llvm::Expected<CubinInfo> readCubin(llvm::StringRef cubin, llvm::StringRef kernel);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CUDA_CUBININFO_H

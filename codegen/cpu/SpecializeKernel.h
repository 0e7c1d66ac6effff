//===- SpecializeKernel.h - from a kernel template to an object --*- C++ -*-===//
//
// Links one port of the kernel bitcode with constant parameters and an epilogue, optimises it for a
// feature level and emits an ELF object. Knows LLVM only, no MLIR; runs in any thread, with an
// LLVMContext of its own.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CPU_SPECIALIZEKERNEL_H
#define STOOP_CODEGEN_CPU_SPECIALIZEKERNEL_H

#include "kernels/catalog/Catalog.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace stoop::codegen {

/// A kernel template with everything that makes it one kernel. Two kernels with equal specs are the
/// same code.
struct KernelSpec {
  std::string port;         ///< symbol in the bitcode
  std::string params;       ///< bytes of the parameter struct (kernels/common/params.h)
  std::vector<float> table; ///< constant table passed as third argument; empty: the port takes two
  std::string hooks;        ///< bitcode defining stoop_hook; empty: the port calls none
  uint64_t scratchBytes = 0;

  bool operator==(const KernelSpec &) const = default;
};

/// An object file defining `symbols`, each a stoop_kernel_fn for `spec` at `level`; all name the
/// same code. Fails if the object breaks a gate of ObjectGates.h.
llvm::Expected<llvm::SmallVector<char, 0>> specializeKernel(const KernelSpec &spec,
                                                            const kernels::KernelLevel &level,
                                                            llvm::ArrayRef<std::string> symbols);

/// As `specializeKernel`, from the code cache if it is there.
llvm::Expected<std::string> specializeCached(const KernelSpec &spec,
                                             const kernels::KernelLevel &level,
                                             llvm::ArrayRef<std::string> symbols);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CPU_SPECIALIZEKERNEL_H

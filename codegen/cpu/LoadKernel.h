//===- LoadKernel.h - a compiled kernel in this process ----------*- C++ -*-===//
#ifndef STOOP_CODEGEN_CPU_LOADKERNEL_H
#define STOOP_CODEGEN_CPU_LOADKERNEL_H

#include "stoop/abi.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace stoop::codegen {

/// Code that lives as long as this object. The machine must have the level that it was compiled for.
class LoadedCode {
public:
  /// Links an object file of specializeKernel() into this process and finds `symbol` in it.
  static llvm::Expected<LoadedCode> load(llvm::StringRef object, llvm::StringRef symbol);
  LoadedCode(LoadedCode &&);
  LoadedCode &operator=(LoadedCode &&);
  ~LoadedCode();

  stoop_kernel_fn function() const { return entry; }

private:
  struct Jit;
  LoadedCode(std::unique_ptr<Jit> jit, stoop_kernel_fn entry);
  std::unique_ptr<Jit> jit;
  stoop_kernel_fn entry;
};

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CPU_LOADKERNEL_H

//===- HookEmitter.h - a kernel's epilogue as LLVM bitcode -------*- C++ -*-===//
//
// Lowers the elementwise ops of a fused region to the two hook functions that kernel templates call
// (see kernels/common/hook.h): 16 columns at a time, and one.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CPU_HOOKEMITTER_H
#define STOOP_CODEGEN_CPU_HOOKEMITTER_H

#include "ir/plan/PlanOps.h"
#include <string>

namespace stoop::codegen {

/// Bitcode that defines stoop_hook_16 and stoop_hook_1 for the kernel. `anchor` is the op whose
/// float32 sums enter the hook, null for an elementwise kernel. Every elementwise op's value is
/// rounded to the element type of its result, as is the anchor's; the template rounds the last one
/// when it stores. Reports unsupported ops at their location.
mlir::FailureOr<std::string> emitHooks(plan::KernelOp kernel, mlir::Operation *anchor);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CPU_HOOKEMITTER_H

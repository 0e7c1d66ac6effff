//===- HookEmitter.h - a kernel's elementwise work as LLVM bitcode -*- C++ -*-===//
//
// Lowers the elementwise ops and reductions of a fused region to the hook that kernel templates call (see
// kernels/common/hook.h).
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CPU_HOOKEMITTER_H
#define STOOP_CODEGEN_CPU_HOOKEMITTER_H

#include "ir/plan/PlanOps.h"
#include <string>

namespace stoop::codegen {

/// What the hook does for one segment.
struct HookSegment {
  llvm::SmallVector<mlir::Value> sums;       ///< results of products, in their order
  llvm::SmallVector<mlir::Operation *> ops;  ///< elementwise and reductions, in program order
  llvm::SmallVector<mlir::Value> tailValues; ///< values that go to the tail row, in their order
  int64_t tailColumns = 0;                   ///< floats between two of them
};

/// Bitcode that defines stoop_hook for the kernel. Every value is rounded to the element type of
/// its tensor before it is used, stored or left in the tail row. Values among the kernel's results
/// are stored. Reports unsupported ops at their location.
mlir::FailureOr<std::string> emitHook(plan::KernelOp kernel, llvm::ArrayRef<HookSegment> segments);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CPU_HOOKEMITTER_H

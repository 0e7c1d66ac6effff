//===- KernelPool.h - equal regions share a kernel -----------------------===//
#ifndef STOOP_PASSES_PLANNING_KERNELPOOL_H
#define STOOP_PASSES_PLANNING_KERNELPOOL_H

#include "ir/plan/PlanOps.h"

#include "llvm/ADT/DenseMap.h"

namespace stoop::planning {

/// The kernels of one program. Two regions share a kernel if their bodies are equal but for
/// locations, and so are their row strides and schedules.
class KernelPool {
public:
  /// `builder` inserts where kernels go; it must stay valid as long as the pool.
  explicit KernelPool(mlir::OpBuilder &builder) : builder(builder) {}

  /// The kernel for `body`; a new one is called k0, k1, ... and takes a copy of the body.
  plan::KernelOp get(mlir::Location loc, mlir::Region &body, plan::ScheduleAttr schedule,
                     llvm::ArrayRef<int64_t> rowStrides);

private:
  mlir::OpBuilder &builder;
  llvm::DenseMap<llvm::hash_code, llvm::SmallVector<plan::KernelOp, 1>> kernels;
  unsigned numKernels = 0;
};

} // namespace stoop::planning

#endif // STOOP_PASSES_PLANNING_KERNELPOOL_H

//===- KernelPool.cpp - equal regions share a kernel ---------------------===//
//
// Kernels are looked up by a coarse hash and compared exactly with MLIR's own region equivalence.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/KernelPool.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/OperationSupport.h"

using namespace mlir;

namespace stoop::planning {

static llvm::hash_code hashKernel(Region &body, plan::ScheduleAttr schedule,
                                  llvm::ArrayRef<int64_t> rowStrides) {
  llvm::hash_code hash =
      llvm::hash_combine(schedule, llvm::hash_combine_range(rowStrides.begin(), rowStrides.end()));
  for (Type type : body.getArgumentTypes())
    hash = llvm::hash_combine(hash, type);
  for (Operation &op : body.front())
    hash = llvm::hash_combine(hash, op.getName());
  return hash;
}

plan::KernelOp KernelPool::get(Location loc, Region &body, plan::ScheduleAttr schedule,
                               llvm::ArrayRef<int64_t> rowStrides) {
  auto &bucket = kernels[hashKernel(body, schedule, rowStrides)];
  for (plan::KernelOp kernel : bucket)
    if (kernel.getSchedule() == schedule && kernel.getRowStrides() == rowStrides &&
        OperationEquivalence::isRegionEquivalentTo(&kernel.getBody(), &body,
                                                   OperationEquivalence::IgnoreLocations))
      return kernel;
  std::string name = ("k" + Twine(numKernels++)).str();
  auto kernel = plan::KernelOp::create(builder, loc, name, schedule, rowStrides);
  IRMapping mapping;
  body.cloneInto(&kernel.getBody(), mapping);
  bucket.push_back(kernel);
  return kernel;
}

} // namespace stoop::planning

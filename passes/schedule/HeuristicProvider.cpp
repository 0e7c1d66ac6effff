//===- HeuristicProvider.cpp - schedules from shapes alone ---------------===//
//
// One rule per tunable. A tunable that a template has and no rule sets is a programming error that
// the gate reports.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/HeuristicProvider.h"

#include "ir/support/DType.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace stoop::schedule {

/// How far ahead to fetch a weight stream: 32 vectors of the widest level when the weight is read
/// from memory, which covers about 100 ns at 10 GB/s per core; nothing when a core's cache keeps
/// the weight.
int64_t HeuristicProvider::prefetchBytes(lm::FusedOp fused) const {
  int64_t weightBytes = 0, vectorBytes = 0;
  fused.walk([&](lm::LinearOp linear) {
    weightBytes += tensorBytes(cast<RankedTensorType>(linear.getWeight().getType())).value_or(0);
  });
  for (const LevelInfo *level : levels)
    vectorBytes = std::max(vectorBytes, level->vectorBytes);
  return weightBytes > target.cachedWeightBytes ? 32 * vectorBytes : 0;
}

plan::ScheduleAttr HeuristicProvider::choose(lm::FusedOp fused) const {
  const TemplateInfo *kernel = target.templateForKind(fused.getKind());
  if (!kernel)
    return {};
  Builder builder(fused.getContext());
  SmallVector<NamedAttribute> tunables;
  if (kernel->findTunable("prefetch"))
    tunables.push_back(
        builder.getNamedAttr("prefetch", builder.getI64IntegerAttr(prefetchBytes(fused))));
  return plan::ScheduleAttr::get(fused.getContext(), kernel->name, "heuristic",
                                 builder.getDictionaryAttr(tunables));
}

} // namespace stoop::schedule

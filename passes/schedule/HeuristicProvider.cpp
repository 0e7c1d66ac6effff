//===- HeuristicProvider.cpp - schedules from shapes alone ---------------===//
//
// One rule per tunable. A tunable that a template has and no rule sets is a programming error that
// the gate reports.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/HeuristicProvider.h"

#include "ir/support/DType.h"
#include "kernels/common/scratch.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace stoop::schedule {

/// How far ahead to fetch a weight stream: 64 vectors of the widest level when the weight is read
/// from memory, which covers about 100 ns at 20 GB/s per core; nothing when a core's cache keeps
/// the weight.
int64_t HeuristicProvider::prefetchBytes(lm::FusedOp fused) const {
  int64_t weightBytes = 0, vectorBytes = 0;
  fused.walk([&](lm::LinearOp linear) {
    weightBytes += tensorBytes(cast<RankedTensorType>(linear.getWeight().getType())).value_or(0);
  });
  for (const LevelInfo *level : levels)
    vectorBytes = std::max(vectorBytes, level->vectorBytes);
  return weightBytes > target.cachedWeightBytes ? 64 * vectorBytes : 0;
}

/// Blocks are the same at all levels: the packed one and its part of a panel fit into 512 KiB of cache together.
int64_t HeuristicProvider::valueOf(StringRef tunable, lm::FusedOp fused) const {
  bool few = regionRows(fused) <= kernels::kGemvRows;
  return llvm::StringSwitch<int64_t>(tunable)
      .Case("prefetch", prefetchBytes(fused))
      .Case("block_panels", few ? kernels::kGemvBlockPanels : kernels::kGemmBlockPanels)
      .Case("block_rows", kernels::kGemmBlockRows)
      .Case("block_inner", kernels::kGemmBlockInner)
      .Case("split_panels", kernels::kGemmBlockPanels)
      .Default(-1);
}

plan::ScheduleAttr HeuristicProvider::choose(lm::FusedOp fused) const {
  const TemplateInfo *kernel = target.templateForKind(fused.getKind());
  if (!kernel)
    return {};
  Builder builder(fused.getContext());
  SmallVector<NamedAttribute> tunables;
  for (const TunableInfo &tunable : kernel->tunables)
    if (TemplateInfo::applies(tunable, regionRows(fused)))
      tunables.push_back(builder.getNamedAttr(
          tunable.name, builder.getI64IntegerAttr(valueOf(tunable.name, fused))));
  return plan::ScheduleAttr::get(fused.getContext(), kernel->name, "heuristic",
                                 builder.getDictionaryAttr(tunables));
}

} // namespace stoop::schedule

//===- HeuristicProvider.h - schedules from shapes alone -----------------===//
#ifndef STOOP_PASSES_SCHEDULE_HEURISTICPROVIDER_H
#define STOOP_PASSES_SCHEDULE_HEURISTICPROVIDER_H

#include "passes/schedule/ScheduleProvider.h"
#include "passes/schedule/TargetInfo.h"

namespace stoop::schedule {

/// Knows a schedule for every region that the target has a template for; uses shapes and the
/// target's table.
class HeuristicProvider final : public ScheduleProvider {
public:
  /// `levels` are the feature levels that each kernel is compiled for; both must outlive the
  /// provider.
  HeuristicProvider(const TargetInfo &target, llvm::ArrayRef<const LevelInfo *> levels)
      : target(target), levels(levels) {}

  plan::ScheduleAttr choose(lm::FusedOp fused) const override;

private:
  int64_t prefetchBytes(lm::FusedOp fused) const;
  int64_t valueOf(llvm::StringRef tunable, lm::FusedOp fused) const;

  const TargetInfo &target;
  llvm::ArrayRef<const LevelInfo *> levels;
};

} // namespace stoop::schedule

#endif // STOOP_PASSES_SCHEDULE_HEURISTICPROVIDER_H

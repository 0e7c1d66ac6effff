//===- GpuProvider.h - schedules of kernels launched as grids -------------===//
#ifndef STOOP_PASSES_SCHEDULE_GPUPROVIDER_H
#define STOOP_PASSES_SCHEDULE_GPUPROVIDER_H

#include "passes/schedule/ScheduleProvider.h"
#include "passes/schedule/TargetInfo.h"

namespace stoop::schedule {

/// Heuristic schedules for targets with multiprocessors; knows none for others.
class GpuProvider final : public ScheduleProvider {
public:
  /// `target` must outlive the provider.
  explicit GpuProvider(const TargetInfo &target) : target(target) {}

  plan::ScheduleAttr choose(lm::FusedOp fused) const override;
  std::string whyNone(lm::FusedOp fused) const override;

private:
  const TargetInfo &target;
};

/// Why the region cannot have the schedule, whose tunables are within their bounds; empty if it can. `isDecode`: its rows are
/// of a sequence each.
std::string whyNotLegal(mlir::Region &region, plan::ScheduleAttr schedule, bool isDecode);
/// The same of a region in its entry.
std::string whyNotLegal(lm::FusedOp fused, plan::ScheduleAttr schedule);

} // namespace stoop::schedule

#endif // STOOP_PASSES_SCHEDULE_GPUPROVIDER_H

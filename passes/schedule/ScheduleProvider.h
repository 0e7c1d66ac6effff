//===- ScheduleProvider.h - who knows a schedule -------------------------===//
#ifndef STOOP_PASSES_SCHEDULE_SCHEDULEPROVIDER_H
#define STOOP_PASSES_SCHEDULE_SCHEDULEPROVIDER_H

#include "ir/lm/LmOps.h"
#include "ir/plan/PlanDialect.h"

namespace stoop::schedule {

/// Rows of a region's linears or of its attention; 0 for a region without.
inline int64_t regionRows(mlir::Region &region) {
  int64_t rows = 0;
  region.walk([&](lm::AttentionOp attention) { rows = attention.getType().getDimSize(0); });
  region.walk([&](lm::LinearOp linear) { rows = linear.getType().getDimSize(0); });
  return rows;
}
inline int64_t regionRows(lm::FusedOp fused) { return regionRows(fused.getBody()); }

/// A source of schedules: heuristics, or a record of measurements. Providers are asked in turn; the
/// first answer counts. Their answers are attributes in the IR, so nothing behind phase scheduled
/// asks again.
class ScheduleProvider {
public:
  virtual ~ScheduleProvider() = default;

  /// The schedule for a region with static shapes, or null if this provider knows none.
  virtual plan::ScheduleAttr choose(lm::FusedOp fused) const = 0;

  /// Why no kernel computes the region, naming what its template cannot hold; empty if it is not known better than that
  /// there is none.
  virtual std::string whyNone(lm::FusedOp) const { return ""; }
};

} // namespace stoop::schedule

#endif // STOOP_PASSES_SCHEDULE_SCHEDULEPROVIDER_H

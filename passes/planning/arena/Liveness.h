//===- Liveness.h - when buffers are used --------------------------------===//
//
// Turns a list of uses (step, buffer) into inclusive live intervals. Knows nothing of IR; each
// planning pass feeds it the launches that it walks.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_PLANNING_ARENA_LIVENESS_H
#define STOOP_PASSES_PLANNING_ARENA_LIVENESS_H

#include <cstdint>
#include <optional>
#include <vector>

namespace stoop::arena {

/// First and last step that use a buffer, both inclusive.
struct Interval {
  uint32_t first, last;
};

/// Collects the uses of numbered buffers.
class Liveness {
public:
  explicit Liveness(size_t numBuffers) : intervals(numBuffers) {}

  /// Step `step` reads or writes buffer `buffer`; calls may come in any order.
  void addUse(size_t buffer, uint32_t step);

  /// The interval of `buffer`, or none if nothing uses it.
  std::optional<Interval> of(size_t buffer) const { return intervals[buffer]; }

private:
  std::vector<std::optional<Interval>> intervals;
};

} // namespace stoop::arena

#endif // STOOP_PASSES_PLANNING_ARENA_LIVENESS_H

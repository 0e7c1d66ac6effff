//===- Liveness.cpp - when buffers are used ------------------------------===//
//
// An interval only ever grows: it covers every use that was added.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/arena/Liveness.h"

#include <algorithm>

namespace stoop::arena {

void Liveness::addUse(size_t buffer, uint32_t step) {
  std::optional<Interval> &interval = intervals[buffer];
  if (!interval) {
    interval = Interval{step, step};
    return;
  }
  interval->first = std::min(interval->first, step);
  interval->last = std::max(interval->last, step);
}

} // namespace stoop::arena

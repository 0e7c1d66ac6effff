//===- Gaps.cpp - greedy fitting, largest buffer first -------------------===//
//
// Keeps the placed buffers sorted by offset; gaps for a buffer are found in one walk over those
// live with it.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/arena/solvers/Gaps.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

namespace stoop::arena {

/// Indices of all buffers, largest first; equal sizes by liveness and alignment.
static std::vector<size_t> bySize(const Problem &problem) {
  std::vector<size_t> order(problem.buffers.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const Buffer &x = problem.buffers[a], &y = problem.buffers[b];
    return std::tie(y.size, x.firstUse, x.lastUse, y.align) <
           std::tie(x.size, y.firstUse, y.lastUse, x.align);
  });
  return order;
}

/// Gaps that hold `buffer` beside `placed` (indices, ascending by offset).
static llvm::SmallVector<Gap> fittingGaps(const Problem &problem, const Placement &placement,
                                          llvm::ArrayRef<size_t> placed, const Buffer &buffer) {
  llvm::SmallVector<Gap> gaps;
  uint64_t begin = 0;
  for (size_t other : placed) {
    if (!problem.buffers[other].isLiveWith(buffer))
      continue;
    uint64_t end = placement.offsets[other];
    if (begin <= end && buffer.size <= end - begin)
      gaps.push_back({begin, end});
    begin = std::max(begin, llvm::alignTo(end + problem.buffers[other].size, buffer.align));
  }
  gaps.push_back({begin, std::numeric_limits<uint64_t>::max()});
  return gaps;
}

Placement placeBySize(const Problem &problem, PickGap pick) {
  Placement placement;
  placement.offsets.resize(problem.buffers.size());
  std::vector<size_t> placed;
  for (size_t index : bySize(problem)) {
    const Buffer &buffer = problem.buffers[index];
    llvm::SmallVector<Gap> gaps = fittingGaps(problem, placement, placed, buffer);
    uint64_t offset = gaps[pick(gaps)].begin;
    placement.offsets[index] = offset;
    placement.size = std::max(placement.size, offset + buffer.size);
    auto position =
        std::upper_bound(placed.begin(), placed.end(), offset, [&](uint64_t value, size_t other) {
          return value < placement.offsets[other];
        });
    placed.insert(position, index);
  }
  return placement;
}

} // namespace stoop::arena

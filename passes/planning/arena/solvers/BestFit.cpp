//===- BestFit.cpp - the tightest gap that holds the buffer --------------===//
//
// Largest buffer first, each in the smallest gap that is free for its whole life; of equal gaps the
// lowest.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/arena/solvers/Gaps.h"

#include "llvm/ADT/ArrayRef.h"

#include <algorithm>

namespace stoop::arena {

Placement solveBestFit(const Problem &problem) {
  return placeBySize(problem, [](llvm::ArrayRef<Gap> gaps) {
    auto tighter = [](const Gap &a, const Gap &b) { return a.end - a.begin < b.end - b.begin; };
    return size_t(std::min_element(gaps.begin(), gaps.end(), tighter) - gaps.begin());
  });
}

} // namespace stoop::arena

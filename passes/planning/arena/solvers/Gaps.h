//===- Gaps.h - what the fitting solvers share ---------------------------===//
//
// Greedy fitting places buffers one after another, largest first, each in a gap between the already
// placed buffers that are live with it. Solvers differ in the gap that they pick. Ties are broken
// by liveness and alignment, so the order in which a problem lists its buffers changes neither the
// arena's size nor which kind of buffer lies where.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_PLANNING_ARENA_SOLVERS_GAPS_H
#define STOOP_PASSES_PLANNING_ARENA_SOLVERS_GAPS_H

#include "passes/planning/arena/ArenaProblem.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace stoop::arena {

/// Room between two placed neighbours: bytes [begin, end); the last gap is open (end = UINT64_MAX).
struct Gap {
  uint64_t begin, end;
};

/// Of the gaps that hold the buffer (never empty, ascending, `begin` aligned for it), returns the
/// index of the one to use.
using PickGap = llvm::function_ref<size_t(llvm::ArrayRef<Gap> fitting)>;

/// Places all buffers by size, largest first, each at the begin of the gap that `pick` chooses.
Placement placeBySize(const Problem &problem, PickGap pick);

} // namespace stoop::arena

#endif // STOOP_PASSES_PLANNING_ARENA_SOLVERS_GAPS_H

//===- FirstFit.cpp - the lowest gap that holds the buffer ---------------===//
//
// Largest buffer first, each at the lowest offset that is free for its whole life.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/arena/solvers/Gaps.h"

#include "llvm/ADT/ArrayRef.h"

namespace stoop::arena {

Placement solveFirstFit(const Problem &problem) {
  return placeBySize(problem, [](llvm::ArrayRef<Gap>) { return size_t(0); });
}

} // namespace stoop::arena

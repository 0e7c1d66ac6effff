//===- Portfolio.h - all solvers on one problem --------------------------===//
//
// Runs several solvers on one problem, has every placement checked, and keeps the smallest. What
// the others needed is kept too, for the report.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_PLANNING_ARENA_PORTFOLIO_H
#define STOOP_PASSES_PLANNING_ARENA_PORTFOLIO_H

#include "passes/planning/arena/ArenaProblem.h"

#include "llvm/ADT/ArrayRef.h"

namespace stoop::arena {

/// Bytes that one solver needed.
struct Attempt {
  llvm::StringRef solver;
  uint64_t peak = 0;
};

/// The smallest placement; of equal ones that of the solver listed first.
struct Choice {
  Placement placement;
  llvm::StringRef kept; ///< its solver
  uint64_t lowerBound = 0;
  std::vector<Attempt> attempts; ///< of all solvers, in their order

  uint64_t peak() const { return placement.size; }
};

/// Solves `problem` with each of `solvers` (at least one). Fails if the problem makes no sense, or,
/// naming the solver, if a placement is wrong.
llvm::Expected<Choice> solveWithAll(const Problem &problem,
                                    llvm::ArrayRef<SolverInfo> solvers = allSolvers());

} // namespace stoop::arena

#endif // STOOP_PASSES_PLANNING_ARENA_PORTFOLIO_H

//===- Portfolio.cpp - all solvers on one problem ------------------------===//
//
// No solver is trusted: each placement passes the checker, also those that are not kept.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/arena/Portfolio.h"

namespace stoop::arena {

llvm::Expected<Choice> solveWithAll(const Problem &problem, llvm::ArrayRef<SolverInfo> solvers) {
  if (llvm::Error error = problem.check())
    return error;
  Choice choice;
  choice.lowerBound = livenessLowerBound(problem);
  for (const SolverInfo &solver : solvers) {
    Placement placement = solver.solve(problem);
    if (llvm::Error error = problem.verify(placement))
      return llvm::createStringError("solver '" + solver.name +
                                     "' is wrong: " + llvm::toString(std::move(error)));
    choice.attempts.push_back({solver.name, placement.size});
    if (!choice.kept.empty() && placement.size >= choice.placement.size)
      continue;
    choice.placement = std::move(placement);
    choice.kept = solver.name;
  }
  return choice;
}

} // namespace stoop::arena

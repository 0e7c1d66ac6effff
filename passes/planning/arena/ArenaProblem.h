//===- ArenaProblem.h - where buffers go in one arena, as plain data -----===//
//
// The memory planning problem, its solution and the independent checker. A problem is plain data:
// no solver state, no IR. check() says whether a problem makes sense; verify() says whether a
// placement solves it and trusts no solver: it compares every pair of buffers. Solvers are free
// functions listed in Solvers.def.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_PLANNING_ARENA_ARENAPROBLEM_H
#define STOOP_PASSES_PLANNING_ARENA_ARENAPROBLEM_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <vector>

namespace stoop::arena {

/// One buffer: `size` bytes, live from step `firstUse` to step `lastUse`, both inclusive: a buffer
/// that a step reads and one that the same step writes are live together.
struct Buffer {
  uint64_t size = 0;  ///< bytes, at least 1
  uint64_t align = 1; ///< bytes, a power of two
  uint32_t firstUse = 0;
  uint32_t lastUse = 0;

  /// True if some step needs both buffers.
  bool isLiveWith(const Buffer &other) const {
    return firstUse <= other.lastUse && other.firstUse <= lastUse;
  }
};

/// A solution: one offset (bytes) per buffer of the problem, in the same order, and the bytes that
/// the arena needs.
struct Placement {
  std::vector<uint64_t> offsets;
  uint64_t size = 0;
};

/// All buffers of one arena.
struct Problem {
  std::vector<Buffer> buffers;

  /// Fails if a buffer is empty, has an alignment that is no power of two, or ends before it
  /// begins.
  llvm::Error check() const;

  /// Fails unless `placement` has one aligned offset per buffer, every buffer ends within the
  /// arena, and no two buffers that are live together overlap. Quadratic and independent of all
  /// solvers, on purpose.
  llvm::Error verify(const Placement &placement) const;
};

/// Bytes that no placement can go below: the largest sum of the sizes that one step keeps live.
uint64_t livenessLowerBound(const Problem &problem);

/// A solver never fails: every checked problem has a solution.
using Solver = Placement (*)(const Problem &);

/// Name and function of one solver.
struct SolverInfo {
  llvm::StringRef name;
  Solver solve;
};

#define STOOP_ARENA_SOLVER(NAME, FUNCTION) Placement FUNCTION(const Problem &problem);
#include "passes/planning/arena/Solvers.def"

/// All solvers of Solvers.def, in its order.
llvm::ArrayRef<SolverInfo> allSolvers();

/// The solver called `name`, all of them for "all", none for any other name.
llvm::ArrayRef<SolverInfo> findSolvers(llvm::StringRef name);

} // namespace stoop::arena

#endif // STOOP_PASSES_PLANNING_ARENA_ARENAPROBLEM_H

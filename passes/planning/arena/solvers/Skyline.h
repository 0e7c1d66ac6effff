//===- Skyline.h - filling the lowest valley ------------------------------===//
//
// Builds a placement from the bottom up: the skyline is the height that every step has reached; the
// lowest valley takes, of the buffers that live within it, the one with the largest key, and is
// raised to its lower edge when there is none. (The best-fit heuristic for strip packing of Burke,
// Kendall and Whitwell, Operations Research 52(4), 2004, with the horizontal places given.)
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_PLANNING_ARENA_SOLVERS_SKYLINE_H
#define STOOP_PASSES_PLANNING_ARENA_SOLVERS_SKYLINE_H

#include "passes/planning/arena/ArenaProblem.h"

#include "llvm/ADT/ArrayRef.h"

namespace stoop::arena {

/// One problem, prepared for many runs with different keys.
class Skyline {
public:
  /// `problem` must outlive the skyline.
  explicit Skyline(const Problem &problem);

  /// Places all buffers by `keys` (one per buffer, larger first; equal keys: the earlier buffer).
  Placement place(llvm::ArrayRef<double> keys);

  /// Elementary steps of all runs so far: a measure of time that is the same on every machine.
  uint64_t work() const { return workDone; }

private:
  /// Steps [first, last] of equal height.
  struct Segment {
    uint32_t first, last;
    uint64_t height;
  };
  using Segments = std::vector<Segment>;

  size_t lowest(const Segments &skyline);
  std::optional<size_t> takeBest(const Segment &valley, llvm::ArrayRef<double> keys);
  static void raise(Segments &skyline, size_t valley);
  static void cover(Segments &skyline, size_t valley, uint32_t first, uint32_t last,
                    uint64_t height);
  static void mergeEqual(Segments &skyline, size_t index);

  const Problem &problem;
  std::vector<uint32_t> first, last;          ///< of each buffer, in steps that matter
  std::vector<std::vector<uint32_t>> byFirst; ///< buffers that begin in a step
  std::vector<std::vector<uint32_t>> waiting; ///< of those, the ones to place; best last
  uint64_t workDone = 0;
};

} // namespace stoop::arena

#endif // STOOP_PASSES_PLANNING_ARENA_SOLVERS_SKYLINE_H

//===- StreamShape.h - weights of a launch as one line of tiles ---*- C++ -*-===//
//
// Template linear_stream lays the tiles (ir/support/TileOrder.h) of all weights of a launch end to end and gives each
// block of the grid an equal part. What that comes to follows from the region alone; schedules choose by it, planning
// reserves by it, reports say it. The kernel (kernels/linear/linear_stream.cuh) repeats the arithmetic and asserts the
// shared memory.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_IR_LM_STREAMSHAPE_H
#define STOOP_IR_LM_STREAMSHAPE_H

#include "ir/lm/RegionParts.h"

namespace stoop::lm {

/// Most blocks of a launch of linear_stream: one a multiprocessor.
inline constexpr int64_t kMostStreamBlocks = 256;
inline constexpr int64_t kStreamWarps = 8;
/// Multiprocessors of the GPUs that parts are balanced for: A100; H100 and H200.
inline constexpr int64_t kBalancedFor[] = {108, 132};

/// An equal part of `blocks` of equal work over the largest that a multiprocessor gets when each takes the next block as soon as
/// it is done with one: 1 is balance.
inline double waveBalance(int64_t blocks, int64_t multiprocessors) {
  int64_t most = (blocks + multiprocessors - 1) / multiprocessors;
  return double(blocks) / double(multiprocessors * most);
}

/// Rows that a region's prologue makes are staged in shared memory a slice of columns at a time. Who has room for whole rows
/// stages them once and finishes the fewest columns together; else each unit reads the rows again, and is as wide as it pays.
class StreamShape {
public:
  /// Of a region with linears, for `rows` rows, staged `slice` times 32 columns at a time, in whole tiles of each weight; as
  /// many as rowTiles() or more: whole.
  StreamShape(const RegionParts &parts, int64_t rows, int64_t slice);

  /// 32 columns of a row that the prologue makes for linears, in whole tiles; 0: it makes none.
  static int64_t rowTiles(const RegionParts &parts);
  /// 32 columns of a slice, at most rowTiles().
  int64_t slice() const { return sliceTiles; }
  /// Columns of a segment that are finished together; rotated heads have both halves among them.
  int64_t width(unsigned segment) const { return segments[segment].width; }

  /// Tiles of all weights, in the order of the line.
  int64_t tiles() const { return line; }
  /// Tiles of the largest part over those of an equal one, inverted: 1 is balance. `isSplit`: parts end anywhere, else
  /// between units.
  double balance(int64_t blocks, bool isSplit) const;
  /// Bytes of shared memory of a block with that many copies a warp in flight.
  int64_t sharedBytes(int64_t stages) const;
  /// Floats that a block leaves of a unit that it shares.
  int64_t unitSums() const { return sums; }

private:
  struct Segment {
    int64_t width, units, cost; ///< tiles of a unit
  };
  llvm::SmallVector<Segment> segments;
  int64_t rows, sliceTiles, line = 0, sums = 0;
  int64_t stageBytes = 0; ///< of a tile in flight and its scales

  /// Where the part of block `block` of `blocks` begins, between units.
  int64_t borderOf(int64_t block, int64_t blocks) const;
};

} // namespace stoop::lm

#endif // STOOP_IR_LM_STREAMSHAPE_H

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

/// Columns of a segment that are finished together; rotated heads have both halves among them.
int64_t streamWidth(int64_t headDim);

/// Elements from one staged row of `columns` elements of 16 bits to the next: whole tiles, and an odd number of 64 bytes,
/// so that the lanes of a fragment meet no bank twice.
int64_t streamPitch(int64_t columns);

class StreamShape {
public:
  /// Of a region with linears, for `rows` rows.
  StreamShape(const RegionParts &parts, int64_t rows);

  /// Tiles of all weights, in the order of the line.
  int64_t tiles() const { return line; }
  /// Tiles of the largest part over those of an equal one, inverted: 1 is balance. `isSplit`: parts end anywhere, else
  /// between units.
  double balance(int64_t blocks, bool isSplit) const;
  /// Bytes of the prologue's rows that linears read.
  int64_t stagedBytes() const { return staged; }
  /// Bytes of shared memory of a block with that many copies a warp in flight.
  int64_t sharedBytes(int64_t stages) const;
  /// Floats that a block leaves of a unit that it shares.
  int64_t unitSums() const { return sums; }

private:
  struct Segment {
    int64_t units, cost; ///< tiles of a unit
  };
  llvm::SmallVector<Segment> segments;
  int64_t rows, line = 0, staged = 0, sums = 0;

  /// Where the part of block `block` of `blocks` begins, between units.
  int64_t borderOf(int64_t block, int64_t blocks) const;
};

} // namespace stoop::lm

#endif // STOOP_IR_LM_STREAMSHAPE_H

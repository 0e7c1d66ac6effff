//===- TileOrder.h - matrices in the order of tensor core fragments -*- C++ -*-===//
//
// A tile is 16 rows x 32 columns of 16-bit elements: two fragments of mma.m16n8k16, each 32 lanes x 16 bytes, so that
// a lane's four registers come with one load and 32 lanes read 512 consecutive bytes. The tiles of 16 rows follow one
// another along the columns. Products do not care in which order columns are summed, as long as both factors agree:
// lane l takes columns 8 (l % 4) to 8 (l % 4) + 7 of a tile, the first four in fragment 0, so that its part of the
// other factor is 16 consecutive bytes of a row in plain order.
// The weights serve as the factor of 16 rows (decode) or as two of 8 columns (prompts): registers 0 and 2 are rows 0 to
// 7, registers 1 and 3 are rows 8 to 15 of the tile. kernels/linear and kernels/norm/prologue.cuh read this order.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_IR_SUPPORT_TILEORDER_H
#define STOOP_IR_SUPPORT_TILEORDER_H

#include <cstdint>

namespace stoop {

inline constexpr int64_t kTileStrip = 16, kTileColumns = 32;

/// `cols` rounded up to whole tiles.
constexpr int64_t alignedToTiles(int64_t cols) {
  return (cols + kTileColumns - 1) / kTileColumns * kTileColumns;
}

/// Bytes of a matrix in tiles, padding included.
constexpr int64_t tiledBytes(int64_t rows, int64_t cols) {
  return (rows + kTileStrip - 1) / kTileStrip * kTileStrip * alignedToTiles(cols) * 2;
}

/// Where element [row][col] of a matrix with `cols` columns lies, in elements.
constexpr int64_t tiledPlace(int64_t row, int64_t col, int64_t cols) {
  int64_t tile = row / kTileStrip * (alignedToTiles(cols) / kTileColumns) + col / kTileColumns;
  int64_t fragment = col / 4 % 2, lane = row % 8 * 4 + col / 8 % 4;
  int64_t word = col / 2 % 2 * 2 + row / 8 % 2;
  return tile * kTileStrip * kTileColumns + fragment * 256 + lane * 8 + word * 2 + col % 2;
}

} // namespace stoop

#endif // STOOP_IR_SUPPORT_TILEORDER_H

//===- TileOrder.h - matrices in the order of tensor core fragments -*- C++ -*-===//
//
// A tile is 1 KiB of 16 rows: 32 columns of 16 bits, 64 of 8 or 128 of 4. Two loads of 16 bytes a lane take it, and 32 lanes
// read 512 consecutive bytes each time. The tiles of 16 rows, a strip, follow one another along the columns.
// 32 columns are two fragments of mma.m16n8k16, in which a lane has eight elements each. Products do not care in which order
// columns are summed, as long as both factors agree: lane l takes columns 8 (l % 4) to 8 (l % 4) + 7, the first four in
// fragment 0, so that its part of the other factor is 16 consecutive bytes of a row in plain order.
//   16 bits  a lane's 16 bytes are its part of a fragment
//   8 bits   its parts of both fragments of 32 columns, element by element
//   4 bits   those of 64 columns: a word for a fragment, register r at bits 4 r and 16 + 4 r
// The weights serve as the factor of 16 rows (decode) or as two of 8 columns (prompts): registers 0 and 2 are rows 0 to
// 7, registers 1 and 3 are rows 8 to 15 of the tile. kernels/linear and kernels/common/forms.cuh read this order.
// Behind the tiles of a strip are its scales, padded to 128 bytes. 8 bits: 16 float32. 4 bits: for each tile the words
// [row % 8][group] of two float16 scales (row, row + 8), then bytes [row % 8][group] of their two zeros.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_IR_SUPPORT_TILEORDER_H
#define STOOP_IR_SUPPORT_TILEORDER_H

#include "ir/support/QuantScheme.h"
#include <algorithm>

namespace stoop {

/// Rows of a strip, bytes of a tile, columns of two fragments.
inline constexpr int64_t kTileStrip = 16, kTileBytes = 1024, kTileColumns = 32;

/// How weights of a scheme, or of 16 bits without one, fill tiles.
struct TileForm {
  int64_t columns = kTileColumns; ///< of a tile
  int64_t groups = 0;             ///< of a tile, each with scales and zeros; 0: none, or one scale a row
  int64_t rowScaleBytes = 0;      ///< of a strip

  static TileForm of(const std::optional<QuantScheme> &scheme) {
    if (!scheme)
      return {};
    if (scheme->bits == 8)
      return {64, 0, kTileStrip * 4};
    return {128, std::max<int64_t>(1, 128 / scheme->group), 0};
  }

  int64_t tiles(int64_t cols) const { return (cols + columns - 1) / columns; }
  /// Bytes of scales and zeros of a tile.
  int64_t scaleBytes() const { return groups * kTileStrip * 5 / 2; }
  int64_t stripBytes(int64_t cols) const {
    return tiles(cols) * kTileBytes + (tiles(cols) * scaleBytes() + rowScaleBytes + 127) / 128 * 128;
  }
  /// Bytes of a matrix, padding included.
  int64_t bytes(int64_t rows, int64_t cols) const { return (rows + kTileStrip - 1) / kTileStrip * stripBytes(cols); }
};

/// Element of 16 among those that a lane has of 32 columns, and the lane.
constexpr int64_t fragmentElement(int64_t row, int64_t col) { return col / 4 % 2 * 8 + col / 2 % 2 * 4 + row / 8 % 2 * 2 + col % 2; }
constexpr int64_t fragmentLane(int64_t row, int64_t col) { return row % 8 * 4 + col / 8 % 4; }

/// Where element [row][col] of a matrix of 16-bit elements with `cols` columns lies, in elements.
constexpr int64_t tiledPlace(int64_t row, int64_t col, int64_t cols) {
  int64_t tile = row / kTileStrip * ((cols + kTileColumns - 1) / kTileColumns) + col / kTileColumns;
  int64_t element = fragmentElement(row, col);
  return tile * kTileBytes / 2 + element / 8 * 256 + fragmentLane(row, col) * 8 + element % 8;
}

} // namespace stoop

#endif // STOOP_IR_SUPPORT_TILEORDER_H

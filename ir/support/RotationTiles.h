//===- RotationTiles.h - tiles of columns and rotated heads -------*- C++ -*-===//
//
// A kernel that rotates heads behind a linear needs both columns of each pair in one tile. Fusion and the choice of
// templates ask the same question.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_IR_SUPPORT_ROTATIONTILES_H
#define STOOP_IR_SUPPORT_ROTATIONTILES_H

#include <cstdint>

namespace stoop {

/// Tiles from this width on are for many rows.
inline constexpr int64_t kWideTile = 64;

/// Whether tiles of `width` columns hold heads of `headDim` columns (0: none are rotated) whole, or equal parts of both
/// halves of one.
inline bool tileHoldsHeads(int64_t width, int64_t headDim) {
  // Weights for many rows are read in strips of 16 columns.
  bool takesHalves = width < kWideTile || width % 32 == 0;
  return headDim == 0 || width % headDim == 0 || (takesHalves && (headDim / 2) % (width / 2) == 0);
}

} // namespace stoop

#endif // STOOP_IR_SUPPORT_ROTATIONTILES_H

//===- StreamShape.cpp - weights of a launch as one line of tiles ---------===//
#include "ir/lm/StreamShape.h"

#include "ir/support/DType.h"
#include "ir/support/RotationTiles.h"
#include "ir/support/TileOrder.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;

namespace stoop::lm {

/// Columns from which on reading the rows again for each unit is an eighth of reading its weights of 16 bits, for 8 rows of
/// float32. Codes are shorter, so units are as much wider: normalising rows has to keep pace with them.
static constexpr int64_t kWideUnit = 128;

static int64_t leastWidth(int64_t headDim) {
  if (headDim % 32 == 0)
    return headDim ? 32 : 16;
  return std::lcm(headDim, kTileStrip);
}

/// The widest unit that holds heads whole or equal parts of both halves in strips, and divides the columns, so that no weight
/// is read twice.
static int64_t wideWidth(const RegionSegment &segment, int64_t widestTile) {
  int64_t least = leastWidth(segment.headDim);
  for (int64_t width = kWideUnit * widestTile / least * least; width > least; width -= least) {
    bool holdsHeads = width % 32 == 0 ? tileHoldsHeads(width, segment.headDim) : width % std::max<int64_t>(segment.headDim, 1) == 0;
    if (holdsHeads && llvm::alignTo(segment.columns, kTileStrip) % width == 0)
      return width;
  }
  return least;
}

static bool isMade(LinearOp linear) { return linear.getInput().getDefiningOp() != nullptr; }

static TileForm formOf(LinearOp linear) { return TileForm::of(quantSchemeOf(linear.getWeight().getType())); }

static int64_t tilesOf(LinearOp linear) { return formOf(linear).tiles(linear.getWeight().getType().getShape().back()); }

/// 32 columns that the widest tile has of those that are multiplied by rows of the prologue.
static int64_t widestTile(const RegionParts &parts) {
  int64_t widest = 1;
  for (const RegionSegment &segment : parts.segments)
    for (LinearOp linear : segment.linears)
      if (isMade(linear))
        widest = std::max(widest, formOf(linear).columns / kTileColumns);
  return widest;
}

int64_t StreamShape::rowTiles(const RegionParts &parts) {
  for (const RegionSegment &segment : parts.segments)
    for (LinearOp linear : segment.linears)
      if (isMade(linear))
        return llvm::alignTo(llvm::divideCeil(linear.getWeight().getType().getShape().back(), kTileColumns), widestTile(parts));
  return 0;
}

StreamShape::StreamShape(const RegionParts &parts, int64_t rows, int64_t slice)
    : rows(rows), sliceTiles(std::min<int64_t>(llvm::alignTo(slice, widestTile(parts)), rowTiles(parts))) {
  int64_t scales = 0;
  for (const RegionSegment &segment : parts.segments) {
    bool isSliced = sliceTiles < rowTiles(parts) && llvm::any_of(segment.linears, isMade);
    int64_t width = isSliced ? wideWidth(segment, widestTile(parts)) : leastWidth(segment.headDim), cost = 0;
    for (LinearOp linear : segment.linears) {
      cost += width / kTileStrip * tilesOf(linear);
      scales = std::max(scales, formOf(linear).scaleBytes());
    }
    segments.push_back({width, static_cast<int64_t>(llvm::divideCeil(segment.columns, width)), cost});
    line += segments.back().units * cost;
    sums = std::max<int64_t>(sums, segment.linears.size() * rows * (width + 4));
  }
  stageBytes = kTileBytes + llvm::alignTo(scales, 16);
}

int64_t StreamShape::sharedBytes(int64_t stages) const {
  int64_t staged = sliceTiles ? rows * (sliceTiles | 1) * kTileColumns * 2 : 0; // an odd number of 64 bytes: no bank twice
  int64_t warpSums = 2 * kStreamWarps * rows * 20 * 4;
  return staged + kStreamWarps * stages * stageBytes + warpSums + sums * 4;
}

int64_t StreamShape::borderOf(int64_t block, int64_t blocks) const {
  int64_t at = line * block / blocks, begin = 0;
  for (const Segment &segment : segments) {
    int64_t tiles = segment.units * segment.cost;
    if (at >= begin + tiles) {
      begin += tiles;
      continue;
    }
    int64_t over = (at - begin) % segment.cost;
    return at - over + (2 * over < segment.cost ? 0 : segment.cost);
  }
  return line;
}

double StreamShape::balance(int64_t blocks, bool isSplit) const {
  blocks = std::min(blocks, line);
  int64_t most = 0;
  for (int64_t block = 0; block < blocks; ++block)
    most = std::max(most, isSplit ? line * (block + 1) / blocks - line * block / blocks
                                  : borderOf(block + 1, blocks) - borderOf(block, blocks));
  return double(line) / double(blocks * most);
}

} // namespace stoop::lm

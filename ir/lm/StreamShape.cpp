//===- StreamShape.cpp - weights of a launch as one line of tiles ---------===//
#include "ir/lm/StreamShape.h"

#include "ir/support/TileOrder.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;

namespace stoop::lm {

int64_t streamWidth(int64_t headDim) {
  if (headDim % 32 == 0)
    return headDim ? 32 : 16;
  return std::lcm(headDim, kTileStrip);
}

int64_t streamPitch(int64_t columns) { return (alignedToTiles(columns) / kTileColumns | 1) * kTileColumns; }

StreamShape::StreamShape(const RegionParts &parts, int64_t rows) : rows(rows) {
  for (const RegionSegment &segment : parts.segments) {
    int64_t width = streamWidth(segment.headDim), cost = 0;
    for (LinearOp linear : segment.linears)
      cost += width / kTileStrip * (alignedToTiles(linear.getWeight().getType().getShape().back()) / kTileColumns);
    segments.push_back({static_cast<int64_t>(llvm::divideCeil(segment.columns, width)), cost});
    line += segments.back().units * cost;
    sums = std::max<int64_t>(sums, segment.linears.size() * rows * (width + 4));
  }
  auto stage = [&](Value value) {
    if (llvm::any_of(value.getUsers(), llvm::IsaPred<LinearOp>))
      staged += rows * streamPitch(cast<RankedTensorType>(value.getType()).getShape().back()) * 2;
  };
  if (parts.source)
    stage(parts.source->getResult(0));
  for (NormOp norm : parts.norms)
    stage(norm.getResult());
}

int64_t StreamShape::sharedBytes(int64_t stages) const {
  int64_t warpSums = 2 * kStreamWarps * rows * 20 * 4;
  return staged + kStreamWarps * stages * tiledBytes(kTileStrip, kTileColumns) + warpSums + sums * 4;
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

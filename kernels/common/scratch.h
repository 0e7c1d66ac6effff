// Scratch bytes of the kernel templates: one definition for the kernels that use it and the
// compiler that plans it.
#ifndef STOOP_KERNELS_COMMON_SCRATCH_H
#define STOOP_KERNELS_COMMON_SCRATCH_H

#include <stdint.h>

#include "kernels/common/params.h"

namespace stoop::kernels {

// Most rows of `linear` that share one pass over the weights; more are multiplied in blocks.
constexpr int64_t kGemvRows = 4;

// Blocks of the matrix product where nothing was measured: rows, 16-column panels, inner elements.
constexpr int64_t kGemmBlockRows = 192, kGemmBlockPanels = 64, kGemmBlockInner = 384;
// Rows of a strip, which blocks consist of; tiles take whole pairs of tiles.
constexpr int64_t kGemmStrip = 6, kTileRows = 32;
constexpr int64_t kTileElements = 16 * 32;

// Panels whose sums wait together when few rows are multiplied, where nothing was measured: enough
// that the streams of several products are long.
constexpr int64_t kGemvBlockPanels = 8;

// Columns of a row of activations that share a scale beside quantised weights.
constexpr int64_t kScaleColumns = 128;

// Panels that are multiplied together, at most.
constexpr int64_t kExpandedPanels = 4;

// Columns that a norm writes at a time before they are packed: the most that a block has.
constexpr int64_t kChunkColumns = 1024;

// Panels of a block of a region: whole units of each segment fit in.
[[gnu::always_inline]] inline constexpr int64_t linear_block_panels(const LinearParams &p) {
  return p.block_panels > p.most_unit_panels ? p.block_panels : p.most_unit_panels;
}

// What a schedule's `panels` comes to in a region with that many products in a segment: few rows of
// one product need no block, many rows of several share the cache.
[[gnu::always_inline]] inline constexpr int64_t block_panels_of(int64_t panels, int64_t max_rows,
                                                                int64_t most_products) {
  if (max_rows <= kGemvRows) return most_products > 1 ? panels : 1;
  const int64_t many = most_products > 1 ? 2 * panels / most_products : panels;
  return many > 1 ? many : 1;
}

// Rows of a block of tiles.
[[gnu::always_inline]] inline constexpr int64_t tile_block_rows(const LinearParams &p) {
  return (p.block_rows + kTileRows - 1) / kTileRows * kTileRows;
}

// The scratch of `linear`, in bytes; pieces lie one behind the other, 64-byte aligned.
struct LinearScratch {
  int64_t embedded;    // float32 rows of an embedding
  int64_t statistics;  // mean and scale of each row of a block
  int64_t chunk;       // normalised columns of one row
  int64_t packed;      // activations as the core reads them
  int64_t sums;        // [product][panel][row][16]
  int64_t tail;        // values that heads are made of, and one rotated head
  int64_t tile_tails;  // last, partial tiles of two panels
  int64_t expanded;    // panels as the core reads them, where they are stored narrower
};

[[gnu::always_inline]] inline constexpr int64_t scratch_piece(int64_t bytes) {
  return (bytes + 63) / 64 * 64;
}

[[gnu::always_inline]] inline constexpr LinearScratch linear_scratch(const LinearParams &p) {
  const bool few = p.max_rows <= kGemvRows;
  const int64_t rows = few ? p.max_rows : tile_block_rows(p);
  const int64_t blocked = p.block_rows * p.block_inner * 4, tiled = rows * p.block_inner * 2;
  // Tiles multiply panels in pairs.
  const int64_t panels = (linear_block_panels(p) + 1) / 2 * 2;
  LinearScratch s = {};
  s.embedded = p.prologue.source == kEmbeddedRows ? rows * p.prologue.columns * 4 : 0;
  s.statistics = p.prologue.norm != kNoNorm ? rows * 8 : 0;
  s.chunk = p.prologue.norm != kNoNorm ? kChunkColumns * 4 : 0;
  s.packed = few ? p.packed_columns * rows * 4 : blocked > tiled ? blocked : tiled;
  s.sums = p.most_products * panels * rows * 16 * 4;
  s.tail = p.num_parts > 0 ? (p.tail_values + 1) * p.most_unit_panels * 16 * 4 : 0;
  s.tile_tails = few ? 0 : 2 * kTileElements * 2;
  s.expanded = few ? 0 : kExpandedPanels * p.block_inner * 16 * 4;
  return s;
}

[[gnu::always_inline]] inline constexpr int64_t linear_scratch_bytes(const LinearParams &p) {
  const LinearScratch s = linear_scratch(p);
  return scratch_piece(s.embedded) + scratch_piece(s.statistics) + scratch_piece(s.chunk) +
         scratch_piece(s.packed) + scratch_piece(s.sums) + scratch_piece(s.tail) +
         scratch_piece(s.tile_tails) + scratch_piece(s.expanded);
}

// Rows of one head in a work item of attention, keys of a block.
constexpr int64_t kQueryRows = 48, kBlockKeys = 64;

// Most queries of a work item: heads of a group are kept together up to 128, beyond which they
// would leave the caches.
[[gnu::always_inline]] inline constexpr int64_t attention_queries(int64_t group) {
  const int64_t heads = group < 128 ? group : 128;
  return heads > kQueryRows ? heads : kQueryRows;
}

[[gnu::always_inline]] inline constexpr int64_t attention_scratch_bytes(int64_t head_dim,
                                                                        int64_t group) {
  const int64_t padded = (head_dim + 15) / 16 * 16, queries = attention_queries(group);
  return 4 * (2 * queries * padded + 2 * kBlockKeys * padded + queries * kBlockKeys) +
         4 * scratch_piece(queries * 4) + 3 * scratch_piece(queries * 8);
}

}  // namespace stoop::kernels

#endif

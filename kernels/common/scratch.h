// Scratch bytes of the kernel templates: one definition for the kernels that use it and the
// compiler that plans it.
#ifndef STOOP_KERNELS_COMMON_SCRATCH_H
#define STOOP_KERNELS_COMMON_SCRATCH_H

#include <stdint.h>

namespace stoop::kernels {

// Most rows of `linear` that share one pass over the weights; more are multiplied in blocks.
constexpr int64_t kGemvRows = 4;

// Blocks of the matrix product: rows, 16-column panels, inner elements. Tiles take more rows.
constexpr int64_t kGemmBlockRows = 48, kGemmBlockPanels = 32, kGemmBlockInner = 1024;
constexpr int64_t kTileBlockRows = 64, kTileBlockInner = 1024;
constexpr int64_t kTileElements = 16 * 32;

constexpr int64_t linear_scratch_bytes(int64_t k, int64_t max_rows) {
  const int64_t few_rows = max_rows < kGemvRows ? max_rows : kGemvRows;
  const int64_t few = (k + 1) / 2 * 2 * 4 * few_rows;
  const int64_t blocked = kGemmBlockRows * (kGemmBlockInner + kGemmBlockPanels * 16) * 4;
  const int64_t tiled = kTileBlockRows * kTileBlockInner * 2 +
                        kTileBlockRows * kGemmBlockPanels * 16 * 4 + 2 * kTileElements * 2;
  const int64_t many = max_rows <= kGemvRows ? 0 : blocked > tiled ? blocked : tiled;
  return few > many ? few : many;
}

// Queries of a work item of attention, keys of a block.
constexpr int64_t kMaxQueries = 32, kBlockKeys = 64;

constexpr int64_t attention_scratch_bytes(int64_t head_dim) {
  const int64_t padded = (head_dim + 15) / 16 * 16;
  const int64_t per_query = 4 * 4 + 3 * 8;
  return 4 * (2 * kMaxQueries * padded + 2 * kBlockKeys * padded + kMaxQueries * kBlockKeys) +
         kMaxQueries * per_query;
}

}  // namespace stoop::kernels

#endif

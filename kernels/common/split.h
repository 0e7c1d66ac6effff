// What the kernel templates deal to threads: one definition for the kernels that do it and the
// compiler that reports it.
#ifndef STOOP_KERNELS_COMMON_SPLIT_H
#define STOOP_KERNELS_COMMON_SPLIT_H

#include <stdint.h>

#include "kernels/common/params.h"
#include "kernels/common/scratch.h"

namespace stoop::kernels {

[[gnu::always_inline]] inline constexpr int64_t pieces_of(int64_t count, int64_t each) {
  return (count + each - 1) / each;
}

// Panels of 16 columns of a segment, and the units that threads take, whole.
[[gnu::always_inline]] inline constexpr int64_t segment_panels(const LinearSegment &s) {
  return pieces_of(s.n, 16);
}
[[gnu::always_inline]] inline constexpr int64_t segment_units(const LinearSegment &s) {
  return pieces_of(segment_panels(s), s.unit_panels);
}

// Work items of attention for `rows` rows: of one sequence, blocks of rows of one head; else the
// heads of a group at one row, which are cut into even pieces when threads outnumber groups.
struct AttentionSplit {
  int64_t row_blocks;  // of a head; 0: rows of several sequences, or one row
  int64_t heads;       // of an item of such rows
  int64_t pieces;      // of a group at one row
  int64_t items;
};

[[gnu::always_inline]] inline constexpr AttentionSplit attention_split(const AttentionParams &p,
                                                                       int64_t rows,
                                                                       int64_t threads,
                                                                       bool one_sequence) {
  const int64_t group = p.heads / p.kv_heads;
  const int64_t for_threads = pieces_of(threads, rows * p.kv_heads);
  const int64_t for_scratch = pieces_of(group, attention_queries(group));
  AttentionSplit s = {};
  s.row_blocks = one_sequence ? pieces_of(rows, kQueryRows) : 0;
  s.heads = pieces_of(group, for_threads > for_scratch ? for_threads : for_scratch);
  s.pieces = pieces_of(group, s.heads);
  s.items = one_sequence ? p.heads * s.row_blocks : rows * p.kv_heads * s.pieces;
  return s;
}

// Things that threads have even shares of: rows, pairs of row and head, columns, blocks of 16
// columns of a row, or those that moments are of.
[[gnu::always_inline]] inline constexpr int64_t split_items(const NormParams &, int64_t rows) {
  return rows;
}
[[gnu::always_inline]] inline constexpr int64_t split_items(const RopeParams &p, int64_t rows) {
  return rows * p.heads;
}
[[gnu::always_inline]] inline constexpr int64_t split_items(const KvAppendParams &p, int64_t rows) {
  return rows * p.heads;
}
[[gnu::always_inline]] inline constexpr int64_t split_items(const EmbeddingParams &p, int64_t) {
  return p.columns;
}
[[gnu::always_inline]] inline constexpr int64_t split_items(const GatherLastParams &p, int64_t) {
  return p.columns;
}
[[gnu::always_inline]] inline constexpr int64_t split_items(const ElementwiseParams &p,
                                                            int64_t rows) {
  return rows * pieces_of(p.columns, 16);
}

[[gnu::always_inline]] inline constexpr int64_t split_items(const MomentsParams &p, int64_t rows) {
  return rows * pieces_of(p.columns, p.moments.block);
}

}  // namespace stoop::kernels

#endif

// Embedding: copies row tokens[t] out of a matrix in panel16 order; a tied output matrix is stored
// once so.
//
// An element (row, column) of float32 or float16 lies at [row / 16][column][row % 16], of bfloat16
// at [row / 16][column / 2][row % 16][column % 2] (panels padded to an even number of columns). A
// token outside of the vocabulary gives a row of zeros. Split: columns over threads, so that one
// row is shared out too.
#ifndef STOOP_KERNELS_EMBEDDING_EMBEDDING_H
#define STOOP_KERNELS_EMBEDDING_EMBEDDING_H

#include "kernels/common/args.h"
#include "kernels/common/params.h"
#include "kernels/common/split.h"
#include "kernels/quant/rows.h"

namespace stoop::kernels {

template <class W>
STOOP_INLINE i64 panel_offset(i64 row, i64 column, i64 columns) {
  return row / kLanes * columns * kLanes + column * kLanes + row % kLanes;
}
template <>
STOOP_INLINE i64 panel_offset<Bf16>(i64 row, i64 column, i64 columns) {
  return row / kLanes * round_up(columns, 2) * kLanes + column / 2 * 2 * kLanes + row % kLanes * 2 +
         column % 2;
}

// Columns of the row of one token.
template <class W, class X>
STOOP_INLINE void embed_columns(const typename W::T *w, i64 token, i64 vocab, i64 columns,
                                Range range, typename X::T *y) {
  const bool known = token >= 0 && token < vocab;
  STOOP_SCALAR_LOOP
  for (i64 c = range.begin; c < range.end; ++c)
    X::store1(y + c, known ? W::load1(w + panel_offset<W>(token, c, columns)) : 0.0f);
}

template <class W, class X>
STOOP_INLINE void embedding(const stoop_kernel_args *args, const EmbeddingParams *p) {
  const int32_t *tokens = buffer<const int32_t>(args, p->tokens_operand);
  const i64 rows = valid_rows(args, p->max_rows);
  const Range columns = my_share(args, split_items(*p, rows));
  for (i64 row = 0; row < rows; ++row) {
    auto *y = buffer<typename X::T>(args, p->y_operand) + row * p->y_stride;
    if constexpr (__is_same(W, element::quant))
      embed_quantized<X>({p->quant_group, p->columns}, buffer<const char>(args, p->w_operand),
                         tokens[row], p->vocab, columns, y);
    else
      embed_columns<W, X>(buffer<const typename W::T>(args, p->w_operand), tokens[row], p->vocab,
                          p->columns, columns, y);
  }
}

#define STOOP_EMBEDDING(w, x)                                              \
  extern "C" void stoop_embedding_##w##_##x(const stoop_kernel_args *args, \
                                            const EmbeddingParams *p) {    \
    embedding<element::w, element::x>(args, p);                            \
  }
#include "kernels/embedding/embedding.def"

}  // namespace stoop::kernels

#endif

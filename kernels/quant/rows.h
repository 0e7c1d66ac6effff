// Rows of a quantised embedding matrix, as float32.
#ifndef STOOP_KERNELS_QUANT_ROWS_H
#define STOOP_KERNELS_QUANT_ROWS_H

#include "kernels/quant/layout.h"

namespace stoop::kernels {

// Value of one element of a panel.
STOOP_INLINE float quantized_value(const QuantLayout &layout, const char *panel, i64 lane,
                                   i64 column) {
  const i64 width = layout.is_int4() ? 8 : 4, within = column % width;
  const i64 at = within / 2 * (32 / width) + within % 2 * 16;
  const uint32_t word =
      *reinterpret_cast<const uint32_t *>(panel + layout.unit_offset(column - within) + lane * 4);
  const char *header = panel + layout.scale_offset(column);
  if (!layout.is_int4())
    return reinterpret_cast<const float *>(header)[lane] * (float)(int8_t)(word >> at);
  const int32_t zero = (uint8_t)header[32 + lane / 2] >> (lane % 2 * 4) & 15;
  return (float)reinterpret_cast<const _Float16 *>(header)[lane] *
         (float)((int32_t)(word >> at & 15) - zero);
}

// Columns of the row of one token; zeros for a token outside of the vocabulary.
template <class X>
STOOP_INLINE void embed_quantized(const QuantLayout &layout, const char *w, i64 token, i64 vocab,
                                  Range range, typename X::T *y) {
  const bool known = token >= 0 && token < vocab;
  const char *panel = w + (known ? token : 0) / kLanes * layout.panel_bytes();
  for (i64 c = range.begin; c < range.end; ++c)
    X::store1(y + c, known ? quantized_value(layout, panel, token % kLanes, c) : 0.0f);
}

}  // namespace stoop::kernels

#endif

// Integer weights as float32: the blocks that many rows are multiplied with, and rows of an embedding.
//
// A block of a panel is written to scratch as [column][16] and multiplied like float32 weights; values
// are exactly those that the integers stand for. Bound: as gemm.
#ifndef STOOP_KERNELS_QUANT_FLOAT_CORE_H
#define STOOP_KERNELS_QUANT_FLOAT_CORE_H

#include "kernels/gemm/blocked_core.h"
#include "kernels/quant/layout.h"

namespace stoop::kernels {

// Columns of one unit, [column][16]. zeros: of int4, else 0.
template <bool kInt4>
STOOP_INLINE void expand_unit(u32x16 unit, i32x16 zeros, f32x16 scales, float *out) {
#pragma clang loop unroll(full)
  for (int c = 0; c < kUnitWidth<kInt4>; ++c) {
    const i32x16 code = code_of_column<kInt4>(unit, c) - zeros;
    store_vector(out + c * kLanes, scales * __builtin_convertvector(code, f32x16));
  }
}

// Columns [column, column + columns) of a panel, `column` the first of a unit, as [column][16];
// columns behind the last one up to the end of its unit are written too.
STOOP_INLINE void expand_panel(const QuantLayout &layout, const char *panel, i64 column, i64 columns,
                               float *out) {
  const i64 end = column + columns;
  if (!layout.is_int4()) {
    const f32x16 scales = load_vector<f32x16>(panel);
    for (i64 c = column; c < end; c += 4, out += 4 * kLanes)
      expand_unit<false>(load_vector<u32x16>(panel + layout.unit_offset(c)), (i32x16)0, scales, out);
    return;
  }
#pragma clang loop unroll(disable)
  for (i64 first = column; first < end;) {
    const char *header = panel + layout.scale_offset(first);
    const f32x16 scales = F16::load16(reinterpret_cast<const _Float16 *>(header));
    const i32x16 zeros = load_zeros(reinterpret_cast<const uint8_t *>(header + 32));
    const i64 next = min_of((first / layout.group + 1) * layout.group, end);
    const char *units = panel + layout.unit_offset(first);
    for (i64 c = first; c < next; c += 8, units += kUnitBytes, out += 8 * kLanes)
      expand_unit<true>(load_vector<u32x16>(units), zeros, scales, out);
    first = next;
  }
}

// Quantised panels as the float32 core reads them; see StoredPanels.
struct ExpandedPanels {
  static constexpr bool kInPlace = false;
  QuantLayout layout;
  const char *data;

  STOOP_INLINE ExpandedPanels(const stoop_kernel_args *args, const LinearProduct *product)
      : layout{product->quant_group, product->k},
        data(buffer<const char>(args, product->w_operand)) {}

  STOOP_INLINE i64 stride() const { return layout.panel_bytes(); }
  STOOP_INLINE i64 bytes(i64 columns) const {
    return layout.is_int4() ? columns * 8 + divide_up(columns, layout.group) * kInt4Header : columns * 16;
  }
  STOOP_INLINE const char *at(i64 panel, i64 column) const {
    return data + panel * layout.panel_bytes() + layout.scale_offset(column);
  }
  STOOP_INLINE void expand(i64 panel, i64 column, i64 columns, char *steps) const {
    expand_panel(layout, data + panel * layout.panel_bytes(), column, columns,
                 reinterpret_cast<float *>(steps));
  }
};

template <class X>
using ExpandingCore = BlockedCore<FmaPolicy<F32>, X, ExpandedPanels>;

}  // namespace stoop::kernels

#endif

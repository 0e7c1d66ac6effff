// Integer weights as float32: the blocks that many rows are multiplied with, and rows of an embedding.
//
// A block of a panel is written to scratch as [column][16] and multiplied like float32 weights. That
// costs about one step in twenty beside 48 rows; values are exactly those that the integers stand
// for. Bound: as gemm.
#ifndef STOOP_KERNELS_QUANT_FLOAT_CORE_H
#define STOOP_KERNELS_QUANT_FLOAT_CORE_H

#include "kernels/gemm/gemm.h"
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

// Columns [column, column + columns) of a panel, `column` the first of a group, as [column][16];
// columns behind the last one up to the end of its unit are written too.
STOOP_INLINE void expand_panel(const QuantLayout &layout, const char *panel, i64 column, i64 columns,
                               float *out) {
  if (!layout.is_int4()) {
    const f32x16 scales = load_vector<f32x16>(panel);
    const char *units = panel + layout.unit_offset(column);
    for (i64 c = 0; c < columns; c += 4)
      expand_unit<false>(load_vector<u32x16>(units + c / 4 * kUnitBytes), (i32x16)0, scales,
                         out + c * kLanes);
    return;
  }
#pragma clang loop unroll(disable)
  for (i64 first = 0; first < columns; first += layout.group) {
    const char *header = panel + layout.scale_offset(column + first);
    const f32x16 scales = F16::load16(reinterpret_cast<const _Float16 *>(header));
    const i32x16 zeros = load_zeros(reinterpret_cast<const uint8_t *>(header + 32));
    const i64 end = min_of(first + layout.group, columns);
    for (i64 c = first; c < end; c += 8)
      expand_unit<true>(load_vector<u32x16>(header + kInt4Header + (c - first) / 8 * kUnitBytes),
                        zeros, scales, out + c * kLanes);
  }
}

// Multiplies blocks of quantised panels; see BlockedCore.
template <class X>
struct ExpandingCore {
  using P = FmaPolicy<F32>;
  STOOP_INLINE static i64 block_rows(const LinearParams *p) { return p->block_rows; }
  static_assert(kGemmPanels <= kExpandedPanels);
  BlockedCore<P, X> rows;
  i64 panel_floats;
  float *weights;  // [kGemmPanels][block_inner][16]

  STOOP_INLINE ExpandingCore(Scratch &scratch, const LinearScratch &sizes)
      : rows(scratch, sizes),
        panel_floats(sizes.expanded / 4 / kExpandedPanels),
        weights(scratch.take<float>(sizes.expanded / 4)) {}

  STOOP_INLINE void pack(const Prologue<X> &prologue, const LinearInput *in, i64 row0, i64 num_rows,
                         i64 k0, i64 columns) {
    rows.pack(prologue, in, row0, num_rows, k0, columns);
  }

  template <int NP>
  STOOP_INLINE void multiply_expanded(i64 num_rows, i64 k0, i64 columns, float *sums,
                                      i64 sums_panel) {
    for (i64 s = 0; s < divide_up(num_rows, kGemmStrip); ++s)
      gemm_tile<P, NP>(rows.a + s * columns * kGemmStrip, weights, panel_floats, columns,
                       sums + s * kGemmStrip * kLanes, sums_panel, k0 == 0);
  }

  STOOP_INLINE void multiply_panels(const stoop_kernel_args *args, const LinearProduct *product,
                                    i64 num_rows, i64 k0, i64 columns, i64 panel0, i64 panels,
                                    float *sums, i64 sums_panel) {
    const QuantLayout layout{product->quant_group, product->k};
    const char *w = buffer<const char>(args, product->w_operand) + panel0 * layout.panel_bytes();
#pragma clang loop unroll(disable)
    for (i64 panel = 0; panel < panels;) {
      const i64 step = panel + kGemmPanels <= panels ? kGemmPanels : 1;
#pragma clang loop unroll(disable)
      for (i64 i = 0; i < step; ++i)
        expand_panel(layout, w + (panel + i) * layout.panel_bytes(), k0, columns,
                     weights + i * panel_floats);
      if (step == kGemmPanels)
        multiply_expanded<kGemmPanels>(num_rows, k0, columns, sums + panel * sums_panel, sums_panel);
      else
        multiply_expanded<1>(num_rows, k0, columns, sums + panel * sums_panel, sums_panel);
      panel += step;
    }
  }
};

}  // namespace stoop::kernels

#endif

// Integer weights times float activations for few rows: weights become float32 in registers.
//
// The other core, integer_core.h, rounds activations to 16 bits and needs half the instructions;
// this one rounds nothing but the sums. A group's scale enters once, behind its sum.
// Bound: conversions, about six instructions for 16 weights and two more for each row.
#ifndef STOOP_KERNELS_QUANT_FLOAT_ROWS_H
#define STOOP_KERNELS_QUANT_FLOAT_ROWS_H

#include "kernels/common/scratch.h"
#include "kernels/quant/layout.h"

namespace stoop::kernels {

// R rows of activations as float32, [column][R]. Columns are padded with zeros to a multiple of 128.
template <int R>
struct FloatRows {
  float *values;

  STOOP_INLINE static constexpr i64 bytes(i64 columns) {
    return round_up(columns, kScaleColumns) * R * 4;
  }
  STOOP_INLINE FloatRows(void *memory, i64) : values(static_cast<float *>(memory)) {}

  // Writes 128 columns of row r from `column` on, a multiple of 128, of which `columns` exist.
  template <class X>
  STOOP_INLINE void pack(int r, const typename X::T *x, i64 column, i64 columns) {
    float *out = values + column * R + r;
    for (i64 c = 0; c < kScaleColumns; c += kLanes) {
      const i64 valid = columns - c;
      const f32x16 f = valid <= 0 ? splat(0.0f) : load_valid<X>(x + c, valid);
#pragma clang loop unroll(full)
      for (int i = 0; i < kLanes; ++i) out[(c + i) * R] = f[i];
    }
  }
};

// total += sums over whole units of (code - zero) times activation. Accumulators of their own for
// neighbouring columns hide latency where registers allow it.
template <bool kInt4, int R>
STOOP_INLINE void float_units(const char *units, i32x16 zeros, const float *x, i64 num_units,
                              i64 prefetch, f32x16 (&total)[R]) {
  constexpr int kSets = R == 1 ? 4 : R == 2 ? 2 : 1;
  f32x16 acc[kSets][R] = {};
#pragma clang loop unroll(disable)
  for (i64 unit = 0; unit < num_units; ++unit) {
    if (prefetch > 0) __builtin_prefetch(units + unit * kUnitBytes + prefetch, 0, 3);
    const u32x16 codes = load_vector<u32x16>(units + unit * kUnitBytes);
    const float *a = x + unit * kUnitWidth<kInt4> * R;
#pragma clang loop unroll(full)
    for (int c = 0; c < kUnitWidth<kInt4>; ++c) {
      const f32x16 w = __builtin_convertvector(code_of_column<kInt4>(codes, c) - zeros, f32x16);
#pragma clang loop unroll(full)
      for (int r = 0; r < R; ++r)
        acc[c % kSets][r] = fma16(w, splat(a[c * R + r]), acc[c % kSets][r]);
    }
  }
#pragma clang loop unroll(full)
  for (int s = 0; s < kSets; ++s)
#pragma clang loop unroll(full)
    for (int r = 0; r < R; ++r) total[r] += acc[s][r];
}

// R rows times one panel: acc = sums over all columns.
template <int R>
STOOP_INLINE void multiply_panel(const QuantLayout &layout, const char *panel,
                                 const FloatRows<R> &x, i64 prefetch, f32x16 (&acc)[R]) {
#pragma clang loop unroll(full)
  for (int r = 0; r < R; ++r) acc[r] = splat(0.0f);
  if (!layout.is_int4()) {
    float_units<false, R>(panel + kInt8Header, (i32x16)0, x.values, divide_up(layout.columns, 4),
                          prefetch, acc);
    const f32x16 scales = load_vector<f32x16>(panel);
#pragma clang loop unroll(full)
    for (int r = 0; r < R; ++r) acc[r] *= scales;
    return;
  }
#pragma clang loop unroll(disable)
  for (i64 c = 0; c < layout.columns; c += layout.group) {
    const char *header = panel + layout.scale_offset(c);
    const i64 columns = min_of(layout.group, layout.columns - c);
    f32x16 sums[R] = {};
    float_units<true, R>(header + kInt4Header,
                         load_zeros(reinterpret_cast<const uint8_t *>(header + 32)),
                         x.values + c * R, divide_up(columns, 8), prefetch, sums);
    const f32x16 scales = F16::load16(reinterpret_cast<const _Float16 *>(header));
#pragma clang loop unroll(full)
    for (int r = 0; r < R; ++r) acc[r] = fma16(sums[r], scales, acc[r]);
  }
}

}  // namespace stoop::kernels

#endif

// LayerNorm and RMSNorm over the columns of each row, in float32, rounded once when stored.
//
// layer: (x - mean) / sqrt(variance + eps) * gamma + beta, population variance about the mean (two
// passes, or what those who made the row left of it: moments.h). rms: x / sqrt(mean(x^2) + eps), rounded to the output's type, then times gamma (the
// order of Llama's reference code). Split: rows over threads. Traffic: the row from L1 or L2, gamma
// and beta. Bound: latency at one row.
#ifndef STOOP_KERNELS_NORM_NORM_H
#define STOOP_KERNELS_NORM_NORM_H

#include "kernels/common/args.h"
#include "kernels/common/math.h"
#include "kernels/common/params.h"
#include "kernels/common/split.h"
#include "kernels/norm/moments.h"

namespace stoop::kernels {

// y = f(x, column) for all columns.
template <class X, class Y, class F>
STOOP_INLINE void map_row(const typename X::T *x, typename Y::T *y, i64 columns, F f) {
  i64 c = 0;
  for (; c + kLanes <= columns; c += kLanes)
    Y::store16(y + c, f(
                          X::load16(x + c), [c](const float *v) __attribute__((always_inline)) {
                            return F32::load16(v + c);
                          }));
  STOOP_SCALAR_LOOP
  for (; c < columns; ++c)
    Y::store1(y + c, f(
                         splat(X::load1(x + c)), [c](const float *v) __attribute__((
                                                     always_inline)) { return splat(v[c]); })[0]);
}

// What normalising a row takes: (x - mean) * scale, mean 0 for rms.
struct RowStatistics {
  float mean, scale;
};

// Statistics of a row: of itself, or of the moments of its blocks where somebody left those (row `row` of them).
template <class X>
STOOP_INLINE RowStatistics row_statistics(const stoop_kernel_args *args, i64 kind, const Moments &left, i64 row,
                                          const typename X::T *x, i64 columns, double epsilon) {
  ColumnMoments m;
  if (left.block > 0)
    m = combine_moments<X>(left, buffer<const float>(args, left.operand) + row * left.stride, x, columns);
  else
    m = measure_columns<X>(kind, x, columns);
  return {m.mean, 1.0f / __builtin_sqrtf(m.squares / (float)columns + (float)epsilon)};
}

// Normalises `columns` columns, of which gamma and beta are given too.
template <class X, class Y>
STOOP_INLINE void normalize(i64 kind, RowStatistics s, const typename X::T *x, typename Y::T *y,
                            const float *gamma, const float *beta, i64 columns) {
  if (kind == kLayerNorm)
    map_row<X, Y>(
        x, y, columns, [=](f32x16 v, auto at) __attribute__((always_inline)) {
          return fma16((v - splat(s.mean)) * splat(s.scale), at(gamma), at(beta));
        });
  else
    map_row<X, Y>(
        x, y, columns, [=](f32x16 v, auto at) __attribute__((always_inline)) {
          return Y::round(v * splat(s.scale)) * at(gamma);
        });
}

template <class X, class Y>
STOOP_INLINE void norm(const stoop_kernel_args *args, const NormParams *p, i64 kind) {
  const float *gamma = buffer<const float>(args, p->gamma_operand);
  const float *beta = buffer<const float>(args, p->beta_operand);
  const Range rows = my_share(args, split_items(*p, valid_rows(args, p->max_rows)));
  for (i64 row = rows.begin; row < rows.end; ++row) {
    const auto *x = buffer<const typename X::T>(args, p->x_operand) + row * p->x_stride;
    auto *y = buffer<typename Y::T>(args, p->y_operand) + row * p->y_stride;
    const RowStatistics s =
        row_statistics<X>(args, kind, p->moments, row, x, p->columns, p->epsilon);
    normalize<X, Y>(kind, s, x, y, gamma, beta, p->columns);
  }
}

#define STOOP_NORM(x, y)                                                                           \
  extern "C" void stoop_layer_norm_##x##_##y(const stoop_kernel_args *args, const NormParams *p) { \
    norm<element::x, element::y>(args, p, kLayerNorm);                                             \
  }                                                                                                \
  extern "C" void stoop_rms_norm_##x##_##y(const stoop_kernel_args *args, const NormParams *p) {   \
    norm<element::x, element::y>(args, p, kRmsNorm);                                               \
  }
#include "kernels/norm/norm.def"

}  // namespace stoop::kernels

#endif

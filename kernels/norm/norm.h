// LayerNorm and RMSNorm over the columns of each row, in float32, rounded once when stored.
//
// layer: (x - mean) / sqrt(variance + eps) * gamma + beta, population variance about the mean (two
// passes). rms: x / sqrt(mean(x^2) + eps), rounded to the output's type, then times gamma (the order
// of Llama's reference code). Split: rows over threads. Traffic: the row from L1 or L2, gamma and
// beta. Bound: latency at one row.
#ifndef STOOP_KERNELS_NORM_NORM_H
#define STOOP_KERNELS_NORM_NORM_H

#include "kernels/common/args.h"
#include "kernels/common/math.h"
#include "kernels/common/params.h"

namespace stoop::kernels {

// Sum over the columns of f(x), with four accumulators.
template <class X, class F>
STOOP_INLINE float sum_row(const typename X::T *x, i64 columns, F f) {
  f32x16 sum[4] = {};
  i64 c = 0;
  for (; c + 4 * kLanes <= columns; c += 4 * kLanes)
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; ++i) sum[i] += f(X::load16(x + c + i * kLanes));
  for (; c + kLanes <= columns; c += kLanes) sum[0] += f(X::load16(x + c));
  float rest = 0.0f;
  for (; c < columns; ++c) rest += f(splat(X::load1(x + c)))[0];
  return sum_lanes((sum[0] + sum[1]) + (sum[2] + sum[3])) + rest;
}

// y = f(x, column) for all columns.
template <class X, class Y, class F>
STOOP_INLINE void map_row(const typename X::T *x, typename Y::T *y, i64 columns, F f) {
  i64 c = 0;
  for (; c + kLanes <= columns; c += kLanes)
    Y::store16(y + c, f(
                          X::load16(x + c), [c](const float *v) __attribute__((always_inline)) {
                            return F32::load16(v + c);
                          }));
  for (; c < columns; ++c)
    Y::store1(y + c, f(
                         splat(X::load1(x + c)), [c](const float *v) __attribute__((
                                                     always_inline)) { return splat(v[c]); })[0]);
}

template <class X, class Y>
STOOP_INLINE void layer_norm(const stoop_kernel_args *args, const NormParams *p) {
  const float *gamma = buffer<const float>(args, p->gamma_operand);
  const float *beta = buffer<const float>(args, p->beta_operand);
  const Range rows = my_share(args, valid_rows(args, p->max_rows));
  for (i64 row = rows.begin; row < rows.end; ++row) {
    const auto *x = buffer<const typename X::T>(args, p->x_operand) + row * p->x_stride;
    auto *y = buffer<typename Y::T>(args, p->y_operand) + row * p->y_stride;
    const float inverse = 1.0f / (float)p->columns;
    const float mean =
        sum_row<X>(
            x, p->columns, [](f32x16 v) __attribute__((always_inline)) { return v; }) *
        inverse;
    const float variance = sum_row<X>(
                               x, p->columns,
                               [mean](f32x16 v) __attribute__((always_inline)) {
                                 const f32x16 d = v - splat(mean);
                                 return d * d;
                               }) *
                           inverse;
    const float scale = 1.0f / __builtin_sqrtf(variance + (float)p->epsilon);
    map_row<X, Y>(
        x, y, p->columns, [=](f32x16 v, auto at) __attribute__((always_inline)) {
          return fma16((v - splat(mean)) * splat(scale), at(gamma), at(beta));
        });
  }
}

template <class X, class Y>
STOOP_INLINE void rms_norm(const stoop_kernel_args *args, const NormParams *p) {
  const float *gamma = buffer<const float>(args, p->gamma_operand);
  const Range rows = my_share(args, valid_rows(args, p->max_rows));
  for (i64 row = rows.begin; row < rows.end; ++row) {
    const auto *x = buffer<const typename X::T>(args, p->x_operand) + row * p->x_stride;
    auto *y = buffer<typename Y::T>(args, p->y_operand) + row * p->y_stride;
    const float square = sum_row<X>(
        x, p->columns, [](f32x16 v) __attribute__((always_inline)) { return v * v; });
    const float scale = 1.0f / __builtin_sqrtf(square / (float)p->columns + (float)p->epsilon);
    map_row<X, Y>(
        x, y, p->columns, [=](f32x16 v, auto at) __attribute__((always_inline)) {
          return Y::round(v * splat(scale)) * at(gamma);
        });
  }
}

#define STOOP_NORM(x, y)                                                                           \
  extern "C" void stoop_layer_norm_##x##_##y(const stoop_kernel_args *args, const NormParams *p) { \
    layer_norm<element::x, element::y>(args, p);                                                   \
  }                                                                                                \
  extern "C" void stoop_rms_norm_##x##_##y(const stoop_kernel_args *args, const NormParams *p) {   \
    rms_norm<element::x, element::y>(args, p);                                                     \
  }
#include "kernels/norm/norm.def"

}  // namespace stoop::kernels

#endif

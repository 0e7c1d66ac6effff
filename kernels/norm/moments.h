// Moments of blocks of columns (lm.block_moments): what a linear leaves of the rows that it makes, and what a norm
// makes of them.
//
// A block is measured in two passes, while its columns are in cache; only who has all of them does it, so that threads
// share out columns as if there were no blocks. Blocks that threads share are left out (kLeftOut), and whoever reads
// moments measures those itself: everybody sums up the same columns in the same order, whatever the number of threads.
#ifndef STOOP_KERNELS_NORM_MOMENTS_H
#define STOOP_KERNELS_NORM_MOMENTS_H

#include "kernels/common/args.h"
#include "kernels/common/math.h"
#include "kernels/common/params.h"
#include "kernels/common/split.h"

namespace stoop::kernels {

// In place of a block's squares: its columns were made by several threads.
constexpr float kLeftOut = -1.0f;

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
  STOOP_SCALAR_LOOP
  for (; c < columns; ++c) rest += f(splat(X::load1(x + c)))[0];
  return sum_lanes((sum[0] + sum[1]) + (sum[2] + sum[3])) + rest;
}

// layer: the mean of some columns and their squared distances from it; rms: 0 and their squares.
struct ColumnMoments {
  float mean, squares;
};

template <class X>
STOOP_INLINE ColumnMoments measure_columns(i64 kind, const typename X::T *x, i64 columns) {
  float mean = 0.0f;
  if (kind == kLayerNorm)
    mean = sum_row<X>(
               x, columns, [](f32x16 v) __attribute__((always_inline)) { return v; }) /
           (float)columns;
  const float squares = sum_row<X>(
      x, columns, [mean](f32x16 v) __attribute__((always_inline)) {
        const f32x16 d = v - splat(mean);
        return d * d;
      });
  return {mean, squares};
}

STOOP_INLINE void store_moments(const Moments &to, float *row, i64 block, ColumnMoments m) {
  if (to.kind == kLayerNorm) {
    row[2 * block] = m.mean;
    row[2 * block + 1] = m.squares;
  } else {
    row[block] = m.squares;
  }
}

// Blocks of one row, of which columns [from, to) have just been made by the thread that makes [begin, end). Who
// makes a block's last column stores its moments. x: the row.
template <class X>
STOOP_INLINE void leave_moments(const Moments &moments, float *row, const typename X::T *x, i64 columns, Range mine,
                                i64 from, i64 to) {
#pragma clang loop unroll(disable)
  for (i64 block = from / moments.block; block * moments.block < to; ++block) {
    const i64 first = block * moments.block, last = min_of(first + moments.block, columns);
    if (last > to) break;
    ColumnMoments m = {0.0f, kLeftOut};
    if (first >= mine.begin) m = measure_columns<X>(moments.kind, x + first, last - first);
    store_moments(moments, row, block, m);
  }
}

// The moments of a whole row from those of its blocks: Chan's formula with the blocks' weights. Sums are float64
// and about the first block's mean, so that nothing cancels. x: the row, for blocks that were left out.
template <class X>
STOOP_INLINE ColumnMoments combine_moments(const Moments &moments, const float *row, const typename X::T *x,
                                           i64 columns) {
  const bool centred = moments.kind == kLayerNorm;
  double sum = 0, squares = 0, shift = 0;
#pragma clang loop unroll(disable)
  for (i64 first = 0, block = 0; first < columns; first += moments.block, ++block) {
    const i64 count = min_of(moments.block, columns - first);
    ColumnMoments m = centred ? ColumnMoments{row[2 * block], row[2 * block + 1]} : ColumnMoments{0.0f, row[block]};
    if (m.squares < 0.0f) m = measure_columns<X>(moments.kind, x + first, count);
    squares += (double)m.squares;
    if (!centred) continue;
    if (block == 0) shift = m.mean;
    const double d = m.mean - shift, weighted = d * (double)count;
    sum += weighted;
    squares += weighted * d;
  }
  const double mean = sum / (double)columns;
  return {(float)(shift + mean), (float)(squares - sum * mean)};
}

// A reduction alone: blocks of rows over threads.
template <class X>
STOOP_INLINE void block_moments(const stoop_kernel_args *args, const MomentsParams *p) {
  const i64 blocks = divide_up(p->columns, p->moments.block);
  const Range mine = my_share(args, split_items(*p, valid_rows(args, p->max_rows)));
#pragma clang loop unroll(disable)
  for (i64 i = mine.begin; i < mine.end; ++i) {
    const i64 row = i / blocks, first = i % blocks * p->moments.block;
    const auto *x = buffer<const typename X::T>(args, p->x_operand) + row * p->x_stride + first;
    store_moments(p->moments, buffer<float>(args, p->moments.operand) + row * p->moments.stride, i % blocks,
                  measure_columns<X>(p->moments.kind, x, min_of(p->moments.block, p->columns - first)));
  }
}

#define STOOP_MOMENTS(x)                                                                          \
  extern "C" void stoop_block_moments_##x(const stoop_kernel_args *args, const MomentsParams *p) { \
    block_moments<element::x>(args, p);                                                           \
  }
#include "kernels/norm/moments.def"

}  // namespace stoop::kernels

#endif

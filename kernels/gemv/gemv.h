// The products of a region for few rows (decode): each weight matrix is read once, all rows share
// the pass. R rows are multiplied, of which `rows` exist.
//
// Each thread packs the inputs for itself, then streams its panels of every segment, in blocks: a
// block's products one after the other, each a contiguous stream, then the block's end. Traffic:
// the weights from memory, the packed rows (4 bytes an element) from L1 or L2. Bound: memory read
// bandwidth.
#ifndef STOOP_KERNELS_GEMV_GEMV_H
#define STOOP_KERNELS_GEMV_GEMV_H

#include "kernels/gemm/micro_kernel.h"
#include "kernels/gemm/prologue.h"
#include "kernels/gemm/segment.h"

namespace stoop::kernels {

// Independent accumulator sets: enough to cover the latency of an FMA. Four rows are on AVX2 eight
// registers a set; a second one would leave none for weights.
constexpr int gemv_phases(int rows) {
#if defined(__AVX512F__)
  return rows == 1 ? 4 : 2;
#else
  return rows == 1 ? 4 : rows < 4 ? 2 : 1;
#endif
}

// Elements of a packed row of `columns` (even) columns, for strips of R rows.
template <class P, int R>
STOOP_INLINE constexpr i64 packed_elements(i64 columns) {
  return columns / P::kUnitColumns * P::kSubs * R;
}

// How few rows are packed and multiplied by a policy; kernels/quant/stream.h has another.
template <class P, class X, int R>
struct FewRows {
  STOOP_INLINE static void pack(const Prologue<X> &prologue, const LinearParams *p, i64 rows,
                                typename P::A *packed) {
#pragma clang loop unroll(disable)
    for (i64 i = 0; i < p->num_inputs; ++i) {
      const LinearInput *in = linear_inputs(p) + i;
      if (in->packed < 0) continue;
      typename P::A *a = packed + packed_elements<P, R>(in->packed);
#pragma clang loop unroll(disable)
      for (i64 row = 0; row < R; ++row, a += P::kSubs) {
        if (R > 1 && row >= rows) {
          pack_zeros<P, R>(a, in->columns);
          continue;
        }
#pragma clang loop unroll(disable)
        for (i64 k = 0; k < in->columns; k += kChunkColumns) {
          const i64 columns = min_of(kChunkColumns, in->columns - k);
          pack_row<P, X, R>(a + packed_elements<P, R>(k),
                            prologue.columns_of(in, 0, row, k, columns), columns);
        }
      }
    }
  }

  // Sums of panels [panel0, panel0 + panels) of one product.
  STOOP_INLINE static void multiply_panels(const stoop_kernel_args *args, const LinearParams *p,
                                           const LinearProduct *product,
                                           const typename P::A *packed, i64 panel0, i64 panels,
                                           float *sums) {
    const i64 units = divide_up(product->k, P::kUnitColumns);
    const i64 panel_elements = units * P::kUnitElements;
    const auto *w =
        buffer<const typename P::Weight>(args, product->w_operand) + panel0 * panel_elements;
    const auto *a = packed + packed_elements<P, R>(linear_inputs(p)[product->input].packed);
#pragma clang loop unroll(disable)
    for (i64 panel = 0; panel < panels; ++panel) {
      f32x16 acc[R][1] = {};
      multiply<P, R, 1, gemv_phases(R)>(a, w + panel * panel_elements, panel_elements, units,
                                        p->prefetch, acc);
#pragma clang loop unroll(full)
      for (int r = 0; r < R; ++r) store_vector(sums + (panel * R + r) * kLanes, acc[r][0]);
    }
  }
};

template <class P, class X, int R>
STOOP_INLINE void gemv(const stoop_kernel_args *args, const LinearParams *p, i64 rows) {
  const LinearScratch sizes = linear_scratch(*p);
  const i64 most_panels = linear_block_panels(*p);
  Scratch scratch(args);
  const Prologue<X> prologue(args, p, scratch);
  auto *packed = scratch.take<typename P::A>(sizes.packed / 4);
  auto *data = scratch.take<float>(sizes.sums / 4);
  auto *tail = scratch.take<float>(sizes.tail / 4);
  const BlockSums sums = {data, most_panels * R * kLanes, R * kLanes};

  prologue.embed(rows);
  prologue.measure(0, rows);
  FewRows<P, X, R>::pack(prologue, p, rows, packed);
  prologue.yield(rows);
#pragma clang loop unroll(disable)
  for (i64 index = 0; index < p->num_segments; ++index) {
    const LinearSegment *s = linear_segments(p) + index;
    const Range mine = segment_share(p, s, args->thread, args->num_threads);
    const i64 step = most_panels / s->unit_panels * s->unit_panels;
#pragma clang loop unroll(disable)
    for (i64 panel0 = mine.begin; panel0 < mine.end; panel0 += step) {
      const i64 panels = min_of(step, mine.end - panel0);
#pragma clang loop unroll(disable)
      for (i64 i = 0; i < s->num_products; ++i)
        FewRows<P, X, R>::multiply_panels(args, p, linear_products(p) + s->first_product + i, packed,
                                          panel0, panels, sums.at(i, 0));
      finish_block(args, p, index, sums, 0, rows, panel0, panels, tail);
      finish_moments(args, p, index, mine, 0, rows, panel0, panels);
    }
  }
}

}  // namespace stoop::kernels

#endif

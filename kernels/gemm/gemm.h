// The products of a region for many rows (prefill): blocked matrix products on packed activations.
//
// Per thread: for a block of rows (48 unless the schedule says otherwise), for a block of its columns
// (512 of one product), for a block of the inner dimension (1024): pack the rows (192 KiB), then run
// the register-blocked core over strips of 6 rows; sums of unfinished inner blocks wait in scratch (96
// KiB, twice that for several products). So scratch is a constant, the packed block and one panel stay
// in L2, and weights come from memory once every block of rows. Products that read the same input share its packing. Bound: FMA (or
// vdpbf16ps) issue.
#ifndef STOOP_KERNELS_GEMM_GEMM_H
#define STOOP_KERNELS_GEMM_GEMM_H

#include "kernels/gemm/micro_kernel.h"
#include "kernels/gemm/prologue.h"
#include "kernels/gemm/segment.h"

namespace stoop::kernels {

#if defined(__AVX512F__)
constexpr int kGemmPanels = 4;  // 24 of 32 registers accumulate
#else
constexpr int kGemmPanels = 1;  // 12 of 16
#endif

// How threads share the work: each has some of the row blocks and some of the columns.
struct ThreadGrid {
  i64 row, rows, column, columns;
};

// Threads split columns until each would have less than the schedule's `split_panels`, then rows: a thread
// packs (and normalises) all rows that it multiplies, whatever its number of columns.
STOOP_INLINE ThreadGrid thread_grid(const stoop_kernel_args *args, const LinearParams *p,
                                    i64 row_blocks) {
  i64 panels = 0;
#pragma clang loop unroll(disable)
  for (i64 i = 0; i < p->num_segments; ++i) panels += segment_panels(linear_segments(p)[i]);
  i64 rows = 1;
#pragma clang loop unroll(disable)
  while (args->num_threads % (2 * rows) == 0 && 2 * rows <= row_blocks &&
         panels * rows < p->split_panels * (i64)args->num_threads)
    rows *= 2;
  return {args->thread % rows, rows, args->thread / rows, args->num_threads / rows};
}

// One strip of rows times NP panels, for one block of the inner dimension. `sums` is
// [NP][kGemmStrip][16] apart by `sums_panel` floats; the first inner block starts from zero.
template <class P, int NP>
STOOP_INLINE void gemm_tile(const typename P::A *a, const typename P::Weight *w, i64 panel_elements,
                            i64 units, float *sums, i64 sums_panel, bool first) {
  f32x16 acc[kGemmStrip][NP];
#pragma clang loop unroll(full)
  for (int r = 0; r < kGemmStrip; ++r)
#pragma clang loop unroll(full)
    for (int p = 0; p < NP; ++p)
      acc[r][p] = first ? splat(0.0f) : load_vector<f32x16>(sums + p * sums_panel + r * kLanes);
  multiply<P, kGemmStrip, NP, 1>(a, w, panel_elements, units, 0, acc);
#pragma clang loop unroll(full)
  for (int r = 0; r < kGemmStrip; ++r)
#pragma clang loop unroll(full)
    for (int p = 0; p < NP; ++p) store_vector(sums + p * sums_panel + r * kLanes, acc[r][p]);
}

// Multiplies with the blocked core. The interface that multiply_block wants; tile_gemm.h has
// another.
template <class P, class X>
struct BlockedCore {
  STOOP_INLINE static i64 block_rows(const LinearParams *p) { return p->block_rows; }
  typename P::A *a;  // [strip][unit][kGemmStrip][kSubs]

  STOOP_INLINE BlockedCore(Scratch &scratch, const LinearScratch &sizes)
      : a(scratch.take<typename P::A>(sizes.packed / 4)) {}

  STOOP_INLINE void pack(const Prologue<X> &prologue, const LinearInput *in, i64 row0, i64 rows,
                         i64 k0, i64 columns) {
    const i64 strip_elements = divide_up(columns, P::kUnitColumns) * kGemmStrip * P::kSubs;
#pragma clang loop unroll(disable)
    for (i64 row = 0; row < round_up(rows, kGemmStrip); ++row) {
      typename P::A *out = a + row / kGemmStrip * strip_elements + row % kGemmStrip * P::kSubs;
      if (row < rows)
        pack_row<P, X, kGemmStrip>(out, prologue.columns_of(in, row0, row, k0, columns), columns);
      else
        pack_zeros<P, kGemmStrip>(out, columns);
    }
  }

  // The packed rows times panels [panel0, panel0 + panels) of a product; sums of one row lie kLanes
  // apart from those of the next.
  STOOP_INLINE void multiply_panels(const stoop_kernel_args *args, const LinearProduct *product,
                                    i64 rows, i64 k0, i64 columns, i64 panel0, i64 panels,
                                    float *sums, i64 sums_panel) {
    const i64 panel_elements = divide_up(product->k, P::kUnitColumns) * P::kUnitElements;
    const i64 units = divide_up(columns, P::kUnitColumns), strips = divide_up(rows, kGemmStrip);
    const i64 strip_elements = units * kGemmStrip * P::kSubs;
    const auto *w = buffer<const typename P::Weight>(args, product->w_operand) +
                    panel0 * panel_elements + k0 / P::kUnitColumns * P::kUnitElements;
    i64 panel = 0;
#pragma clang loop unroll(disable)
    for (; panel + kGemmPanels <= panels; panel += kGemmPanels)
#pragma clang loop unroll(disable)
      for (i64 s = 0; s < strips; ++s)
        gemm_tile<P, kGemmPanels>(
            a + s * strip_elements, w + panel * panel_elements, panel_elements, units,
            sums + panel * sums_panel + s * kGemmStrip * kLanes, sums_panel, k0 == 0);
    if constexpr (kGemmPanels > 1)
#pragma clang loop unroll(disable)
      for (; panel < panels; ++panel)
#pragma clang loop unroll(disable)
        for (i64 s = 0; s < strips; ++s)
          gemm_tile<P, 1>(a + s * strip_elements, w + panel * panel_elements, panel_elements, units,
                          sums + panel * sums_panel + s * kGemmStrip * kLanes, sums_panel, k0 == 0);
  }
};

// The sums of all products of a segment for a block of rows and panels.
template <class Core, class X>
STOOP_INLINE void multiply_block(const stoop_kernel_args *args, const LinearParams *p,
                                 const LinearSegment *s, const Prologue<X> &prologue, Core &core,
                                 i64 row0, i64 rows, i64 panel0, i64 panels,
                                 const BlockSums &sums) {
  const LinearProduct *products = linear_products(p) + s->first_product;
#pragma clang loop unroll(disable)
  for (i64 i = 0; i < p->num_inputs; ++i) {
    const LinearInput *in = linear_inputs(p) + i;
    bool read = false;
    for (i64 j = 0; j < s->num_products; ++j) read |= products[j].input == i;
    if (!read) continue;
#pragma clang loop unroll(disable)
    for (i64 k0 = 0; k0 < in->columns; k0 += p->block_inner) {
      const i64 columns = min_of(p->block_inner, in->columns - k0);
      core.pack(prologue, in, row0, rows, k0, columns);
#pragma clang loop unroll(disable)
      for (i64 j = 0; j < s->num_products; ++j)
        if (products[j].input == i)
          core.multiply_panels(args, products + j, rows, k0, columns, panel0, panels, sums.at(j, 0),
                               sums.panel_stride);
    }
  }
}

template <class Core, class X>
STOOP_INLINE void gemm(const stoop_kernel_args *args, const LinearParams *p, i64 num_rows) {
  const LinearScratch sizes = linear_scratch(*p);
  const i64 most_panels = linear_block_panels(*p), even_panels = round_up(most_panels, 2);
  Scratch scratch(args);
  const Prologue<X> prologue(args, p, scratch);
  Core core(scratch, sizes);
  auto *data = scratch.take<float>(sizes.sums / 4);
  auto *tail = scratch.take<float>(sizes.tail / 4);
  const i64 most_rows = Core::block_rows(p);
  const BlockSums sums = {data, even_panels * most_rows * kLanes, most_rows * kLanes};
  const i64 row_blocks = pieces_of(num_rows, most_rows);
  const ThreadGrid grid = thread_grid(args, p, row_blocks);
  const Range blocks = share_of(row_blocks, grid.row, grid.rows);

  prologue.yield(num_rows);
#pragma clang loop unroll(disable)
  for (i64 block = blocks.begin; block < blocks.end; ++block) {
    const i64 row0 = block * most_rows, rows = min_of(most_rows, num_rows - row0);
    prologue.measure(row0, rows);
#pragma clang loop unroll(disable)
    for (i64 index = 0; index < p->num_segments; ++index) {
      const LinearSegment *s = linear_segments(p) + index;
      const Range mine = segment_share(p, s, grid.column, grid.columns);
      const i64 step = most_panels / s->unit_panels * s->unit_panels;
#pragma clang loop unroll(disable)
      for (i64 panel0 = mine.begin; panel0 < mine.end; panel0 += step) {
        const i64 panels = min_of(step, mine.end - panel0);
        multiply_block(args, p, s, prologue, core, row0, rows, panel0, panels, sums);
        finish_block(args, p, index, sums, row0, rows, panel0, panels, tail);
      }
    }
  }
}

}  // namespace stoop::kernels

#endif

// The products of a region for many rows (prefill): blocked matrix products on packed activations.
//
// Per thread: for a block of rows, for a block of its columns (panels of one product), for a block of
// the inner dimension, all of a size that the schedule gives: pack the rows, then run the core over
// panels and strips of rows; sums of unfinished inner blocks wait in scratch. So scratch is a constant,
// and weights come from memory once every block of rows. Products that read the same input share its
// packing. Bound: FMA (or vdpbf16ps) issue.
#ifndef STOOP_KERNELS_GEMM_GEMM_H
#define STOOP_KERNELS_GEMM_GEMM_H

#include "kernels/gemm/blocked_core.h"
#include "kernels/gemm/prologue.h"
#include "kernels/gemm/segment.h"

namespace stoop::kernels {

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
        finish_moments(args, p, index, mine, row0, rows, panel0, panels);
      }
    }
  }
}

}  // namespace stoop::kernels

#endif

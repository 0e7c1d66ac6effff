// What all products of few and of many rows share: the split of a region's segments over threads,
// and the end of a block of sums: the hook, then the parts (rotation, stores, cache), then moments.
//
// Segments are rows of one launch. Threads take whole *units* of panels, by cost (inner columns
// streamed), so that each reads about the same bytes whatever the segments' shapes. A unit holds
// whole heads, lcm(head_dim, 16) columns, so that no head is shared between threads.
#ifndef STOOP_KERNELS_GEMM_SEGMENT_H
#define STOOP_KERNELS_GEMM_SEGMENT_H

#include "kernels/attention/kv_append.h"
#include "kernels/common/args.h"
#include "kernels/common/hook.h"
#include "kernels/common/scratch.h"
#include "kernels/common/split.h"
#include "kernels/norm/moments.h"
#include "kernels/rope/rope.h"

namespace stoop::kernels {

// Panels of a segment for one of `threads`: whole units whose cost begins in its share.
STOOP_INLINE Range segment_share(const LinearParams *p, const LinearSegment *s, i64 thread,
                                 i64 threads) {
  const i64 panels = segment_panels(*s), units = segment_units(*s);
  const i64 unit_cost = s->panel_cost * s->unit_panels;
  const auto first_unit = [&](i64 t) __attribute__((always_inline)) {
    const i64 cost = max_of(0, p->total_cost * t / threads - s->first_cost);
    return min_of(units, divide_up(cost, unit_cost));
  };
  return {min_of(panels, first_unit(thread) * s->unit_panels),
          min_of(panels, first_unit(thread + 1) * s->unit_panels)};
}

// Sums of a block of panels and rows: [product][panel][row][16].
struct BlockSums {
  float *data;
  i64 product_stride, panel_stride;  // floats
  STOOP_INLINE float *at(i64 product, i64 panel) const {
    return data + product * product_stride + panel * panel_stride;
  }
};

// Stores one head (or the columns of a plain view) of one row: to a result or to the cache.
STOOP_INLINE void finish_head(const stoop_kernel_args *args, const LinearParams *p,
                              const LinearPart *part, i64 row, i64 column, i64 columns,
                              const float *head) {
  if (part->store_operand >= 0)
    with_element(
        p->part_element, [&](auto e) __attribute__((always_inline)) {
          using E = decltype(e);
          convert_row<F32, E>(
              head,
              buffer<typename E::T>(args, part->store_operand) + row * part->store_stride + column,
              columns);
        });
  if (part->kv_operand < 0) return;
  const i64 slot = buffer<const int32_t>(args, part->slots_operand)[row];
  const i64 position = buffer<const int32_t>(args, part->positions_operand)[row];
  if (slot < 0 || slot >= part->batch || position < 0 || position >= part->positions) return;
  const KvLayout layout{part->batch, part->kv_heads, part->positions, part->head_dim};
  const i64 kv_head = column / part->head_dim;
  const i64 at =
      part->is_value ? layout.value(slot, kv_head, position) : layout.key(slot, kv_head, position);
  with_element(
      p->cache_element, [&](auto e) __attribute__((always_inline)) {
        using C = decltype(e);
        convert_row<F32, C>(head, buffer<typename C::T>(args, part->kv_operand) + at,
                            part->head_dim);
      });
}

// The parts of one row that lie in the unit of columns from `column` on. tail: what the hook left
// there, [value][column], and room for one head behind.
STOOP_INLINE void finish_parts(const stoop_kernel_args *args, const LinearParams *p,
                               const LinearSegment *s, i64 row, i64 column, float *tail) {
  const i64 width = s->unit_panels * kLanes;
  float *rotated = tail + p->tail_values * width;
#pragma clang loop unroll(disable)
  for (i64 i = s->first_part; i < s->first_part + s->num_parts; ++i) {
    const LinearPart *part = linear_parts(p) + i;
    const i64 end = min_of(part->end, column + width);
#pragma clang loop unroll(disable)
    for (i64 c = max_of(part->begin, column); c < end; c += part->head_dim) {
      const float *head = tail + part->value * width + (c - column);
      if (part->table_operand >= 0) {
        const i64 position =
            max_of(0, min_of(buffer<const int32_t>(args, part->positions_operand)[row],
                             part->table_rows - 1));
        const float *cosine =
            buffer<const float>(args, part->table_operand) + position * part->head_dim;
        const i64 half = part->head_dim / 2;
        with_element(
            p->part_element, [&](auto e) __attribute__((always_inline)) {
              rotate_head<F32, F32, decltype(e)>(head, rotated, cosine, cosine + half, half);
            });
        head = rotated;
      }
      finish_head(args, p, part, row, c - part->begin, min_of(part->head_dim, end - c), head);
    }
  }
}

// Ends a block: rows [row0, row0 + rows), panels [panel0, panel0 + panels) of segment `index`.
STOOP_INLINE void finish_block(const stoop_kernel_args *args, const LinearParams *p, i64 index,
                               const BlockSums &sums, i64 row0, i64 rows, i64 panel0, i64 panels,
                               float *tail) {
  const LinearSegment *s = linear_segments(p) + index;
#pragma clang loop unroll(disable)
  for (i64 row = 0; row < rows; ++row)
#pragma clang loop unroll(disable)
    for (i64 unit = 0; unit < panels; unit += s->unit_panels) {
      const i64 end = min_of(unit + s->unit_panels, panels);
#pragma clang loop unroll(disable)
      for (i64 panel = unit; panel < end; ++panel) {
        const i64 column = (panel0 + panel) * kLanes;
        const i64 valid = p->whole_panels ? kLanes : min_of(kLanes, s->n - column);
        stoop_hook(sums.at(0, panel) + row * kLanes, sums.product_stride, index, row0 + row, column,
                   valid, tail + (panel - unit) * kLanes, args->buffers);
      }
      if (p->num_parts > 0) finish_parts(args, p, s, row0 + row, (panel0 + unit) * kLanes, tail);
    }
}

// Moments of rows [row0, row0 + rows) behind finish_block: of the blocks that end in panels [panel0, panel0 + panels),
// of all panels that the thread makes.
STOOP_INLINE void finish_moments(const stoop_kernel_args *args, const LinearParams *p, i64 index, Range all, i64 row0,
                                 i64 rows, i64 panel0, i64 panels) {
#pragma clang loop unroll(disable)
  for (i64 i = 0; i < p->num_moments; ++i) {
    const LinearMoments *m = linear_moments(p) + i;
    if (m->segment != index) continue;
    const Range mine = {all.begin * kLanes, min_of(all.end * kLanes, m->columns)};
    const i64 from = panel0 * kLanes, to = min_of((panel0 + panels) * kLanes, m->columns);
    if ((uint64_t)from / m->moments.block == (uint64_t)to / m->moments.block && to < m->columns) continue;
    with_element(
        m->value_element, [&](auto e) __attribute__((always_inline)) {
          using E = decltype(e);
#pragma clang loop unroll(disable)
          for (i64 row = row0; row < row0 + rows; ++row)
            leave_moments<E>(m->moments, buffer<float>(args, m->moments.operand) + row * m->moments.stride,
                             buffer<const typename E::T>(args, m->value_operand) + row * m->value_stride,
                             m->columns, mine, from, to);
        });
  }
}

}  // namespace stoop::kernels

#endif

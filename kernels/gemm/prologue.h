// The rows that the products of a region read: rows in memory, or one source of rows (in memory,
// the last valid one, or embedded tokens) and its norms.
//
// Every thread computes what it reads: the statistics once per block of rows (from the moments that the launch in front
// left, if it did), the normalised columns whenever it packs them. That costs each a pass over a few KiB and saves a launch with its
// barrier. Rows that the region yields are stored once, each thread its share.
#ifndef STOOP_KERNELS_GEMM_PROLOGUE_H
#define STOOP_KERNELS_GEMM_PROLOGUE_H

#include "kernels/attention/kv_append.h"
#include "kernels/common/args.h"
#include "kernels/common/scratch.h"
#include "kernels/embedding/embedding.h"
#include "kernels/norm/norm.h"

namespace stoop::kernels {

// X: element type of the activations.
template <class X>
struct Prologue {
  const stoop_kernel_args *args;
  const LinearParams *p;
  float *embedded;            // [rows][columns]
  RowStatistics *statistics;  // [rows of a block]
  typename X::T *chunk;       // [kChunkColumns]

  STOOP_INLINE Prologue(const stoop_kernel_args *args, const LinearParams *p, Scratch &scratch)
      : args(args), p(p) {
    const LinearScratch sizes = linear_scratch(*p);
    embedded = scratch.take<float>(sizes.embedded / 4);
    statistics = scratch.take<RowStatistics>(sizes.statistics / 8);
    chunk = scratch.take<typename X::T>(sizes.chunk / (i64)sizeof(typename X::T));
  }

  // Calls f with the source's element type: float32 or the activations'.
  template <class F>
  STOOP_INLINE void with_source(F f) const {
    if (p->prologue.element == kElementF32)
      f(F32{});
    else
      f(X{});
  }

  // Row `row` of the source.
  template <class E>
  STOOP_INLINE const typename E::T *source_row(i64 row) const {
    const LinearPrologue &from = p->prologue;
    if (from.source == kEmbeddedRows)
      return reinterpret_cast<const typename E::T *>(embedded + row * from.columns);
    const i64 taken = from.source == kLastRow ? (i64)args->step->num_rows - 1 : row;
    return buffer<const typename E::T>(args, from.operand) + taken * from.stride;
  }

  // Gathers the rows of an embedding.
  STOOP_INLINE void embed(i64 rows) const {
    const LinearPrologue &from = p->prologue;
    if (from.source != kEmbeddedRows) return;
    const int32_t *tokens = buffer<const int32_t>(args, from.tokens_operand);
    if (from.table_element == kElementQuantized) {
      const QuantLayout layout{from.table_group, from.columns};
      for (i64 row = 0; row < rows; ++row)
        embed_quantized<F32>(layout, buffer<const char>(args, from.operand), tokens[row],
                             from.vocab, {0, from.columns}, embedded + row * from.columns);
      return;
    }
    with_element(
        from.table_element, [&](auto e) __attribute__((always_inline)) {
          using W = decltype(e);
          const auto *w = buffer<const typename W::T>(args, from.operand);
          for (i64 row = 0; row < rows; ++row)
            embed_columns<W, F32>(w, tokens[row], from.vocab, from.columns, {0, from.columns},
                                  embedded + row * from.columns);
        });
  }

  template <class E>
  STOOP_INLINE RowStatistics statistics_of(i64 row) const {
    const LinearPrologue &from = p->prologue;
    return row_statistics<E>(args, from.norm, from.moments, row, source_row<E>(row), from.columns, from.epsilon);
  }

  // Takes the statistics of rows [row0, row0 + rows).
  STOOP_INLINE void measure(i64 row0, i64 rows) const {
    const LinearPrologue &from = p->prologue;
    if (from.norm == kNoNorm) return;
    with_element(
        from.element, [&](auto e) __attribute__((always_inline)) {
          using E = decltype(e);
          for (i64 row = 0; row < rows; ++row) statistics[row] = statistics_of<E>(row0 + row);
        });
  }

  // Normalises columns of a row whose statistics are given.
  STOOP_INLINE void write_norm(const LinearInput *in, RowStatistics s, i64 row, i64 column,
                               i64 columns, typename X::T *y) const {
    const float *gamma = buffer<const float>(args, in->gamma_operand) + column;
    const float *beta = buffer<const float>(args, in->beta_operand) + column;
    with_element(
        p->prologue.element, [&](auto e) __attribute__((always_inline)) {
          using E = decltype(e);
          normalize<E, X>(p->prologue.norm, s, source_row<E>(row) + column, y, gamma, beta,
                          columns);
        });
  }

  // Columns [column, column + columns) of row row0 + row of an input; at most kChunkColumns. Valid
  // until the next call.
  STOOP_INLINE const typename X::T *columns_of(const LinearInput *in, i64 row0, i64 row, i64 column,
                                               i64 columns) const {
    if (p->prologue.source == kNoRows || in->kind == kMemoryInput)
      return buffer<const typename X::T>(args, in->operand) + (row0 + row) * in->stride + column;
    if (p->prologue.norm == kNoNorm || in->kind == kSourceInput)
      return source_row<X>(row0 + row) + column;
    write_norm(in, statistics[row], row0 + row, column, columns, chunk);
    return chunk;
  }

  // Stores this thread's share of what the region yields: columns of few rows, or whole rows.
  STOOP_INLINE void yield(i64 num_rows) const {
    if (p->num_yields == 0) return;
    const LinearPrologue &from = p->prologue;
    const bool by_columns = p->max_rows <= kGemvRows;
    const Range rows = by_columns ? Range{0, num_rows} : my_share(args, num_rows);
    const Range panels = my_share(args, divide_up(from.columns, kLanes));
    const i64 begin = by_columns ? panels.begin * kLanes : 0;
    const i64 end = by_columns ? min_of(panels.end * kLanes, from.columns) : from.columns;
#pragma clang loop unroll(disable)
    for (i64 row = rows.begin; row < rows.end && begin < end; ++row)
      with_element(
          from.element, [&](auto e) __attribute__((always_inline)) {
            using E = decltype(e);
            if (from.yield_operand >= 0)
              convert_row<E, E>(
                  source_row<E>(row) + begin,
                  buffer<typename E::T>(args, from.yield_operand) + row * from.yield_stride + begin,
                  end - begin);
            if (from.norm == kNoNorm) return;
            const RowStatistics s = statistics_of<E>(row);
#pragma clang loop unroll(disable)
            for (i64 i = 0; i < p->num_inputs; ++i) {
              const LinearInput *in = linear_inputs(p) + i;
              if (in->kind == kNormInput && in->yield_operand >= 0)
                write_norm(in, s, row, begin, end - begin,
                           buffer<typename X::T>(args, in->yield_operand) + row * in->yield_stride +
                               begin);
            }
          });
  }
};

}  // namespace stoop::kernels

#endif

// Integer weights times integer activations: the core of quantised linears for blocks of many rows.
//
// The arithmetic is that of few rows (integer_core.h): activations are 16-bit integers with one scale
// for 128 columns of a row, pairs of columns are multiplied and added exactly in 32 bits. Rows lie as
// in gemm/blocked_core.h, a step being a pair; the codes of a panel, less their zeros, are written out
// as pairs once for all strips. Sums become float32 at the end of every *span*, the columns that share
// the scales of weights and activations: 128, or an int4 group if that is less. Bound: issue of
// multiply-adds and additions; on AVX2 a strip takes about 8 clocks a step where 6 are the least.
#ifndef STOOP_KERNELS_QUANT_INTEGER_BLOCKS_H
#define STOOP_KERNELS_QUANT_INTEGER_BLOCKS_H

#include "kernels/gemm/blocked_core.h"
#include "kernels/quant/float_core.h"
#include "kernels/quant/integer_core.h"

namespace stoop::kernels {

constexpr i64 kBlockColumns = 2 * kStepBlock;  // of 16 steps

// Columns that share all scales.
STOOP_INLINE i64 span_columns(const QuantLayout &layout) {
  return layout.is_int4() ? min_of(layout.group, kScaleColumns) : kScaleColumns;
}

// Panels as pairs of 16-bit codes, with the scales of each span.
struct IntegerPanels {
  uint32_t *pairs;  // [column / 2][16], zeros up to whole blocks of steps
  float *scales;    // [span][16]

  // `bytes`: of this panel's memory, 64 for each of its columns.
  STOOP_INLINE IntegerPanels(char *memory, i64 bytes)
      : pairs(reinterpret_cast<uint32_t *>(memory)),
        scales(reinterpret_cast<float *>(memory + bytes / 2)) {}

  template <bool kInt4>
  STOOP_INLINE void expand(const QuantLayout &layout, const char *panel, i64 column, i64 columns) {
    const i64 span = span_columns(layout), end = column + columns;
    uint32_t *out = pairs;
#pragma clang loop unroll(disable)
    for (i64 first = column, i = 0; first < end; first += span, ++i) {
      const char *header = panel + layout.scale_offset(first);
      f32x16 scale;
      i32x16 zeros = (i32x16)0;
      if constexpr (kInt4) {
        scale = F16::load16(reinterpret_cast<const _Float16 *>(header));
        zeros = load_zeros(reinterpret_cast<const uint8_t *>(header + 32));
        zeros |= zeros << 16;
      } else {
        scale = load_vector<f32x16>(header);
      }
      store_vector(scales + i * kLanes, scale);
      const char *units = panel + layout.unit_offset(first);
      for (i64 c = first; c < min_of(first + span, end); c += kUnitWidth<kInt4>) {
        const u32x16 unit = load_vector<u32x16>(units);
#pragma clang loop unroll(full)
        for (int s = 0; s < kPairs<kInt4>; ++s, out += kLanes)
          store_vector(out, (i16x32)code_pairs<kInt4>(unit, s) - (i16x32)zeros);
        units += kUnitBytes;
      }
    }
#pragma clang loop unroll(disable)
    for (; out < pairs + round_up(columns, kBlockColumns) / 2 * kLanes; out += kLanes)
      store_vector(out, (u32x16)0u);
  }
};

// What the spans of an inner block are, the same for all tiles.
struct SpanShape {
  i64 blocks;       // of 16 steps, in all
  i64 span_blocks;  // in a span
};

// A strip times NP panels. Row scales lie [column / 128][kGemmStrip], panels `panel_bytes` apart.
template <int NP>
STOOP_INLINE void integer_tile(const SpanShape &shape, const uint32_t *__restrict a,
                               const float *__restrict row_scales, const IntegerPanels &w,
                               i64 panel_bytes, float *__restrict sums, i64 sums_panel,
                               bool first) {
  const char *pairs = reinterpret_cast<const char *>(w.pairs);
  const char *scales = reinterpret_cast<const char *>(w.scales);
#pragma clang loop unroll(disable)
  for (i64 block = 0; block < shape.blocks; block += shape.span_blocks) {
    i32x16 acc[kGemmStrip][NP] = {};
    i64 turns = min_of(shape.span_blocks, shape.blocks - block);
#pragma clang loop unroll(disable)
    do {
#pragma clang loop unroll(full)
      for (int u = 0; u < kStepBlock; ++u) {
        i32x16 step[NP];
#pragma clang loop unroll(full)
        for (int p = 0; p < NP; ++p) step[p] = load_vector<i32x16>(pairs + p * panel_bytes + u * 64);
#pragma clang loop unroll(full)
        for (int r = 0; r < kGemmStrip; ++r)
#pragma clang loop unroll(full)
          for (int p = 0; p < NP; ++p) {
            acc[r][p] = add_pairs(acc[r][p], step[p], a[r * kStepBlock + u]);
            finish_now(acc[r][p]);
          }
      }
      a += kGemmStrip * kStepBlock;
      pairs += kStepBlock * 64;
    } while (--turns > 0);
    const float *row_scale = row_scales + block * kBlockColumns / kScaleColumns * kGemmStrip;
#pragma clang loop unroll(full)
    for (int p = 0; p < NP; ++p) {
      const f32x16 scale = load_vector<f32x16>(scales + p * panel_bytes);
#pragma clang loop unroll(full)
      for (int r = 0; r < kGemmStrip; ++r) {
        float *sum = sums + p * sums_panel + r * kLanes;
        const f32x16 before = first && block == 0 ? splat(0.0f) : load_vector<f32x16>(sum);
        store_vector(sum, fma16(__builtin_convertvector(acc[r][p], f32x16),
                                scale * splat(row_scale[r]), before));
      }
    }
    scales += kLanes * 4;
  }
}

// Multiplies blocks of rows; see BlockedCore.
template <class X>
struct IntegerCore {
  uint32_t *rows;    // [strip][step / 16][kGemmStrip][16]
  float *scales;     // [strip][column / 128][kGemmStrip]
  char *panels;      // [kGemmPanels][panel_bytes]
  i64 panel_bytes;

  STOOP_INLINE IntegerCore(Scratch &scratch, const LinearScratch &sizes)
      : rows(scratch.take<uint32_t>(sizes.packed / 4)),
        // The rows are half as wide as float32 ones.
        scales(reinterpret_cast<float *>(rows + sizes.packed / 8)),
        panels(scratch.take<char>(sizes.expanded)),
        panel_bytes(sizes.expanded / kExpandedPanels) {}

  STOOP_INLINE static i64 block_rows(const LinearParams *p) { return p->block_rows; }
  STOOP_INLINE static i64 strip_pairs(i64 columns) {
    return round_up(columns, kBlockColumns) / 2 * kGemmStrip;
  }
  STOOP_INLINE static i64 strip_scales(i64 columns) {
    return divide_up(columns, kScaleColumns) * kGemmStrip;
  }

  STOOP_INLINE void pack(const Prologue<X> &prologue, const LinearInput *in, i64 row0,
                         i64 num_rows, i64 k0, i64 columns) {
#pragma clang loop unroll(disable)
    for (i64 row = 0; row < round_up(num_rows, kGemmStrip); ++row) {
      const i64 strip = row / kGemmStrip, within = row % kGemmStrip;
      uint32_t *out = rows + strip * strip_pairs(columns) + within * kStepBlock;
      float *scale = scales + strip * strip_scales(columns) + within;
      const bool exists = row < num_rows;
      const typename X::T *x = exists ? prologue.columns_of(in, row0, row, k0, columns) : nullptr;
#pragma clang loop unroll(disable)
      for (i64 c = 0; c < columns; c += kScaleColumns, scale += kGemmStrip) {
        const ScaledColumns scaled = ScaledColumns::of<X>(x + c, exists ? columns - c : 0);
        *scale = scaled.scale;
        const i64 end = min_of(kScaleColumns, columns - c);
        for (i64 i = 0; i < end; i += kBlockColumns, out += kGemmStrip * kStepBlock) {
          store_vector(out, scaled.codes(i));
          store_vector(out + kStepBlock / 2, scaled.codes(i + kLanes));
        }
      }
    }
  }

  template <int NP>
  STOOP_INLINE void multiply_strips(const ExpandedPanels &weights, i64 num_rows, i64 k0, i64 columns,
                                    i64 panel, i64 next, float *sums, i64 sums_panel) {
    const QuantLayout &layout = weights.layout;
#pragma clang loop unroll(disable)
    for (int i = 0; i < NP; ++i) {
      IntegerPanels out(panels + i * panel_bytes, panel_bytes);
      const char *from = weights.data + (panel + i) * layout.panel_bytes();
      if (layout.is_int4())
        out.expand<true>(layout, from, k0, columns);
      else
        out.expand<false>(layout, from, k0, columns);
    }
    const SpanShape shape = {divide_up(columns, kBlockColumns), span_columns(layout) / kBlockColumns};
    const IntegerPanels first_panel(panels, panel_bytes);
    const NextPanels behind(weights, panel + NP, next, k0, columns, divide_up(num_rows, kGemmStrip));
#pragma clang loop unroll(disable)
    for (i64 s = 0; s < divide_up(num_rows, kGemmStrip); ++s) {
      behind.fetch(s);
      integer_tile<NP>(shape, rows + s * strip_pairs(columns), scales + s * strip_scales(columns),
                       first_panel, panel_bytes, sums + s * kGemmStrip * kLanes, sums_panel, k0 == 0);
    }
  }

  STOOP_INLINE void multiply_panels(const stoop_kernel_args *args, const LinearProduct *product,
                                    i64 num_rows, i64 k0, i64 columns, i64 panel0, i64 panels,
                                    float *sums, i64 sums_panel) {
    const ExpandedPanels weights(args, product);
    for_panels(
        panels, [&](i64 panel, auto together, i64 next) __attribute__((always_inline)) {
          multiply_strips<decltype(together)::value>(weights, num_rows, k0, columns, panel0 + panel,
                                                     next, sums + panel * sums_panel, sums_panel);
        });
  }
};

}  // namespace stoop::kernels

#endif

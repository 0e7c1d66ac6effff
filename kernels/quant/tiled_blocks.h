// Integer weights times bfloat16 activations on AMX: the core of quantised linears for blocks of many rows.
//
// Codes, less their zeros, have at most 8 bits, so bfloat16 holds them exactly: two panels at a time are written
// out as second operands of tile products, and rows are first operands as they are, which rounds nothing where
// integer_blocks.h would round activations to 16 bits. int8 sums over all columns and multiplies by its scales
// at the end; int4 sums over the columns of a group into tiles of their own, which are then scaled and added.
// Bound: tile products, of which writing panels out costs about a third at 192 rows; int4-g32, one
// product a group, is bound by storing tiles.
#ifndef STOOP_KERNELS_QUANT_TILED_BLOCKS_H
#define STOOP_KERNELS_QUANT_TILED_BLOCKS_H

#include "kernels/gemm/tile_gemm.h"
#include "kernels/quant/float_core.h"
#include "kernels/quant/layout.h"

namespace stoop::kernels {

// A pair of 16-bit integers of at most 8 bits as a pair of bfloat16.
STOOP_INLINE u32x16 bf16_pairs(i32x16 pairs) {
  const f32x16 low = __builtin_convertvector(pairs << 16 >> 16, f32x16);
  const f32x16 high = __builtin_convertvector(pairs >> 16, f32x16);
  return (u32x16)low >> 16 | (u32x16)high;  // 16 low bits of either are zero
}

// Columns [column, column + columns) of a panel as tiles, [column / 32][16 pairs][16]; zeros up to a whole tile.
template <bool kInt4>
STOOP_INLINE void expand_tiles(const QuantLayout &layout, const char *panel, i64 column, i64 columns,
                               uint32_t *out) {
  const i64 end = column + columns;
  const uint32_t *tiles_end = out + divide_up(columns, 32) * 16 * kLanes;
  const i64 span = kInt4 ? layout.group : columns;
#pragma clang loop unroll(disable)
  for (i64 first = column; first < end;) {
    i32x16 zeros = (i32x16)0;
    if constexpr (kInt4) {
      zeros = load_zeros(reinterpret_cast<const uint8_t *>(panel + layout.scale_offset(first) + 32));
      zeros |= zeros << 16;
    }
    const i64 next = kInt4 ? min_of((first / span + 1) * span, end) : end;
    const char *units = panel + layout.unit_offset(first);
    for (i64 c = first; c < next; c += kUnitWidth<kInt4>, units += kUnitBytes) {
      const u32x16 unit = load_vector<u32x16>(units);
#pragma clang loop unroll(full)
      for (int s = 0; s < kPairs<kInt4>; ++s, out += kLanes)
        store_vector(out, bf16_pairs((i32x16)((i16x32)code_pairs<kInt4>(unit, s) - (i16x32)zeros)));
    }
    first = next;
  }
#pragma clang loop unroll(disable)
  for (; out < tiles_end; out += kLanes) store_vector(out, (u32x16)0u);
}

// The scales of a panel at a column.
STOOP_INLINE f32x16 panel_scales(const QuantLayout &layout, const char *panel, i64 column) {
  const char *header = panel + layout.scale_offset(column);
  return layout.is_int4() ? F16::load16(reinterpret_cast<const _Float16 *>(header))
                          : load_vector<f32x16>(header);
}

// Multiplies with tiles; see BlockedCore. Rows are packed by TiledCore.
template <class Tiles>
struct QuantTiledCore {
  STOOP_INLINE static i64 block_rows(const LinearParams *p) { return tile_block_rows(*p); }
  TiledCore<Tiles> tiled;
  uint16_t *panels;  // of two panels, `panel_elements` apart
  i64 panel_elements;
  float *spans;  // [2][32][16]: sums of a group

  STOOP_INLINE QuantTiledCore(Scratch &scratch, const LinearScratch &sizes) : tiled(scratch, sizes) {
    // A panel is half as wide as float32, and there is room for four.
    static_assert(kExpandedPanels == 4);
    auto *memory = scratch.take<char>(sizes.expanded);
    panels = reinterpret_cast<uint16_t *>(memory);
    panel_elements = sizes.expanded / kExpandedPanels / 4;
    spans = reinterpret_cast<float *>(memory + sizes.expanded / 2);
  }

  STOOP_INLINE void pack(const Prologue<Bf16> &prologue, const LinearInput *in, i64 row0, i64 rows,
                         i64 k0, i64 columns) {
    tiled.pack(prologue, in, row0, rows, k0, columns);
  }

  // sums [row][16] = before + scales * spans, for 32 rows of one panel.
  STOOP_INLINE static void add_span(const float *span, f32x16 scales, bool first, float *sums) {
#pragma clang loop unroll(disable)
    for (i64 r = 0; r < kTileRows; ++r) {
      const f32x16 before = first ? splat(0.0f) : load_vector<f32x16>(sums + r * kLanes);
      store_vector(sums + r * kLanes, fma16(load_vector<f32x16>(span + r * kLanes), scales, before));
    }
  }

  // 32 rows times the two panels, int4: a group at a time.
  STOOP_INLINE void multiply_groups(const QuantLayout &layout, const char *p0, const char *p1,
                                    const uint16_t *a, i64 steps, i64 k0, i64 columns, float *s0,
                                    float *s1) {
#pragma clang loop unroll(disable)
    for (i64 column = k0; column < k0 + columns;) {
      const i64 next = min_of((column / layout.group + 1) * layout.group, k0 + columns);
      const i64 step = (column - k0) / 32, count = divide_up(next - column, 32);
      const uint16_t *w = panels + step * kTileElements;
      tile_block(tiled.tiles, a + step * kTileElements, steps, count, w, w + panel_elements, count,
                 nullptr, spans, spans + kTileRows * kLanes, true);
      add_span(spans, panel_scales(layout, p0, column), column == 0, s0);
      add_span(spans + kTileRows * kLanes, panel_scales(layout, p1, column), column == 0, s1);
      column = next;
    }
  }

  // The same, int8; behind the last columns come the scales.
  STOOP_INLINE void multiply_rows(const QuantLayout &layout, const char *p0, const char *p1,
                                  const uint16_t *a, i64 steps, i64 k0, i64 columns, float *s0,
                                  float *s1) {
    tile_block(tiled.tiles, a, steps, steps, panels, panels + panel_elements, steps, nullptr, s0, s1,
               k0 == 0);
    if (k0 + columns < layout.columns) return;
    const f32x16 scale0 = panel_scales(layout, p0, 0), scale1 = panel_scales(layout, p1, 0);
#pragma clang loop unroll(disable)
    for (i64 r = 0; r < kTileRows * kLanes; r += kLanes) {
      store_vector(s0 + r, load_vector<f32x16>(s0 + r) * scale0);
      store_vector(s1 + r, load_vector<f32x16>(s1 + r) * scale1);
    }
  }

  template <bool kInt4>
  STOOP_INLINE void multiply_pairs(const QuantLayout &layout, const char *w, i64 rows, i64 k0,
                                   i64 columns, i64 num_panels, float *sums, i64 sums_panel) {
    const i64 steps = divide_up(columns, 32);
#pragma clang loop unroll(disable)
    for (i64 panel = 0; panel < num_panels; panel += 2) {
      const char *p0 = w + panel * layout.panel_bytes();
      // An odd last panel is multiplied twice; its copy lands in the next panel's place, which
      // nobody reads.
      const char *p1 = panel + 1 < num_panels ? p0 + layout.panel_bytes() : p0;
      expand_tiles<kInt4>(layout, p0, k0, columns, reinterpret_cast<uint32_t *>(panels));
      expand_tiles<kInt4>(layout, p1, k0, columns,
                          reinterpret_cast<uint32_t *>(panels + panel_elements));
#pragma clang loop unroll(disable)
      for (i64 r = 0; r < rows; r += kTileRows) {
        const uint16_t *a = tiled.a + r / 16 * steps * kTileElements;
        float *s0 = sums + panel * sums_panel + r * kLanes, *s1 = s0 + sums_panel;
        if constexpr (kInt4)
          multiply_groups(layout, p0, p1, a, steps, k0, columns, s0, s1);
        else
          multiply_rows(layout, p0, p1, a, steps, k0, columns, s0, s1);
      }
    }
  }

  STOOP_INLINE void multiply_panels(const stoop_kernel_args *args, const LinearProduct *product,
                                    i64 rows, i64 k0, i64 columns, i64 panel0, i64 num_panels,
                                    float *sums, i64 sums_panel) {
    const QuantLayout layout{product->quant_group, product->k};
    const char *w = buffer<const char>(args, product->w_operand) + panel0 * layout.panel_bytes();
    if (layout.is_int4())
      multiply_pairs<true>(layout, w, rows, k0, columns, num_panels, sums, sums_panel);
    else
      multiply_pairs<false>(layout, w, rows, k0, columns, num_panels, sums, sums_panel);
  }
};

}  // namespace stoop::kernels

#endif

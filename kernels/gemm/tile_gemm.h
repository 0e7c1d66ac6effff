// Linear for many rows on AMX: bfloat16 weights and activations, 2 x 2 tiles of 16 x 16 sums.
//
// panel16 order of bfloat16 is already what TDPBF16PS wants as its second operand: 16 rows of 16
// pairs, 1 KiB a tile. The rows are packed as first operands, [row / 16][k / 32][16][32]. Blocks as
// in gemm.h, sums in scratch. The tile unit is a policy: HardwareTiles, or SoftwareTiles with equal
// semantics, which runs the same indexing on any machine. Tiles are named by template arguments,
// since an immediate selects them; nothing is called while tiles are live.
#ifndef STOOP_KERNELS_GEMM_TILE_GEMM_H
#define STOOP_KERNELS_GEMM_TILE_GEMM_H

#include "kernels/gemm/gemm.h"

#if defined(__AMX_BF16__)
#include <immintrin.h>
#endif

namespace stoop::kernels {

struct HardwareTiles {
#if defined(__AMX_BF16__)
  // All eight tiles: 16 rows of 64 bytes.
  STOOP_INLINE HardwareTiles() {
    struct alignas(64) Config {
      uint8_t palette, start_row, reserved[14];
      uint16_t row_bytes[16];
      uint8_t rows[16];
    } config = {};
    config.palette = 1;
    for (int i = 0; i < 8; ++i) {
      config.row_bytes[i] = 64;
      config.rows[i] = 16;
    }
    _tile_loadconfig(&config);
  }
  STOOP_INLINE ~HardwareTiles() { _tile_release(); }
  template <int T>
  STOOP_INLINE void zero() {
    _tile_zero(T);
  }
  template <int T>
  STOOP_INLINE void load(const void *p, i64 stride) {
    _tile_loadd(T, p, stride);
  }
  template <int T>
  STOOP_INLINE void store(void *p, i64 stride) {
    _tile_stored(T, p, stride);
  }
  template <int C, int A, int B>
  STOOP_INLINE void multiply() {
    _tile_dpbf16ps(C, A, B);
  }
#endif
};

struct SoftwareTiles {
  alignas(64) uint32_t tile[8][16][16];
  template <int T>
  void zero() {
    for (int r = 0; r < 16; ++r)
      for (int c = 0; c < 16; ++c) tile[T][r][c] = 0;
  }
  template <int T>
  void load(const void *p, i64 stride) {
    for (int r = 0; r < 16; ++r)
      for (int c = 0; c < 16; ++c)
        tile[T][r][c] = load_vector<uint32_t>((const char *)p + r * stride + c * 4);
  }
  template <int T>
  void store(void *p, i64 stride) {
    for (int r = 0; r < 16; ++r)
      for (int c = 0; c < 16; ++c) store_vector((char *)p + r * stride + c * 4, tile[T][r][c]);
  }
  template <int C, int A, int B>
  void multiply() {
    for (int r = 0; r < 16; ++r)
      for (int k = 0; k < 16; ++k)
        for (int c = 0; c < 16; ++c) {
          const uint32_t a = tile[A][r][k], b = tile[B][k][c];
          float sum = __builtin_bit_cast(float, tile[C][r][c]);
          sum += __builtin_bit_cast(float, a << 16) * __builtin_bit_cast(float, b << 16);
          sum += __builtin_bit_cast(float, a & 0xffff0000u) *
                 __builtin_bit_cast(float, b & 0xffff0000u);
          tile[C][r][c] = __builtin_bit_cast(uint32_t, sum);
        }
  }
};

// Columns of one row as a first operand: out[k / 32][16][32], `out` at this row's place. Zero
// behind `columns`.
STOOP_INLINE void pack_tile_row(uint16_t *__restrict out, const uint16_t *__restrict x,
                                i64 columns) {
  const i64 whole = columns / 32;
  for (i64 s = 0; s < whole; ++s)
    store_vector(out + s * kTileElements, load_vector<u16x32>(x + s * 32));
  if (whole * 32 == columns) return;
  for (i64 i = 0; i < 32; ++i)
    out[whole * kTileElements + i] = whole * 32 + i < columns ? x[whole * 32 + i] : (uint16_t)0;
}

// 32 rows times two panels (the second may repeat the first: its sums are then discarded by the
// caller). a_steps: steps of a packed row, of which `steps` are multiplied.
template <class Tiles>
STOOP_INLINE void tile_block(Tiles &t, const uint16_t *a, i64 a_steps, i64 steps, const uint16_t *w0,
                             const uint16_t *w1, i64 whole_steps, const uint16_t *tail, float *s0,
                             float *s1, bool first) {
  const uint16_t *a1 = a + a_steps * kTileElements;
  if (first) {
    t.template zero<0>();
    t.template zero<1>();
    t.template zero<2>();
    t.template zero<3>();
  } else {
    t.template load<0>(s0, 64);
    t.template load<1>(s1, 64);
    t.template load<2>(s0 + 256, 64);
    t.template load<3>(s1 + 256, 64);
  }
  const auto step = [&](i64 s, const uint16_t *b0, const uint16_t *b1)
      __attribute__((always_inline)) {
    t.template load<4>(a + s * kTileElements, 64);
    t.template load<5>(a1 + s * kTileElements, 64);
    t.template load<6>(b0, 64);
    t.template load<7>(b1, 64);
    t.template multiply<0, 4, 6>();
    t.template multiply<1, 4, 7>();
    t.template multiply<2, 5, 6>();
    t.template multiply<3, 5, 7>();
  };
#pragma clang loop unroll(disable)
  for (i64 s = 0; s < whole_steps; ++s) step(s, w0 + s * kTileElements, w1 + s * kTileElements);
  if (whole_steps < steps) step(whole_steps, tail, tail + kTileElements);
  t.template store<0>(s0, 64);
  t.template store<1>(s1, 64);
  t.template store<2>(s0 + 256, 64);
  t.template store<3>(s1 + 256, 64);
}

// Copies the last, partial tile of a panel and zeroes the rest: what lies behind a panel may be
// NaN.
STOOP_INLINE void copy_tail(uint16_t *out, const uint16_t *w, i64 pairs) {
  for (i64 i = 0; i < kTileElements; ++i) out[i] = i < pairs * 32 ? w[i] : (uint16_t)0;
}

// Multiplies with tiles; see BlockedCore.
template <class Tiles>
struct TiledCore {
  STOOP_INLINE static i64 block_rows(const LinearParams *p) { return tile_block_rows(*p); }
  uint16_t *a;     // [row / 16][k / 32][16][32]
  uint16_t *tail;  // the last, partial tiles of two panels
  Tiles tiles;

  STOOP_INLINE TiledCore(Scratch &scratch, const LinearScratch &sizes)
      : a(scratch.take<uint16_t>(sizes.packed / 2)),
        tail(scratch.take<uint16_t>(sizes.tile_tails / 2)) {}

  STOOP_INLINE void pack(const Prologue<Bf16> &prologue, const LinearInput *in, i64 row0, i64 rows,
                         i64 k0, i64 columns) {
    const i64 steps = divide_up(columns, 32);
#pragma clang loop unroll(disable)
    for (i64 row = 0; row < round_up(rows, 32); ++row) {
      uint16_t *out = a + (row / 16 * steps * 16 + row % 16) * 32;
      if (row < rows) {
        pack_tile_row(out, prologue.columns_of(in, row0, row, k0, columns), columns);
        continue;
      }
      for (i64 s = 0; s < steps; ++s) store_vector(out + s * kTileElements, (u16x32)(uint16_t)0);
    }
  }

  STOOP_INLINE void multiply_panels(const stoop_kernel_args *args, const LinearProduct *product,
                                    i64 rows, i64 k0, i64 columns, i64 panel0, i64 panels,
                                    float *sums, i64 sums_panel) {
    const i64 panel_elements = divide_up(product->k, 2) * 32;
    const i64 steps = divide_up(columns, 32), whole = columns / 32;
    const uint16_t *w = buffer<const uint16_t>(args, product->w_operand);
#pragma clang loop unroll(disable)
    for (i64 panel = 0; panel < panels; panel += 2) {
      const uint16_t *w0 = w + (panel0 + panel) * panel_elements + k0 / 2 * 32;
      // An odd last panel is multiplied twice; its copy lands in the next panel's place, which
      // nobody reads.
      const uint16_t *w1 = panel + 1 < panels ? w0 + panel_elements : w0;
      float *s0 = sums + panel * sums_panel;
      if (whole < steps) {
        const i64 pairs = divide_up(columns - whole * 32, 2);
        copy_tail(tail, w0 + whole * kTileElements, pairs);
        copy_tail(tail + kTileElements, w1 + whole * kTileElements, pairs);
      }
#pragma clang loop unroll(disable)
      for (i64 r = 0; r < rows; r += 32)
        tile_block(tiles, a + r / 16 * steps * kTileElements, steps, steps, w0, w1, whole, tail,
                   s0 + r * kLanes, s0 + sums_panel + r * kLanes, k0 == 0);
    }
  }
};

}  // namespace stoop::kernels

#endif

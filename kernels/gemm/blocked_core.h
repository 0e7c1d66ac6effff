// The core of blocks of many rows: strips of 6 rows times panels of 16 columns.
//
// It multiplies *steps*: 64 bytes of a panel, 32 bits for each column of the result, by 32 bits of a
// row: one inner column in float32, or a pair of narrow ones. A strip is packed as
// [step / 16][6][16 steps], so vectors are copied on the way in and the strips of a block are one
// linear stream on the way out. Weights that are stored narrower than a step are written out once for
// all strips of a block (at 192 rows one instruction in eighty); others are read where they lie. While
// one panel is multiplied the next one is fetched to L2, a share with each strip, so that the weights'
// way from memory is hidden and spread. Bound: FMA (or vdpbf16ps) issue; the packed block lies in L2,
// the panel of a block in L1.
#ifndef STOOP_KERNELS_GEMM_BLOCKED_CORE_H
#define STOOP_KERNELS_GEMM_BLOCKED_CORE_H

#include "kernels/gemm/micro_kernel.h"
#include "kernels/gemm/prologue.h"

namespace stoop::kernels {

#if defined(__AVX512F__)
constexpr int kGemmPanels = 4;  // 24 of 32 registers accumulate
#else
constexpr int kGemmPanels = 1;  // 12 of 16
#endif
static_assert(kGemmPanels <= kExpandedPanels);

constexpr i64 kStepBlock = 16;  // steps of a row that lie together

// Steps from a packed strip times NP panels, `Unroll` at a time: kStepBlock of them, or single ones of
// the last, partial block. `stride`: bytes between panels. Sums lie [NP][kGemmStrip][16], panels apart
// by `sums_panel` floats; they begin as zero or with what is there.
template <class P, int NP, int Unroll>
STOOP_INLINE void tile_steps(const typename P::A *__restrict a, const char *__restrict w,
                             i64 stride, i64 turns, float *__restrict sums, i64 sums_panel,
                             bool first) {
  using Vector = decltype(P::Fragment::v[0] + 0);
  f32x16 acc[kGemmStrip][NP] = {};
#pragma clang loop unroll(disable)
  do {
#pragma clang loop unroll(full)
    for (int u = 0; u < Unroll; ++u) {
      Vector step[NP];
#pragma clang loop unroll(full)
      for (int p = 0; p < NP; ++p) step[p] = load_vector<Vector>(w + p * stride + u * 64);
#pragma clang loop unroll(full)
      for (int r = 0; r < kGemmStrip; ++r)
#pragma clang loop unroll(full)
        for (int p = 0; p < NP; ++p)
          acc[r][p] = P::mac(acc[r][p], step[p], a[r * kStepBlock + u]);
    }
    a += Unroll == kStepBlock ? kGemmStrip * kStepBlock : Unroll;
    w += Unroll * 64;
  } while (--turns > 0);
#pragma clang loop unroll(full)
  for (int r = 0; r < kGemmStrip; ++r)
#pragma clang loop unroll(full)
    for (int p = 0; p < NP; ++p) {
      float *sum = sums + p * sums_panel + r * kLanes;
      store_vector(sum, first ? acc[r][p] : acc[r][p] + load_vector<f32x16>(sum));
    }
}

template <class P, int NP>
STOOP_INLINE void multiply_tile(const typename P::A *a, const char *w, i64 stride, i64 steps,
                                float *sums, i64 sums_panel, bool first) {
  const i64 blocks = steps / kStepBlock, whole = blocks * kStepBlock;
  if (blocks > 0)
    tile_steps<P, NP, kStepBlock>(a, w, stride, blocks, sums, sums_panel, first);
  if (whole < steps)
    tile_steps<P, NP, 1>(a + whole * kGemmStrip, w + whole * 64, stride, steps - whole, sums,
                         sums_panel, first && blocks == 0);
}

// Panels of weights as policy P's fragments are loaded from them.
template <class P>
struct StoredPanels {
  using Weight = typename P::Weight;
  static constexpr bool kInPlace = P::kUnitElements * sizeof(Weight) == P::kSubs * 64;
  const Weight *data;
  i64 elements;  // of a panel

  STOOP_INLINE StoredPanels(const stoop_kernel_args *args, const LinearProduct *product)
      : data(buffer<const Weight>(args, product->w_operand)),
        elements(divide_up(product->k, P::kUnitColumns) * P::kUnitElements) {}

  STOOP_INLINE i64 stride() const { return elements * (i64)sizeof(Weight); }
  STOOP_INLINE i64 bytes(i64 columns) const {
    return divide_up(columns, P::kUnitColumns) * P::kUnitElements * (i64)sizeof(Weight);
  }
  // Where columns from `column` on begin, an even one.
  STOOP_INLINE const char *at(i64 panel, i64 column) const {
    return reinterpret_cast<const char *>(data + panel * elements) + bytes(column);
  }
  // Writes columns [column, column + columns) of a panel as steps.
  STOOP_INLINE void expand(i64 panel, i64 column, i64 columns, char *steps) const {
    const auto *from = reinterpret_cast<const Weight *>(at(panel, column));
    for (i64 u = 0; u < divide_up(columns, P::kUnitColumns); ++u) {
      const typename P::Fragment f = P::load(from + u * P::kUnitElements);
#pragma clang loop unroll(full)
      for (int s = 0; s < P::kSubs; ++s) store_vector(steps + (u * P::kSubs + s) * 64, f.v[s]);
    }
  }
};

// Panels that are multiplied next: a share of them is fetched to L2 with each strip.
struct NextPanels {
  const char *begin;
  i64 panels, stride, bytes, share;

  template <class Panels>
  STOOP_INLINE NextPanels(const Panels &weights, i64 panel, i64 panels, i64 column, i64 columns,
                          i64 strips)
      : begin(weights.at(panel, column)),
        panels(panels),
        stride(weights.stride()),
        bytes(weights.bytes(columns)),
        share(round_up(divide_up(bytes, strips), 64)) {}

  STOOP_INLINE void fetch(i64 strip) const {
    const i64 end = min_of((strip + 1) * share, bytes);
#pragma clang loop unroll(disable)
    for (i64 i = 0; i < panels; ++i)
#pragma clang loop unroll(disable)
      for (i64 b = strip * share; b < end; b += 64)
        __builtin_prefetch(begin + i * stride + b, 0, 2);
  }
};

// Calls f with the first panel, how many are multiplied together (a constant), how many of the next
// ones to fetch.
template <class F>
STOOP_INLINE void for_panels(i64 panels, F f) {
  i64 panel = 0;
#pragma clang loop unroll(disable)
  for (; panel + kGemmPanels <= panels; panel += kGemmPanels)
    f(panel, Count<kGemmPanels>(), min_of(kGemmPanels, panels - panel - kGemmPanels));
  if constexpr (kGemmPanels > 1)
#pragma clang loop unroll(disable)
    for (; panel < panels; ++panel) f(panel, Count<1>(), min_of(1, panels - panel - 1));
}

// Multiplies with strips and panels. The interface that multiply_block wants; tile_gemm.h has another.
template <class P, class X, class Panels = StoredPanels<P>>
struct BlockedCore {
  using A = typename P::A;
  static constexpr i64 kStepColumns = P::kUnitColumns / P::kSubs;
  A *rows;      // [strip][step / 16][kGemmStrip][16]
  char *steps;  // [kGemmPanels][block_inner][64], of panels that are written out
  i64 panel_steps_bytes;

  STOOP_INLINE BlockedCore(Scratch &scratch, const LinearScratch &sizes)
      : rows(scratch.take<A>(sizes.packed / 4)),
        steps(scratch.take<char>(sizes.expanded)),
        panel_steps_bytes(sizes.expanded / kExpandedPanels) {}

  STOOP_INLINE static i64 block_rows(const LinearParams *p) { return p->block_rows; }
  STOOP_INLINE static i64 steps_of(i64 columns) { return divide_up(columns, kStepColumns); }
  STOOP_INLINE static i64 strip_elements(i64 columns) {
    return round_up(steps_of(columns), kStepBlock) * kGemmStrip;
  }

  // 16 steps of a row, of which `valid` columns exist.
  STOOP_INLINE static void pack_steps(A *out, const typename X::T *x, i64 valid) {
    if constexpr (kStepColumns == 1) {
      store_vector(out, load_valid<X>(x, valid));
    } else {
      static_assert(sizeof(typename X::T) * kStepColumns == sizeof(A));
      if (valid >= kStepBlock * kStepColumns) {
        store_vector(out, load_vector<u32x16>(x));
        return;
      }
      auto *elements = reinterpret_cast<typename X::T *>(out);
      STOOP_SCALAR_LOOP
      for (i64 i = 0; i < kStepBlock * kStepColumns; ++i) elements[i] = i < valid ? x[i] : 0;
    }
  }

  STOOP_INLINE void pack(const Prologue<X> &prologue, const LinearInput *in, i64 row0,
                         i64 num_rows, i64 k0, i64 columns) {
    const i64 blocks = divide_up(steps_of(columns), kStepBlock);
#pragma clang loop unroll(disable)
    for (i64 row = 0; row < round_up(num_rows, kGemmStrip); ++row) {
      A *out = rows + row / kGemmStrip * strip_elements(columns) + row % kGemmStrip * kStepBlock;
      const bool exists = row < num_rows;
      const typename X::T *x = exists ? prologue.columns_of(in, row0, row, k0, columns) : nullptr;
      for (i64 block = 0; block < blocks; ++block, out += kGemmStrip * kStepBlock) {
        const i64 column = block * kStepBlock * kStepColumns;
        if (exists)
          pack_steps(out, x + column, columns - column);
        else
          store_vector(out, (u32x16)0u);
      }
    }
  }

  // All strips times NP panels of `weights`, from `panel` on; fetches `next` panels behind them.
  template <int NP>
  STOOP_INLINE void multiply_strips(const Panels &weights, i64 num_rows, i64 k0, i64 columns,
                                    i64 panel, i64 next, float *sums, i64 sums_panel) {
    const char *w = weights.at(panel, k0);
    i64 stride = weights.stride();
    if constexpr (!Panels::kInPlace) {
#pragma clang loop unroll(disable)
      for (int i = 0; i < NP; ++i)
        weights.expand(panel + i, k0, columns, steps + i * panel_steps_bytes);
      w = steps;
      stride = panel_steps_bytes;
    }
    const i64 strips = divide_up(num_rows, kGemmStrip);
    const NextPanels behind(weights, panel + NP, next, k0, columns, strips);
#pragma clang loop unroll(disable)
    for (i64 s = 0; s < strips; ++s) {
      behind.fetch(s);
      multiply_tile<P, NP>(rows + s * strip_elements(columns), w, stride, steps_of(columns),
                           sums + s * kGemmStrip * kLanes, sums_panel, k0 == 0);
    }
  }

  // The packed rows times panels [panel0, panel0 + panels) of a product; sums of one row lie kLanes
  // apart from those of the next.
  STOOP_INLINE void multiply_panels(const stoop_kernel_args *args, const LinearProduct *product,
                                    i64 num_rows, i64 k0, i64 columns, i64 panel0, i64 panels,
                                    float *sums, i64 sums_panel) {
    const Panels weights(args, product);
    for_panels(
        panels, [&](i64 panel, auto together, i64 next) __attribute__((always_inline)) {
          multiply_strips<decltype(together)::value>(weights, num_rows, k0, columns, panel0 + panel,
                                                     next, sums + panel * sums_panel, sums_panel);
        });
  }
};

}  // namespace stoop::kernels

#endif

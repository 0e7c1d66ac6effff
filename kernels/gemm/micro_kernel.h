// The multiply-accumulate core of every linear kernel: R rows of activations times NP panels of 16
// weight columns.
//
// Weights lie in panel16 order, so one panel is one linear stream. A *policy* says how a unit of
// the stream (one column of the inner dimension, or a pair for bfloat16) is multiplied: in float32
// (FmaPolicy) or by vdpbf16ps (DotPolicy). Activations are packed beforehand as
// [unit][R][Policy::kSubs], zero where padded, so that the core has no tails. Bound: FMA issue when
// R is large, the weight stream from memory when R is small.
#ifndef STOOP_KERNELS_GEMM_MICRO_KERNEL_H
#define STOOP_KERNELS_GEMM_MICRO_KERNEL_H

#include "kernels/common/math.h"
#include "kernels/common/types.h"

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace stoop::kernels {

// Weights of type W (float32 or float16) multiplied in float32.
template <class W>
struct FmaPolicy {
  using Weight = typename W::T;
  using A = float;  // packed activation
  static constexpr i64 kUnitColumns = 1, kUnitElements = 16, kSubs = 1;
  struct Fragment {
    f32x16 v[1];
  };
  STOOP_INLINE static Fragment load(const Weight *p) { return {{W::load16(p)}}; }
  STOOP_INLINE static f32x16 mac(f32x16 acc, f32x16 w, A a) { return fma16(w, splat(a), acc); }
  template <class X>
  STOOP_INLINE static void pack(A *out, const typename X::T *x, i64 valid) {
    out[0] = X::load1(x);
  }
};

// Pairs [16][2]: the even column sits in the low half of each 32-bit lane, the odd one in the high
// half.
template <>
struct FmaPolicy<Bf16> {
  using Weight = Bf16::T;
  using A = float;
  static constexpr i64 kUnitColumns = 2, kUnitElements = 32, kSubs = 2;
  struct Fragment {
    f32x16 v[2];
  };
  STOOP_INLINE static Fragment load(const Weight *p) {
    const u32x16 pairs = load_vector<u32x16>(p);
    return {
        {__builtin_bit_cast(f32x16, pairs << 16), __builtin_bit_cast(f32x16, pairs & 0xffff0000u)}};
  }
  STOOP_INLINE static f32x16 mac(f32x16 acc, f32x16 w, A a) { return fma16(w, splat(a), acc); }
  template <class X>
  STOOP_INLINE static void pack(A *out, const typename X::T *x, i64 valid) {
    out[0] = X::load1(x);
    out[1] = valid > 1 ? X::load1(x + 1) : 0.0f;
  }
};

// Arithmetic of vdpbf16ps: the instruction, or its software twin for machines without it (same
// indexing; the twin does not flush denormals).
struct HardwareDot {
#if defined(__AVX512BF16__)
  STOOP_INLINE static f32x16 mac(f32x16 acc, u32x16 w, uint32_t a) {
    return (f32x16)_mm512_dpbf16_ps((__m512)acc, __builtin_bit_cast(__m512bh, w),
                                    __builtin_bit_cast(__m512bh, (u32x16)(a)));
  }
#endif
};
struct SoftwareDot {
  STOOP_INLINE static f32x16 mac(f32x16 acc, u32x16 w, uint32_t a) {
    const float high = __builtin_bit_cast(float, a & 0xffff0000u);
    const float low = __builtin_bit_cast(float, a << 16);
    acc = fma16(__builtin_bit_cast(f32x16, w & 0xffff0000u), splat(high), acc);
    return fma16(__builtin_bit_cast(f32x16, w << 16), splat(low), acc);
  }
};

// bfloat16 weights and activations, two products a lane and step.
template <class Dot>
struct DotPolicy {
  using Weight = Bf16::T;
  using A = uint32_t;  // a pair of activations
  static constexpr i64 kUnitColumns = 2, kUnitElements = 32, kSubs = 1;
  struct Fragment {
    u32x16 v[1];
  };
  STOOP_INLINE static Fragment load(const Weight *p) { return {{load_vector<u32x16>(p)}}; }
  STOOP_INLINE static f32x16 mac(f32x16 acc, u32x16 w, A a) { return Dot::mac(acc, w, a); }
  template <class X>
  STOOP_INLINE static void pack(A *out, const typename X::T *x, i64 valid) {
    out[0] = x[0] | (valid > 1 ? (uint32_t)x[1] << 16 : 0u);
  }
};

// acc[r][p] += sum over units [0, units) of panel p times packed row r. With Phases > 1 consecutive
// units go to accumulators of their own, which hides the latency of the additions when R * NP is
// small; the phases are added at the end. Prefetch > 0 fetches the stream that many bytes ahead.
template <class P, int R, int NP, int Phases>
STOOP_INLINE void multiply(const typename P::A *__restrict a,
                           const typename P::Weight *__restrict w, i64 panel_elements, i64 units,
                           i64 prefetch, f32x16 (&acc)[R][NP]) {
  const auto step = [&](i64 unit, f32x16(&sums)[R][NP]) __attribute__((always_inline)) {
    typename P::Fragment f[NP];
#pragma clang loop unroll(full)
    for (int p = 0; p < NP; ++p) f[p] = P::load(w + p * panel_elements + unit * P::kUnitElements);
#pragma clang loop unroll(full)
    for (int s = 0; s < P::kSubs; ++s)
#pragma clang loop unroll(full)
      for (int r = 0; r < R; ++r)
#pragma clang loop unroll(full)
        for (int p = 0; p < NP; ++p)
          sums[r][p] = P::mac(sums[r][p], f[p].v[s], a[(unit * R + r) * P::kSubs + s]);
  };

  // The main loop starts from constants and ends in the sum of its phases. Were its accumulators
  // to meet other values on a way around it, LLVM would keep two copies of each, more than AVX2 has
  // registers for.
  i64 unit = 0;
  if (units >= Phases) {
    f32x16 part[Phases][R][NP] = {};
#pragma clang loop unroll(disable)
    do {
      if (prefetch > 0)
#pragma clang loop unroll(full)
        for (int s = 0; s < Phases; ++s)
          if (s * (i64)(P::kUnitElements * sizeof(typename P::Weight)) % 64 == 0)
            __builtin_prefetch((const char *)(w + (unit + s) * P::kUnitElements) + prefetch, 0, 3);
#pragma clang loop unroll(full)
      for (int s = 0; s < Phases; ++s) step(unit + s, part[s]);
      unit += Phases;
    } while (unit + Phases <= units);
#pragma clang loop unroll(full)
    for (int r = 0; r < R; ++r)
#pragma clang loop unroll(full)
      for (int p = 0; p < NP; ++p)
#pragma clang loop unroll(full)
        for (int s = 0; s < Phases; ++s) acc[r][p] += part[s][r][p];
  }
  if constexpr (Phases > 1)
#pragma clang loop unroll(disable)
    for (; unit < units; ++unit) step(unit, acc);
}

// Packs columns of one row for a strip of R rows: out[unit][R][kSubs], `out` at this row's place.
template <class P, class X, int R>
STOOP_INLINE void pack_row(typename P::A *__restrict out, const typename X::T *__restrict x,
                           i64 columns) {
  const i64 whole = columns / P::kUnitColumns;
  for (i64 u = 0; u < whole; ++u)
    P::template pack<X>(out + u * R * P::kSubs, x + u * P::kUnitColumns, P::kUnitColumns);
  if (P::kUnitColumns > 1 && whole * P::kUnitColumns < columns)
    P::template pack<X>(out + whole * R * P::kSubs, x + whole * P::kUnitColumns, 1);
}

// Packs a row that does not exist.
template <class P, int R>
STOOP_INLINE void pack_zeros(typename P::A *__restrict out, i64 columns) {
  for (i64 u = 0; u < divide_up(columns, P::kUnitColumns); ++u)
    for (int s = 0; s < P::kSubs; ++s) out[u * R * P::kSubs + s] = {};
}

}  // namespace stoop::kernels

#endif

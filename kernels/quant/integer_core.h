// Integer weights times integer activations: the core of quantised linears for few rows.
//
// Activations become 16-bit integers with one scale for 128 columns of a row, so their rounding is
// at most 1/65534 of the largest of those columns: next to nothing beside that of the weights. Pairs
// of columns are multiplied and added in 32 bits (vpmaddwd, with VNNI vpdpwssd), exactly; zeros enter
// by the sums of the activations. Once in a block of at most 128 columns the sums become float32.
// Bound: read bandwidth of memory; about 8 bytes a clock from L1 with AVX2.
#ifndef STOOP_KERNELS_QUANT_INTEGER_CORE_H
#define STOOP_KERNELS_QUANT_INTEGER_CORE_H

#include <immintrin.h>

#include "kernels/common/scratch.h"
#include "kernels/quant/layout.h"

namespace stoop::kernels {

constexpr i64 kSumColumns = 32;     // of which there is a sum

typedef uint64_t u64x4 __attribute__((ext_vector_type(4)));

// Up to 128 columns of a row and the scale that makes them 16-bit integers; zeros behind the last one.
// A NaN or an infinity makes the scale NaN, and with it every result.
struct ScaledColumns {
  alignas(64) float values[kScaleColumns];
  float scale, inverse;

  template <class X>
  STOOP_INLINE static ScaledColumns of(const typename X::T *x, i64 columns) {
    ScaledColumns s;
    f32x16 most = splat(0.0f), poison = splat(0.0f);
    for (i64 c = 0; c < kScaleColumns; c += kLanes) {
      const i64 valid = columns - c;
      const f32x16 f = valid <= 0 ? splat(0.0f) : load_valid<X>(x + c, valid);
      const f32x16 magnitude = (f32x16)((u32x16)f & 0x7fffffffu);
      most = magnitude > most ? magnitude : most;
      poison += f * 0.0f;
      store_vector(s.values + c, f);
    }
    const float largest = max_lanes(most);
    s.inverse = largest > 0 ? 32767.0f / largest : 0.0f;
    s.scale = largest / 32767.0f + sum_lanes(poison);
    return s;
  }

  // The integers of 16 columns: to nearest, ties to even; magnitudes are below 2^22, and the last bit of
  // 1.5 * 2^23 is 1.
  STOOP_INLINE i16x16 codes(i64 column) const {
    const f32x16 shifted = load_vector<f32x16>(values + column) * splat(inverse) + splat(12582912.0f);
    return __builtin_convertvector((i32x16)shifted - 0x4b400000, i16x16);
  }
};

// R rows of activations as integers, [column / 4][R][column % 4], [column / 128][R], [column / 32][R].
// Columns are padded with zeros to a multiple of 128. Four columns stand together, so that a row is
// quantised and summed as vectors and the loop over weights reads one stream.
template <int R>
struct IntegerRows {
  uint64_t *fours;
  float *scales;
  int32_t *sums;

  STOOP_INLINE static constexpr i64 bytes(i64 columns) {
    const i64 padded = round_up(columns, kScaleColumns);
    return R * (padded * 2 + padded / kScaleColumns * 4 + padded / kSumColumns * 4);
  }
  STOOP_INLINE IntegerRows(void *memory, i64 columns) {
    const i64 padded = round_up(columns, kScaleColumns);
    fours = static_cast<uint64_t *>(memory);
    scales = reinterpret_cast<float *>(fours + padded / 4 * R);
    sums = reinterpret_cast<int32_t *>(scales + padded / kScaleColumns * R);
  }

  // The integers of all rows from `column` on, a multiple of four; pair() finds them in it.
  STOOP_INLINE const uint32_t *pairs(i64 column) const {
    return reinterpret_cast<const uint32_t *>(fours + column / 4 * R);
  }
  // Where pair i of row r lies.
  STOOP_INLINE static constexpr i64 pair(i64 i, int r) { return (i / 2 * R + r) * 2 + i % 2; }

  // Quantises up to 128 columns of row r from `column` on, a multiple of 128.
  template <class X>
  STOOP_INLINE void pack(int r, const typename X::T *x, i64 column, i64 columns) {
    const ScaledColumns scaled = ScaledColumns::of<X>(x, columns);
    scales[column / kScaleColumns * R + r] = scaled.scale;
#pragma clang loop unroll(disable)
    for (i64 c = 0; c < kScaleColumns; c += kSumColumns) {
      i32x16 sum = {};
#pragma clang loop unroll(full)
      for (i64 i = c; i < c + kSumColumns; i += kLanes) {
        const i16x16 codes = scaled.codes(i);
        sum += __builtin_convertvector(codes, i32x16);
        const u64x4 words = __builtin_bit_cast(u64x4, codes);
#pragma clang loop unroll(full)
        for (int w = 0; w < 4; ++w) fours[((column + i) / 4 + w) * R + r] = words[w];
      }
      sums[(column + c) / kSumColumns * R + r] = __builtin_reduce_add(sum);
    }
  }
};

// acc + the products of the two 16-bit integers of each lane.
STOOP_INLINE i32x16 add_pairs(i32x16 acc, i32x16 w, uint32_t a) {
#if defined(__AVX512VNNI__)
  return (i32x16)_mm512_dpwssd_epi32((__m512i)acc, (__m512i)w, _mm512_set1_epi32((int)a));
#elif defined(__AVX512BW__)
  return acc + (i32x16)_mm512_madd_epi16((__m512i)w, _mm512_set1_epi32((int)a));
#else
  const __m256i b = _mm256_set1_epi32((int)a);
  const __m256i low = _mm256_madd_epi16((__m256i)w.lo, b);
  const __m256i high = _mm256_madd_epi16((__m256i)w.hi, b);
  return acc + __builtin_shufflevector((i32x8)low, (i32x8)high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
                                       12, 13, 14, 15);
#endif
}

// Left to itself, LLVM collects the products of a whole unit before it adds them up; with four rows that takes more
// than the 16 registers of AVX2, and sums go through the stack. An empty instruction that uses a sum ends it here.
STOOP_INLINE void finish_now(i32x16 &sum) {
#if !defined(__AVX512F__)
  i32x8 low = sum.lo, high = sum.hi;
  __asm__("" : "+x"(low), "+x"(high));
  sum = __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#endif
}

// Sums over a block of whole units, as integers. Accumulators of their own for the pairs of a unit
// hide latency where registers allow it.
template <bool kInt4, int R>
STOOP_INLINE void sum_block(const char *units, const uint32_t *pairs, i64 num_units, i64 prefetch,
                            i32x16 (&total)[R]) {
#if defined(__AVX512F__)
  constexpr int kSets = R <= 2 ? kPairs<kInt4> : 2;
#else
  constexpr int kSets = R == 1 ? 2 : 1;
#endif
  i32x16 acc[kSets][R] = {};
#pragma clang loop unroll(disable)
  for (i64 unit = 0; unit < num_units; ++unit) {
    if (prefetch > 0) __builtin_prefetch(units + unit * kUnitBytes + prefetch, 0, 3);
    const u32x16 w = load_vector<u32x16>(units + unit * kUnitBytes);
#pragma clang loop unroll(full)
    for (int s = 0; s < kPairs<kInt4>; ++s) {
      const i32x16 codes = code_pairs<kInt4>(w, s);
#pragma clang loop unroll(full)
      for (int r = 0; r < R; ++r) {
        acc[s % kSets][r] =
            add_pairs(acc[s % kSets][r], codes,
                      pairs[IntegerRows<R>::pair(unit * kPairs<kInt4> + s, r)]);
        finish_now(acc[s % kSets][r]);
      }
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < R; ++r) {
    total[r] = acc[0][r];
#pragma clang loop unroll(full)
    for (int s = 1; s < kSets; ++s) total[r] += acc[s][r];
  }
}

// Columns [column, column + columns) of one int4 panel, which share a scale of the activations and a
// group.
template <int R>
STOOP_INLINE void int4_block(const QuantLayout &layout, const char *panel, const IntegerRows<R> &x,
                             i64 column, i64 columns, i64 prefetch, f32x16 (&acc)[R]) {
  i32x16 sums[R];
  sum_block<true, R>(panel + layout.unit_offset(column), x.pairs(column),
                     divide_up(columns, 8), prefetch, sums);
  const char *header = panel + layout.scale_offset(column);
  const f32x16 scales = F16::load16(reinterpret_cast<const _Float16 *>(header));
  const i32x16 zeros = load_zeros(reinterpret_cast<const uint8_t *>(header + 32));
#pragma clang loop unroll(full)
  for (int r = 0; r < R; ++r) {
    int32_t of_activations = 0;
    for (i64 c = 0; c < columns; c += kSumColumns)
      of_activations += x.sums[(column + c) / kSumColumns * R + r];
    const f32x16 exact = __builtin_convertvector(sums[r] - zeros * of_activations, f32x16);
    acc[r] = fma16(exact, scales * x.scales[column / kScaleColumns * R + r], acc[r]);
  }
}

// R rows times one panel: acc = sums over all columns.
template <int R>
STOOP_INLINE void multiply_panel(const QuantLayout &layout, const char *panel,
                                 const IntegerRows<R> &x, i64 prefetch, f32x16 (&acc)[R]) {
#pragma clang loop unroll(full)
  for (int r = 0; r < R; ++r) acc[r] = splat(0.0f);
  if (layout.is_int4()) {
    const i64 step = min_of(layout.group, kScaleColumns);
#pragma clang loop unroll(disable)
    for (i64 c = 0; c < layout.columns; c += step)
      int4_block<R>(layout, panel, x, c, min_of(step, layout.columns - c), prefetch, acc);
    return;
  }
#pragma clang loop unroll(disable)
  for (i64 c = 0; c < layout.columns; c += kScaleColumns) {
    i32x16 sums[R];
    sum_block<false, R>(panel + layout.unit_offset(c), x.pairs(c),
                        divide_up(min_of(kScaleColumns, layout.columns - c), 4), prefetch, sums);
#pragma clang loop unroll(full)
    for (int r = 0; r < R; ++r)
      acc[r] = fma16(__builtin_convertvector(sums[r], f32x16),
                     splat(x.scales[c / kScaleColumns * R + r]), acc[r]);
  }
  const f32x16 scales = load_vector<f32x16>(panel);
#pragma clang loop unroll(full)
  for (int r = 0; r < R; ++r) acc[r] *= scales;
}

}  // namespace stoop::kernels

#endif

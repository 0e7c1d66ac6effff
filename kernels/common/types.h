// Vector and element types shared by all CPU kernel templates.
//
// Everything is written with 16-lane generic vectors, so one source serves AVX2 (two registers a
// vector) and AVX-512 (one). An element policy (F32, Bf16, F16) loads and stores with conversion
// from and to float32; conversion to a narrow type rounds to nearest even and keeps NaN a NaN,
// without library calls.
#ifndef STOOP_KERNELS_COMMON_TYPES_H
#define STOOP_KERNELS_COMMON_TYPES_H

#include <stdint.h>

#include "kernels/common/params.h"

namespace stoop::kernels {

using i64 = int64_t;
constexpr i64 kLanes = 16;

typedef float f32x16 __attribute__((ext_vector_type(16)));
typedef int32_t i32x16 __attribute__((ext_vector_type(16)));
typedef uint32_t u32x16 __attribute__((ext_vector_type(16)));
typedef uint16_t u16x16 __attribute__((ext_vector_type(16)));
typedef uint16_t u16x32 __attribute__((ext_vector_type(32)));
typedef _Float16 f16x16 __attribute__((ext_vector_type(16)));

#define STOOP_INLINE [[gnu::always_inline]] inline
// In front of a loop over the few elements behind the last whole vector, or one that gathers: LLVM
// would make vector code of it too, which takes longer to compile than it can ever save.
#define STOOP_SCALAR_LOOP _Pragma("clang loop vectorize(disable) unroll(disable)")

template <class V>
STOOP_INLINE V load_vector(const void *p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class V>
STOOP_INLINE void store_vector(void *p, V v) {
  __builtin_memcpy(p, &v, sizeof v);
}

STOOP_INLINE f32x16 splat(float x) { return (f32x16)(x); }

// Bit pattern of the bfloat16 nearest to x (ties to even); a NaN stays a quiet NaN.
STOOP_INLINE uint16_t bf16_bits(float x) {
  const uint32_t u = __builtin_bit_cast(uint32_t, x);
  const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  return (uint16_t)(x != x ? (u >> 16) | 0x40u : rounded);
}
STOOP_INLINE u32x16 bf16_bits(f32x16 x) {
  const u32x16 u = __builtin_bit_cast(u32x16, x);
  const u32x16 rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  return (x != x) ? ((u >> 16) | 0x40u) : rounded;
}

struct F32 {
  using T = float;
  STOOP_INLINE static float load1(const T *p) { return *p; }
  STOOP_INLINE static void store1(T *p, float x) { *p = x; }
  STOOP_INLINE static f32x16 load16(const T *p) { return load_vector<f32x16>(p); }
  STOOP_INLINE static void store16(T *p, f32x16 x) { store_vector(p, x); }
  STOOP_INLINE static float round(float x) { return x; }
  STOOP_INLINE static f32x16 round(f32x16 x) { return x; }
};

struct Bf16 {
  using T = uint16_t;
  STOOP_INLINE static float load1(const T *p) {
    return __builtin_bit_cast(float, (uint32_t)*p << 16);
  }
  STOOP_INLINE static void store1(T *p, float x) { *p = bf16_bits(x); }
  STOOP_INLINE static f32x16 load16(const T *p) {
    const u32x16 wide = __builtin_convertvector(load_vector<u16x16>(p), u32x16);
    return __builtin_bit_cast(f32x16, wide << 16);
  }
  STOOP_INLINE static void store16(T *p, f32x16 x) {
    store_vector(p, __builtin_convertvector(bf16_bits(x), u16x16));
  }
  STOOP_INLINE static float round(float x) {
    return __builtin_bit_cast(float, (uint32_t)bf16_bits(x) << 16);
  }
  STOOP_INLINE static f32x16 round(f32x16 x) {
    return __builtin_bit_cast(f32x16, bf16_bits(x) << 16);
  }
};

struct F16 {
  using T = _Float16;
  STOOP_INLINE static float load1(const T *p) { return (float)*p; }
  STOOP_INLINE static void store1(T *p, float x) { *p = (_Float16)x; }
  STOOP_INLINE static f32x16 load16(const T *p) {
    return __builtin_convertvector(load_vector<f16x16>(p), f32x16);
  }
  STOOP_INLINE static void store16(T *p, f32x16 x) {
    store_vector(p, __builtin_convertvector(x, f16x16));
  }
  STOOP_INLINE static float round(float x) { return (float)(_Float16)x; }
  STOOP_INLINE static f32x16 round(f32x16 x) {
    return __builtin_convertvector(__builtin_convertvector(x, f16x16), f32x16);
  }
};

// The policies under the names that ports and .def files use.
namespace element {
using f32 = F32;
using bf16 = Bf16;
using f16 = F16;
}  // namespace element

// Calls f with the policy of an element type that is a parameter.
template <class F>
STOOP_INLINE void with_element(i64 type, F f) {
  if (type == kElementBf16)
    f(Bf16{});
  else if (type == kElementF16)
    f(F16{});
  else
    f(F32{});
}

// Loads the first n (< 16) elements; the other lanes are zero. Reads nothing behind them.
template <class E>
STOOP_INLINE f32x16 load_head(const typename E::T *p, i64 n) {
  f32x16 v = splat(0.0f);
  STOOP_SCALAR_LOOP
  for (i64 i = 0; i < n; ++i) v[i] = E::load1(p + i);
  return v;
}
// Stores the first n lanes.
template <class E>
STOOP_INLINE void store_head(typename E::T *p, f32x16 v, i64 n) {
  STOOP_SCALAR_LOOP
  for (i64 i = 0; i < n; ++i) E::store1(p + i, v[i]);
}

// Loads or stores 16 elements, or the first n when there are fewer.
template <class E>
STOOP_INLINE f32x16 load_valid(const typename E::T *p, i64 n) {
  return n >= kLanes ? E::load16(p) : load_head<E>(p, n);
}
template <class E>
STOOP_INLINE void store_valid(typename E::T *p, f32x16 v, i64 n) {
  if (n >= kLanes)
    E::store16(p, v);
  else
    store_head<E>(p, v, n);
}

STOOP_INLINE float sum_lanes(f32x16 v) {
  typedef float f32x8 __attribute__((ext_vector_type(8)));
  typedef float f32x4 __attribute__((ext_vector_type(4)));
  const f32x8 a = v.lo + v.hi;
  const f32x4 b = a.lo + a.hi;
  return (b.x + b.z) + (b.y + b.w);
}
// Largest lane of numbers.
STOOP_INLINE float max_lanes(f32x16 v) {
  typedef float f32x8 __attribute__((ext_vector_type(8)));
  typedef float f32x4 __attribute__((ext_vector_type(4)));
  const f32x8 a = v.lo > v.hi ? v.lo : v.hi;
  const f32x4 b = a.lo > a.hi ? a.lo : a.hi;
  const float x = b.x > b.z ? b.x : b.z, y = b.y > b.w ? b.y : b.w;
  return x > y ? x : y;
}

STOOP_INLINE constexpr i64 round_up(i64 x, i64 step) { return (x + step - 1) / step * step; }
STOOP_INLINE constexpr i64 divide_up(i64 x, i64 step) { return (x + step - 1) / step; }
STOOP_INLINE i64 min_of(i64 a, i64 b) { return a < b ? a : b; }
STOOP_INLINE i64 max_of(i64 a, i64 b) { return a > b ? a : b; }

// A number as a type, for functions that take it as a constant.
template <int N>
struct Count {
  static constexpr int value = N;
};

// [begin, end) of `count` things for one thread: contiguous, sizes differ by at most one.
struct Range {
  i64 begin, end;
};
STOOP_INLINE Range share_of(i64 count, i64 thread, i64 num_threads) {
  return {count * thread / num_threads, count * (thread + 1) / num_threads};
}

}  // namespace stoop::kernels

#endif

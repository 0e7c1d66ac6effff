// exp, erf and tanh on 16 lanes as polynomials: no libm in the emitted code.
//
// Relative error about 1e-7 (tested against libm over the whole range); NaN comes out as NaN:
// clamps are comparisons that a NaN fails, never minimum instructions, which would drop it.
// Coefficients: interpolation at Chebyshev nodes.
#ifndef STOOP_KERNELS_COMMON_MATH_H
#define STOOP_KERNELS_COMMON_MATH_H

#include "kernels/common/types.h"

namespace stoop::kernels {

STOOP_INLINE f32x16 fma16(f32x16 a, f32x16 b, f32x16 c) {
  return __builtin_elementwise_fma(a, b, c);
}
STOOP_INLINE f32x16 select16(i32x16 mask, f32x16 a, f32x16 b) { return mask ? a : b; }
STOOP_INLINE f32x16 abs16(f32x16 x) { return __builtin_elementwise_abs(x); }

// Sums c[0] + c[1] x + ... by Horner's rule.
template <int N>
STOOP_INLINE f32x16 polynomial(const float (&c)[N], f32x16 x) {
  f32x16 p = splat(c[N - 1]);
#pragma clang loop unroll(full)
  for (int i = N - 2; i >= 0; --i) p = fma16(p, x, splat(c[i]));
  return p;
}

// e^x: x = n ln 2 + f with |f| <= ln 2 / 2. Overflows to infinity, underflows to 0 (below 2^-126
// when the processor flushes denormals).
STOOP_INLINE f32x16 exp16(f32x16 x) {
  constexpr float kCoefficients[] = {5.000000013e-01f, 1.666666668e-01f, 4.166646494e-02f,
                                     8.333310928e-03f, 1.393364786e-03f, 1.989098846e-04f};
  x = select16(x > splat(89.0f), splat(89.0f), x);
  x = select16(x < splat(-104.0f), splat(-104.0f), x);
  const f32x16 n = __builtin_elementwise_roundeven(x * splat(1.44269504f));
  f32x16 f = fma16(n, splat(-0.693359375f), x);
  f = fma16(n, splat(2.12194440e-4f), f);
  const f32x16 p = fma16(polynomial(kCoefficients, f), f * f, f) + splat(1.0f);
  // 2^n in two factors, so that n = 128 and n < -126 stay within the exponent's range. NaN lanes
  // are multiplied by whatever the conversion gives and stay NaN.
  const i32x16 whole = __builtin_convertvector(select16(n == n, n, splat(0.0f)), i32x16);
  const i32x16 half = whole >> 1;
  const f32x16 s0 = __builtin_bit_cast(f32x16, (half + 127) << 23);
  const f32x16 s1 = __builtin_bit_cast(f32x16, (whole - half + 127) << 23);
  return p * s0 * s1;
}

// Error function. Small |x|: x + x P(x^2); otherwise 1 - e^(-t Q(t)), which is 1 from t = 4 on.
STOOP_INLINE f32x16 erf16(f32x16 x) {
  constexpr float kSmall[] = {1.283791491e-01f,  -3.761248904e-01f, 1.128175413e-01f,
                              -2.676399514e-02f, 4.988906025e-03f,  -5.967310878e-04f};
  constexpr float kLarge[] = {1.128909759e+00f,  6.341252435e-01f, 1.078867206e-01f,
                              -2.516202838e-02f, 4.313203684e-03f, -5.011149556e-04f,
                              3.468896525e-05f,  -1.062516596e-06f};
  f32x16 t = abs16(x);
  t = select16(t > splat(4.0f), splat(4.0f), t);
  const f32x16 near = fma16(polynomial(kSmall, x * x), x, x);
  const f32x16 tail = splat(1.0f) - exp16(-t * polynomial(kLarge, t));
  const f32x16 far = __builtin_elementwise_copysign(tail, x);
  return select16(t < splat(0.93f), near, far);
}

// Hyperbolic tangent. Small |x|: x + x^3 P(x^2); otherwise 1 - 2 / (e^2t + 1).
STOOP_INLINE f32x16 tanh16(f32x16 x) {
  constexpr float kSmall[] = {-3.333333317e-01f, 1.333330357e-01f,  -5.395926164e-02f,
                              2.176893546e-02f,  -8.344000561e-03f, 2.292807193e-03f};
  const f32x16 t = abs16(x);
  const f32x16 square = x * x;
  const f32x16 near = fma16(polynomial(kSmall, square) * square, x, x);
  const f32x16 tail = splat(1.0f) - splat(2.0f) / (exp16(t + t) + splat(1.0f));
  const f32x16 far = __builtin_elementwise_copysign(tail, x);
  return select16(t < splat(0.625f), near, far);
}

}  // namespace stoop::kernels

#endif

// exp, log and sqrt in double precision without libm, so that a binary needs libc alone.
// Accuracy: exp within 2 ulp on [-708, 709], log within 2 ulp on normal numbers (tested).
#ifndef STOOP_RUNTIME_CORE_MATH_H_
#define STOOP_RUNTIME_CORE_MATH_H_

#include <cstdint>
#include <cstring>

namespace stoop::rt {

inline constexpr double kInfinity = __builtin_huge_val();

namespace internal {
inline constexpr double kLn2High = 6.93147180369123816490e-01;  // 33 significant bits
inline constexpr double kLn2Low = 1.90821492927058770002e-10;   // ln 2 - kLn2High
inline constexpr double kLog2E = 1.44269504088896338700e+00;

// Of the Taylor series of e^r, from degree 13 down.
inline constexpr double kInverseFactorials[] = {
    1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0,
    1.0 / 40320.0,      1.0 / 5040.0,      1.0 / 720.0,      1.0 / 120.0,     1.0 / 24.0,
    1.0 / 6.0,          1.0 / 2.0,         1.0,              1.0};

inline double from_bits(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
inline uint64_t to_bits(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
}  // namespace internal

// e^x: x = k ln 2 + r with |r| <= ln 2 / 2, Taylor series of degree 13 in r.
inline double exp(double x) {
  using namespace internal;
  if (x != x) return x;
  if (x > 709.7) return kInfinity;
  if (x < -708.0) return 0.0;  // results below the normal range count as nothing
  int64_t k = static_cast<int64_t>(x * kLog2E + (x < 0 ? -0.5 : 0.5));
  double r = (x - static_cast<double>(k) * kLn2High) - static_cast<double>(k) * kLn2Low;
  double sum = 0;
  for (double coefficient : kInverseFactorials) sum = sum * r + coefficient;
  return sum * from_bits(static_cast<uint64_t>(k + 1023) << 52);
}

// Natural logarithm: x = m 2^e with m in [sqrt 1/2, sqrt 2); log m = 2 artanh((m - 1) / (m + 1)).
inline double log(double x) {
  using namespace internal;
  if (x != x || x == kInfinity) return x;
  if (x <= 0) return x == 0 ? -kInfinity : __builtin_nan("");
  int64_t e = 0;
  if (x < 2.2250738585072014e-308) {
    x *= 18014398509481984.0;  // 2^54
    e = -54;
  }
  uint64_t bits = to_bits(x);
  e += static_cast<int64_t>(bits >> 52) - 1023;
  double m = from_bits((bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++e;
  }
  double f = m - 1.0, s = f / (2.0 + f), z = s * s, sum = 0;
  for (int n = 23; n >= 3; n -= 2) sum = (sum + 1.0 / n) * z;
  // log(1 + f) = f - s (f - 2 sum): f is exact, so the leading term carries no rounding error.
  double fraction = f - s * (f - 2.0 * sum);
  return static_cast<double>(e) * kLn2High + (fraction + static_cast<double>(e) * kLn2Low);
}

inline double sqrt(double x) { return __builtin_sqrt(x); }

// Sum of e^(logits[i] - largest) over four entries at once, as exp computes it. What is no number or far below the
// largest counts as next to nothing.
inline double sum_of_four_exp(const float* logits, double largest) {
  using namespace internal;
  typedef double Four __attribute__((vector_size(32)));
  typedef int64_t Bits __attribute__((vector_size(32)));
  Four x = {logits[0] - largest, logits[1] - largest, logits[2] - largest, logits[3] - largest};
  x = x > -708.0 ? x : Four{} - 708.0;
  constexpr double kRound = 0x1.8p52;  // behind this sum the low bits are the integer k
  Four shifted = x * kLog2E + kRound, k = shifted - kRound;
  Four r = (x - k * kLn2High) - k * kLn2Low, sum = {};
  for (double coefficient : kInverseFactorials) sum = sum * r + coefficient;
  Bits power;
  memcpy(&power, &shifted, sizeof power);
  power = (power + 1023) << 52;
  Four scale;
  memcpy(&scale, &power, sizeof scale);
  sum *= scale;
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// log(sum of exp(logits)), over entries that are numbers; -infinity when there are none.
inline double log_sum_exp(const float* logits, uint64_t count) {
  float largest = -__builtin_huge_valf();
  for (uint64_t i = 0; i < count; ++i)
    if (logits[i] > largest) largest = logits[i];
  if (!(largest > -__builtin_huge_valf())) return -kInfinity;
  double sum = 0;
  const uint64_t fours = count / 4;
  for (uint64_t i = 0; i < fours; ++i) sum += sum_of_four_exp(logits + 4 * i, largest);
  for (uint64_t i = 4 * fours; i < count; ++i)
    if (logits[i] == logits[i]) sum += exp(static_cast<double>(logits[i]) - largest);
  return largest + log(sum);
}

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_CORE_MATH_H_

//===- Attention.cpp - KV cache and causal attention of the reference -------------------------===//
//
// The cache keeps the model's KV heads, never expanded; a query head finds its KV head by division.
// Score rows are computed one (token, head) at a time: memory is linear in the context.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/ops/Ops.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace stoop::reference {

void kvAppend(KvLayer &cache, const Tensor &keys, const Tensor &values,
              llvm::ArrayRef<int32_t> positions, llvm::ArrayRef<int32_t> slots) {
  for (int64_t t = 0; t < keys.rows(); ++t) {
    if (slots[t] < 0)
      continue;
    for (int64_t h = 0; h < cache.heads; ++h) {
      size_t to = cache.offset(slots[t], h, positions[t]);
      for (int64_t d = 0; d < cache.headDim; ++d) {
        cache.keys[to + d] = roundTo(keys.row(t)[h * cache.headDim + d], cache.element);
        cache.values[to + d] = roundTo(values.row(t)[h * cache.headDim + d], cache.element);
      }
    }
  }
}

float alibiBias(float slope, int64_t position, AlibiRounding rounding) {
  float at = static_cast<float>(position);
  if (rounding == AlibiRounding::Exact)
    return slope * at;
  return roundToBF16(roundToBF16(slope) * roundToBF16(at));
}

namespace {

/// Everything of one (token, head) pair that does not depend on the key.
struct Query {
  const double *q, *keys, *values; ///< keys and values: position 0 of this slot and KV head
  int64_t numKeys, headDim;
  double scale;
};

constexpr int64_t kLanes = 4;
/// Keys that are read together, so that sums and outputs stay in registers.
constexpr int64_t kKeys = 4;
typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double)), aligned(8), may_alias));
typedef int64_t Bits __attribute__((vector_size(kLanes * sizeof(int64_t))));

// By reference: a vector as argument or result would depend on the features of the caller.
[[gnu::always_inline]] inline const Lanes &lanes(const double *from) {
  return *reinterpret_cast<const Lanes *>(from);
}

/// scores[i] = dot(query, key i) for `Count` keys.
template <int Count>
[[gnu::always_inline]] inline void dotKeys(const Query &query, int64_t first, double *scores) {
  const double *keys = query.keys + first * query.headDim;
  Lanes sums[Count] = {};
  int64_t d = 0;
  for (; d + kLanes <= query.headDim; d += kLanes) {
    Lanes q = lanes(query.q + d);
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i)
      sums[i] += q * lanes(keys + i * query.headDim + d);
  }
  for (; d < query.headDim; ++d)
    for (int i = 0; i < Count; ++i)
      sums[i][0] += query.q[d] * keys[i * query.headDim + d];
#pragma GCC unroll 4
  for (int i = 0; i < Count; ++i)
    scores[first + i] = (sums[i][0] + sums[i][1]) + (sums[i][2] + sums[i][3]);
}

/// out += sum of weights[i] * value i over `Count` values.
template <int Count>
[[gnu::always_inline]] inline void addValues(const Query &query, int64_t first,
                                             const double *weights, double *out) {
  const double *values = query.values + first * query.headDim;
  for (int64_t d = 0; d < query.headDim; ++d) {
    double sum = out[d];
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i)
      sum += weights[first + i] * values[i * query.headDim + d];
    out[d] = sum;
  }
}

/// Replaces four values that are at most 0 by their powers of e, within 2 ulp, NaN stays NaN: x = k ln 2 + r,
/// |r| <= ln 2 / 2, and the Taylor series of degree 13 in r. Below -708 the result is next to nothing.
[[gnu::always_inline]] inline void exponentiateFour(Lanes &x) {
  x = x < -708.0 ? Lanes{} - 708.0 : x;
  constexpr double kRound = 0x1.8p52; // behind this sum the low bits are the integer k
  Lanes shifted = x * M_LOG2E + kRound, k = shifted - kRound;
  Lanes r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10, sum = {};
  constexpr double kFactorials[] = {6227020800, 479001600, 39916800, 3628800, 362880, 40320, 5040,
                                    720,        120,       24,       6,       2,      1,     1};
#pragma GCC unroll 14
  for (double factorial : kFactorials)
    sum = sum * r + 1.0 / factorial;
  x = sum * reinterpret_cast<Lanes>((reinterpret_cast<Bits>(shifted) + 1023) << 52);
}

/// Replaces scores by their powers of e relative to `highest`; returns the sum of those.
[[gnu::always_inline]] inline double exponentiate(double *scores, int64_t count, double highest) {
  Lanes total = {};
  int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    Lanes p = lanes(scores + j) - highest;
    exponentiateFour(p);
    *reinterpret_cast<Lanes *>(scores + j) = p;
    total += p;
  }
  double sum = (total[0] + total[1]) + (total[2] + total[3]);
  for (; j < count; ++j)
    sum += scores[j] = std::exp(scores[j] - highest);
  return sum;
}

/// softmax of the scores times the values, into out[headDim]; `biases` has one per key, or is null.
[[gnu::target_clones("fma", "default")]] void attendOne(const Query &query, const float *biases,
                                                        double *scores, double *out) {
  int64_t j = 0;
  for (; j + kKeys <= query.numKeys; j += kKeys)
    dotKeys<kKeys>(query, j, scores);
  for (; j < query.numKeys; ++j)
    dotKeys<1>(query, j, scores);
  double highest = -std::numeric_limits<double>::infinity();
  for (j = 0; j < query.numKeys; ++j) {
    scores[j] = (biases ? scores[j] + biases[j] : scores[j]) * query.scale;
    highest = std::max(highest, scores[j]);
  }
  double total = exponentiate(scores, query.numKeys, highest);
  std::fill_n(out, query.headDim, 0.0);
  for (j = 0; j + kKeys <= query.numKeys; j += kKeys)
    addValues<kKeys>(query, j, scores, out);
  for (; j < query.numKeys; ++j)
    addValues<1>(query, j, scores, out);
  for (int64_t d = 0; d < query.headDim; ++d)
    out[d] /= total;
}

} // namespace

Tensor attention(const Tensor &q, const KvLayer &cache, llvm::ArrayRef<int32_t> positions,
                 llvm::ArrayRef<int32_t> slots, int64_t heads, double scale,
                 std::optional<Alibi> alibi, Element result) {
  int64_t headDim = cache.headDim, group = heads / cache.heads;
  Tensor y(q.rows(), q.cols(), result);
  double keysInAll = 0;
  for (int32_t position : positions)
    keysInAll += position + 1;
  parallelRows(heads, keysInAll * 2 * q.cols(), [&](size_t head) {
    std::vector<double> scores, wide(headDim), out(headDim);
    int64_t longest = positions.empty() ? 0 : *std::max_element(positions.begin(), positions.end());
    std::vector<float> biases;
    for (int64_t j = 0; alibi && j <= longest; ++j)
      biases.push_back(alibiBias(alibi->slopes[head], j, alibi->rounding));
    for (int64_t t = 0; t < q.rows(); ++t) {
      if (slots[t] < 0)
        continue;
      size_t base = cache.offset(slots[t], head / group, 0);
      llvm::copy(q.row(t).slice(head * headDim, headDim), wide.begin());
      Query query{wide.data(),
                  cache.keys.data() + base,
                  cache.values.data() + base,
                  positions[t] + 1,
                  headDim,
                  scale};
      scores.resize(query.numKeys);
      attendOne(query, alibi ? biases.data() : nullptr, scores.data(), out.data());
      for (int64_t d = 0; d < headDim; ++d)
        y.set(t, head * headDim + d, out[d]);
    }
  });
  return y;
}

} // namespace stoop::reference

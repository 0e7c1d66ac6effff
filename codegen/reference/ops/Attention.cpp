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
  llvm::ArrayRef<float> q;
  const float *keys, *values; ///< position 0 of this slot and KV head
  int64_t numKeys, headDim;
  double scale;
};

constexpr int64_t kLanes = 4;
typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double))));
typedef float Narrow __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

[[gnu::always_inline]] inline Lanes widen(const float *from) {
  return __builtin_convertvector(*reinterpret_cast<const Narrow *>(from), Lanes);
}

/// Eight partial sums, so that the additions do not wait for each other.
[[gnu::always_inline]] inline double dot(const float *a, const float *b, int64_t n) {
  Lanes even = {}, odd = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    even += widen(a + i) * widen(b + i);
    odd += widen(a + i + kLanes) * widen(b + i + kLanes);
  }
  for (; i < n; ++i)
    even[0] += double(a[i]) * b[i];
  even += odd;
  return (even[0] + even[1]) + (even[2] + even[3]);
}

/// softmax of the scores times the values, into out[headDim]; `biases` has one per key, or is null.
[[gnu::target_clones("fma", "default")]] void attendOne(const Query &query, const float *biases,
                                                        double *scores, double *out) {
  double highest = -std::numeric_limits<double>::infinity();
  for (int64_t j = 0; j < query.numKeys; ++j) {
    double score = dot(query.q.data(), query.keys + j * query.headDim, query.headDim);
    scores[j] = (biases ? score + biases[j] : score) * query.scale;
    highest = std::max(highest, scores[j]);
  }
  double total = 0;
  std::fill_n(out, query.headDim, 0.0);
  for (int64_t j = 0; j < query.numKeys; ++j) {
    double p = std::exp(scores[j] - highest);
    total += p;
    const float *value = query.values + j * query.headDim;
    for (int64_t d = 0; d < query.headDim; ++d)
      out[d] += p * value[d];
  }
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
    std::vector<double> scores, out(headDim);
    int64_t longest = positions.empty() ? 0 : *std::max_element(positions.begin(), positions.end());
    std::vector<float> biases;
    for (int64_t j = 0; alibi && j <= longest; ++j)
      biases.push_back(alibiBias(alibi->slopes[head], j, alibi->rounding));
    for (int64_t t = 0; t < q.rows(); ++t) {
      if (slots[t] < 0)
        continue;
      size_t base = cache.offset(slots[t], head / group, 0);
      Query query{q.row(t).slice(head * headDim, headDim),
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

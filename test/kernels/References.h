//===- References.h - what kernels must compute, in plain loops --*- C++ -*-===//
//
// Row-major float values, arithmetic in double: the formulas and nothing else.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_TEST_KERNELS_REFERENCES_H
#define STOOP_TEST_KERNELS_REFERENCES_H

#include <cstdint>
#include <vector>

namespace stoop::test {

using Values = std::vector<float>;

/// y[r][n] = sum_k x[r][k] w[n][k].
Values linearReference(const Values &x, const Values &w, int64_t rows, int64_t n, int64_t k);

/// Attention of `rows` queries over caches [batch][kvHeads][maxPositions][headDim].
struct AttentionCase {
  int64_t rows, batch, heads, kvHeads, maxPositions, headDim;
  int64_t alibi = 0; ///< kernels::AlibiMode
  float scale;
  std::vector<float> slopes; ///< one per head
  std::vector<int32_t> positions, slots;
};
Values attentionReference(const AttentionCase &c, const Values &q, const Values &k,
                          const Values &v);

/// |a - b| in units of the largest |b|, over all elements; infinity when either has a NaN.
double worstError(const Values &a, const Values &b);

} // namespace stoop::test

#endif // STOOP_TEST_KERNELS_REFERENCES_H

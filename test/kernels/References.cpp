//===- References.cpp - what kernels must compute, in plain loops ---------===//
#include "test/kernels/References.h"
#include "test/kernels/KernelHarness.h"
#include <algorithm>
#include <cmath>
#include <limits>

using namespace stoop;
using test::Element;
using test::Values;

Values test::linearReference(const Values &x, const Values &w, int64_t rows, int64_t n, int64_t k) {
  Values y(rows * n);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < n; ++c) {
      double sum = 0;
      for (int64_t i = 0; i < k; ++i)
        sum += double(x[r * k + i]) * w[c * k + i];
      y[r * n + c] = sum;
    }
  return y;
}

static double alibiBias(const test::AttentionCase &c, int64_t head, int64_t key) {
  if (c.alibi == 0)
    return 0;
  if (c.alibi == 2)
    return double(c.slopes[head]) * key;
  float slope = roundTo(Element::BF16, c.slopes[head]), position = roundTo(Element::BF16, key);
  return roundTo(Element::BF16, slope * position);
}

Values test::attentionReference(const AttentionCase &c, const Values &q, const Values &k,
                                const Values &v) {
  int64_t width = c.heads * c.headDim, group = c.heads / c.kvHeads;
  Values y(c.rows * width, 0.0f);
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t h = 0; h < c.heads && c.slots[r] >= 0; ++h) {
      int64_t base = (c.slots[r] * c.kvHeads + h / group) * c.maxPositions * c.headDim;
      std::vector<double> scores(c.positions[r] + 1);
      for (size_t j = 0; j < scores.size(); ++j) {
        double dot = 0;
        for (int64_t d = 0; d < c.headDim; ++d)
          dot += double(q[r * width + h * c.headDim + d]) * k[base + j * c.headDim + d];
        scores[j] = (dot + alibiBias(c, h, j)) * c.scale;
      }
      double most = *std::max_element(scores.begin(), scores.end()), total = 0;
      for (double &score : scores)
        total += score = std::exp(score - most);
      for (int64_t d = 0; d < c.headDim; ++d) {
        double sum = 0;
        for (size_t j = 0; j < scores.size(); ++j)
          sum += scores[j] * v[base + j * c.headDim + d];
        y[r * width + h * c.headDim + d] = sum / total;
      }
    }
  return y;
}

double test::worstError(const Values &a, const Values &b) {
  double worst = 0, largest = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    if (std::isnan(a[i]) || std::isnan(b[i]))
      return std::numeric_limits<double>::infinity();
    worst = std::max(worst, std::fabs(double(a[i]) - b[i]));
    largest = std::max(largest, std::fabs(double(b[i])));
  }
  return largest > 0 ? worst / largest : worst;
}

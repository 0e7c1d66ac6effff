//===- Compensate.cpp - rounding that knows the layer's inputs ------------===//
//
// All three steps (moments, factor, rows) are dot products of long vectors of doubles, done four at
// a time by one function, whose sums have a fixed order: results are the same on every machine and
// for every number of threads.
//
//===----------------------------------------------------------------------===//
#include "codegen/quant/Compensate.h"

#include "llvm/Support/Parallel.h"
#include <algorithm>
#include <cmath>
#include <numeric>

using namespace stoop;
using namespace stoop::quant;

static constexpr int64_t kLanes = 4, kTile = 4;
typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double)), aligned(8), may_alias));

static int64_t roundUp(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

/// out[i] = dot(a, b + i * stride) for kTile vectors of `count` values, a multiple of kLanes.
__attribute__((target_clones("avx2", "default"))) static void
dotTile(const double *a, const double *b, int64_t stride, int64_t count, double *out) {
  Lanes sums[kTile] = {};
  for (int64_t k = 0; k < count; k += kLanes) {
    Lanes as = *reinterpret_cast<const Lanes *>(a + k);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kTile; ++i)
      sums[i] += as * *reinterpret_cast<const Lanes *>(b + i * stride + k);
  }
#pragma GCC unroll 4
  for (int64_t i = 0; i < kTile; ++i)
    out[i] = (sums[i][0] + sums[i][1]) + (sums[i][2] + sums[i][3]);
}

//===----------------------------------------------------------------------===//
// Moments
//===----------------------------------------------------------------------===//

InputMoments::InputMoments(int64_t cols)
    : cols(cols), stride(roundUp(cols, kLanes)), sums(roundUp(cols, kTile) * stride) {}

void InputMoments::add(const float *rows, int64_t count) {
  constexpr int64_t kChunk = 256; // inputs at a time: columns of them stay in cache
  int64_t padded = roundUp(cols, kTile);
  std::vector<double> columns(padded * kChunk);
  for (int64_t first = 0; first < count; first += kChunk) {
    int64_t inputs = std::min(kChunk, count - first);
    std::fill(columns.begin(), columns.end(), 0.0);
    for (int64_t t = 0; t < inputs; ++t)
      for (int64_t c = 0; c < cols; ++c)
        columns[c * kChunk + t] = rows[(first + t) * cols + c];
    llvm::parallelFor(0, cols, [&](size_t i) {
      double tile[kTile];
      for (int64_t j = 0; j <= int64_t(i); j += kTile) {
        dotTile(&columns[i * kChunk], &columns[j * kChunk], kChunk, kChunk, tile);
        for (int64_t k = 0; k < kTile; ++k)
          sums[i * stride + j + k] += tile[k];
      }
    });
  }
}

bool InputMoments::isFinite() const {
  for (int64_t i = 0; i < cols; ++i)
    if (!std::isfinite(at(i, i)))
      return false;
  return true;
}

//===----------------------------------------------------------------------===//
// Factor
//===----------------------------------------------------------------------===//

namespace {
/// A square matrix whose lower triangle becomes its Cholesky factor, panel of columns by panel.
struct Factor {
  static constexpr int64_t kPanel = 64;
  int64_t cols, stride;
  std::vector<double> &a;

  double *row(int64_t i) { return &a[i * stride]; }

  /// Columns [begin, end) of row i, those of rows before it being done.
  void solveRow(int64_t i, int64_t begin, int64_t end) {
    for (int64_t j = begin; j <= std::min(i, end - 1); ++j) {
      double sum = row(i)[j];
      for (int64_t k = begin; k < j; ++k)
        sum -= row(i)[k] * row(j)[k];
      row(i)[j] = i == j ? std::sqrt(std::max(sum, 1e-300)) : sum / row(j)[j];
    }
  }

  /// Takes a whole panel out of what is right of it.
  void updateRow(int64_t i, int64_t begin, int64_t end) {
    double tile[kTile];
    for (int64_t j = end; j <= i; j += kTile) {
      dotTile(row(i) + begin, row(j) + begin, stride, kPanel, tile);
      for (int64_t k = 0; k < std::min(kTile, i + 1 - j); ++k)
        row(i)[j + k] -= tile[k];
    }
  }

  void run() {
    for (int64_t begin = 0; begin < cols; begin += kPanel) {
      int64_t end = std::min(cols, begin + kPanel);
      for (int64_t i = begin; i < end; ++i)
        solveRow(i, begin, end);
      llvm::parallelFor(end, cols, [&](size_t i) { solveRow(int64_t(i), begin, end); });
      llvm::parallelFor(end, cols, [&](size_t i) { updateRow(int64_t(i), begin, end); });
    }
  }
};
} // namespace

Compensation::Compensation(InputMoments moments)
    : cols(moments.cols), stride(moments.stride), order(cols), feedback(moments.sums.size()) {
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return moments.at(a, a) < moments.at(b, b);
  });
  double trace = 0;
  for (int64_t c = 0; c < cols; ++c)
    trace += moments.at(c, c);
  double damping = trace > 0 ? 0.01 * trace / double(cols) : 1;
  for (int64_t i = 0; i < cols; ++i)
    for (int64_t j = 0; j <= i; ++j)
      feedback[i * stride + j] = moments.at(order[i], order[j]) + (i == j ? damping : 0);
  Factor{cols, stride, feedback}.run();
  for (int64_t t = 0; t < cols; ++t)
    for (int64_t s = t + 1; s < cols; ++s)
      feedback[t * stride + s] = feedback[s * stride + t] / feedback[t * stride + t];
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// Rounds `target` under the grid of column c; returns the value that the code stands for.
static double roundTo(const QuantScheme &scheme, double target, int64_t c, Row &row) {
  int64_t group = scheme.group ? c / scheme.group : 0;
  double scale = row.scales[group], zero = row.zeros[group];
  if (scale == 0)
    return 0; // nothing but zeros
  double least = scheme.bits == 8 ? -127 : -zero, most = scheme.bits == 8 ? 127 : 15 - zero;
  double code = std::nearbyint(std::clamp(target / scale, least, most));
  row.codes[c] = static_cast<int8_t>(code + zero);
  return scale * code;
}

void Compensation::quantizeRows(const QuantScheme &scheme, const float *values, int64_t count,
                                Row *rows) const {
  std::vector<double> errors(kTile * stride), moved(kTile);
  for (int64_t first = 0; first < count; first += kTile) {
    int64_t lanes = std::min(kTile, count - first);
    std::fill(errors.begin(), errors.end(), 0.0);
    bool finite[kTile];
    for (int64_t r = 0; r < lanes; ++r) {
      Row &row = rows[first + r];
      quantizeRow(scheme, values + (first + r) * cols, cols, Rounding::Search, row);
      finite[r] = std::all_of(row.scales.begin(), row.scales.end(),
                              [](float scale) { return std::isfinite(scale); });
    }
    for (int64_t t = cols - 1; t >= 0; --t) {
      int64_t begin = t / kLanes * kLanes; // errors up to t are still 0
      dotTile(&feedback[t * stride + begin], &errors[begin], stride, stride - begin, moved.data());
      for (int64_t r = 0; r < lanes; ++r) {
        if (!finite[r])
          continue;
        double value = values[(first + r) * cols + order[t]];
        errors[r * stride + t] =
            value - roundTo(scheme, value + moved[r], order[t], rows[first + r]);
      }
    }
  }
}

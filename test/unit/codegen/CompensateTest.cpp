//===- CompensateTest.cpp - rounding that knows the layer's inputs --------===//
//
// Against the definition: each column goes to the code nearest to what minimises the error of the
// layer, given the columns rounded before it, when all others may still move freely.
//
//===----------------------------------------------------------------------===//
#include "codegen/quant/Compensate.h"
#include "codegen/quant/Stored.h"
#include "SearchedRows.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

using namespace stoop;
using namespace stoop::quant;

namespace {

/// `count` inputs whose columns depend on each other and differ in size.
std::vector<float> randomInputs(int64_t count, int64_t cols, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  constexpr int64_t factors = 3;
  std::vector<float> mixing(factors * cols), inputs(count * cols);
  for (float &value : mixing)
    value = normal(random);
  for (int64_t t = 0; t < count; ++t) {
    float common[factors];
    for (float &value : common)
      value = normal(random) + 0.5f;
    for (int64_t c = 0; c < cols; ++c) {
      float sum = normal(random) * 0.3f;
      for (int64_t f = 0; f < factors; ++f)
        sum += common[f] * mixing[f * cols + c];
      inputs[t * cols + c] = sum * float(1 + c % 5);
    }
  }
  return inputs;
}

std::vector<float> randomRows(int64_t rows, int64_t cols, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  std::vector<float> values(rows * cols);
  for (float &value : values)
    value = normal(random);
  return values;
}

InputMoments momentsOf(const std::vector<float> &inputs, int64_t cols) {
  InputMoments moments(cols);
  moments.add(inputs.data(), int64_t(inputs.size()) / cols);
  return moments;
}

/// e^T H e of a row.
double layerError(const InputMoments &moments, const QuantScheme &scheme, const float *values,
                  const Row &row) {
  int64_t cols = moments.columns();
  std::vector<float> result(cols);
  dequantizeRow(scheme, row, cols, result.data());
  double sum = 0;
  for (int64_t i = 0; i < cols; ++i)
    for (int64_t j = 0; j < cols; ++j)
      sum += (double(values[i]) - result[i]) * moments.at(i, j) * (double(values[j]) - result[j]);
  return sum;
}

/// Solves a x = b; a is overwritten.
std::vector<double> solve(std::vector<std::vector<double>> a, std::vector<double> b) {
  size_t n = b.size();
  for (size_t p = 0; p < n; ++p) {
    size_t best = p;
    for (size_t i = p; i < n; ++i)
      if (std::abs(a[i][p]) > std::abs(a[best][p]))
        best = i;
    std::swap(a[p], a[best]);
    std::swap(b[p], b[best]);
    for (size_t i = p + 1; i < n; ++i) {
      double share = a[i][p] / a[p][p];
      for (size_t j = p; j < n; ++j)
        a[i][j] -= share * a[p][j];
      b[i] -= share * b[p];
    }
  }
  for (size_t p = n; p-- > 0;) {
    for (size_t j = p + 1; j < n; ++j)
      b[p] -= a[p][j] * b[j];
    b[p] /= a[p][p];
  }
  return b;
}

/// The definition, a linear system for each column: codes of one row on the grid of `row`.
std::vector<int8_t> expectedCodes(const InputMoments &moments, const QuantScheme &scheme,
                                  const float *values, const Row &row) {
  int64_t cols = moments.columns();
  double trace = 0;
  for (int64_t c = 0; c < cols; ++c)
    trace += moments.at(c, c);
  auto h = [&](int64_t i, int64_t j) {
    return moments.at(i, j) + (i == j ? 0.01 * trace / double(cols) : 0);
  };
  std::vector<int64_t> open(cols), done;
  std::iota(open.begin(), open.end(), 0);
  std::stable_sort(open.begin(), open.end(),
                   [&](int64_t a, int64_t b) { return moments.at(a, a) < moments.at(b, b); });
  std::vector<double> errors(cols);
  std::vector<int8_t> codes(cols);
  for (; !open.empty(); open.pop_back()) {
    std::vector<std::vector<double>> a(open.size(), std::vector<double>(open.size()));
    std::vector<double> b(open.size());
    for (size_t i = 0; i < open.size(); ++i) {
      for (size_t j = 0; j < open.size(); ++j)
        a[i][j] = h(open[i], open[j]);
      for (int64_t s : done)
        b[i] -= h(open[i], s) * errors[s];
    }
    int64_t c = open.back(), group = scheme.group ? c / scheme.group : 0;
    double target = values[c] - solve(a, b).back(), scale = row.scales[group];
    double zero = row.zeros[group];
    double code = std::clamp(std::nearbyint(target / scale), -zero, 15 - zero);
    codes[c] = int8_t(code + zero);
    errors[c] = values[c] - scale * code;
    done.push_back(c);
  }
  return codes;
}

TEST(InputMoments, AreSumsOfProducts) {
  for (int64_t cols : {1, 5, 33}) {
    std::vector<float> inputs = randomInputs(300, cols, unsigned(cols)); // more than one chunk
    InputMoments moments = momentsOf(inputs, cols);
    for (int64_t i = 0; i < cols; ++i)
      for (int64_t j = 0; j < cols; ++j) {
        double sum = 0;
        for (int64_t t = 0; t < 300; ++t)
          sum += double(inputs[t * cols + i]) * inputs[t * cols + j];
        EXPECT_NEAR(moments.at(i, j), sum, 1e-9 * (1 + std::abs(sum))) << i << ", " << j;
      }
    EXPECT_TRUE(moments.isFinite());
    inputs[0] = std::numeric_limits<float>::infinity();
    EXPECT_FALSE(momentsOf(inputs, cols).isFinite());
  }
}

TEST(Compensation, FollowsTheDefinition) {
  QuantScheme scheme = *QuantScheme::parse("int4-g32");
  for (int64_t cols : {1, 2, 7, 40, 70}) { // 70: more than one panel of the factor
    constexpr int64_t rows = 6;            // more than one tile
    InputMoments moments = momentsOf(randomInputs(200, cols, 10 + unsigned(cols)), cols);
    std::vector<float> values = randomRows(rows, cols, 20 + unsigned(cols));
    std::vector<Row> result(rows);
    Compensation(moments).quantizeRows(scheme, values.data(), rows, result.data());
    for (int64_t r = 0; r < rows; ++r) {
      const float *row = values.data() + r * cols;
      Row grid = searchedRow(scheme, row, cols);
      EXPECT_EQ(result[r].scales, grid.scales);
      EXPECT_EQ(result[r].zeros, grid.zeros);
      EXPECT_EQ(result[r].codes, expectedCodes(moments, scheme, row, grid))
          << cols << " columns, row " << r;
    }
  }
}

TEST(Compensation, ErrsLessOnTheInputs) {
  for (const char *name : {"int4-g32", "int4-g128", "int8"}) {
    QuantScheme scheme = *QuantScheme::parse(name);
    constexpr int64_t rows = 9, cols = 203;
    InputMoments moments = momentsOf(randomInputs(500, cols, 31), cols);
    std::vector<float> values = randomRows(rows, cols, 32);
    std::vector<Row> result(rows);
    Compensation(moments).quantizeRows(scheme, values.data(), rows, result.data());
    expectLessError(scheme, values, result, 0.5, name, [&](const float *row, const Row &rounded) {
      return layerError(moments, scheme, row, rounded);
    });
  }
}

TEST(Compensation, InputsThatSayNothingChangeNothing) {
  QuantScheme scheme = *QuantScheme::parse("int4-g32");
  constexpr int64_t cols = 45;
  std::vector<float> values = randomRows(3, cols, 41);
  values[cols] = std::numeric_limits<float>::quiet_NaN(); // the second row
  std::vector<Row> result(3);
  Compensation(momentsOf(std::vector<float>(2 * cols), cols))
      .quantizeRows(scheme, values.data(), 3, result.data());
  for (int64_t r = 0; r < 3; ++r) {
    Row plain = searchedRow(scheme, values.data() + r * cols, cols);
    EXPECT_EQ(result[r].codes, plain.codes) << r;
    EXPECT_EQ(std::isnan(result[r].scales[0]), r == 1);
  }
}

TEST(StoredBytes, AreReadBack) {
  QuantScheme scheme = *QuantScheme::parse("int4-g32");
  constexpr int64_t rows = 11, cols = 77; // neither divides into words
  std::vector<float> values = randomRows(rows, cols, 51);
  std::vector<Row> written(rows);
  for (int64_t r = 0; r < rows; ++r)
    quantizeRow(scheme, values.data() + r * cols, cols, Rounding::Search, written[r]);
  StoredBytes bytes(scheme, written, cols);
  StoredMatrix matrix{StoredForm::GptqV2,
                      reinterpret_cast<const char *>(bytes.codes.data()),
                      reinterpret_cast<const char *>(bytes.zeros.data()),
                      reinterpret_cast<const char *>(bytes.scales.data()),
                      rows,
                      cols,
                      scheme.numGroups(cols)};
  for (int64_t r = 0; r < rows; ++r) {
    Row row;
    readStoredRow(matrix, scheme, r, row);
    EXPECT_EQ(row.codes, written[r].codes);
    EXPECT_EQ(row.scales, written[r].scales);
    EXPECT_EQ(row.zeros, written[r].zeros);
  }
}

} // namespace

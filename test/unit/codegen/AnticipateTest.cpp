//===- AnticipateTest.cpp - rounding against sample inputs ----------------===//
//
// Against the definition: each column goes to the code nearest to what minimises the error of the
// layer, given the columns rounded before it, when all others may still move freely. Samples against
// the formulas, written down once more.
//
//===----------------------------------------------------------------------===//
#include "codegen/quant/Anticipate.h"
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

constexpr int64_t kCount = InputSamples::count;

std::vector<float> randomValues(int64_t count, unsigned seed, float deviation = 1, float mean = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(mean, deviation);
  std::vector<float> values(count);
  for (float &value : values)
    value = normal(random);
  return values;
}

/// Columns that depend on each other and differ in size.
InputSamples randomInputs(int64_t cols, unsigned seed) {
  std::vector<float> mixing = randomValues(3 * cols, seed), common = randomValues(3 * kCount, seed + 1, 1, 0.5f),
                     own = randomValues(cols * kCount, seed + 2, 0.3f);
  InputSamples samples{own};
  for (int64_t c = 0; c < cols; ++c)
    for (int64_t t = 0; t < kCount; ++t) {
      for (int64_t f = 0; f < 3; ++f)
        samples.values[c * kCount + t] += mixing[f * cols + c] * common[f * kCount + t];
      samples.values[c * kCount + t] *= float(1 + c % 5);
    }
  return samples;
}

/// H of the definition, damped.
std::vector<std::vector<double>> momentsOf(const InputSamples &samples, double damping = 1) {
  int64_t cols = samples.columns();
  std::vector h(cols, std::vector<double>(cols));
  double trace = 0;
  for (int64_t i = 0; i < cols; ++i)
    for (int64_t j = 0; j < cols; ++j)
      for (int64_t t = 0; t < kCount; ++t)
        h[i][j] += double(samples.values[i * kCount + t]) * samples.values[j * kCount + t] / kCount;
  for (int64_t i = 0; i < cols; ++i)
    trace += h[i][i];
  for (int64_t i = 0; i < cols; ++i)
    h[i][i] += damping * trace / double(cols);
  return h;
}

/// Solves a x = b.
std::vector<double> solve(std::vector<std::vector<double>> a, std::vector<double> b) {
  size_t n = b.size();
  for (size_t p = 0; p < n; ++p) // positive definite: no pivots
    for (size_t i = p + 1; i < n; ++i) {
      double share = a[i][p] / a[p][p];
      for (size_t j = p; j < n; ++j)
        a[i][j] -= share * a[p][j];
      b[i] -= share * b[p];
    }
  for (size_t p = n; p-- > 0;) {
    for (size_t j = p + 1; j < n; ++j)
      b[p] -= a[p][j] * b[j];
    b[p] /= a[p][p];
  }
  return b;
}

/// Targets of all columns of a row whose codes are known, in the columns' places.
std::vector<double> expectedTargets(const InputSamples &samples, const float *values, const float *result) {
  int64_t cols = samples.columns();
  auto h = momentsOf(samples), bare = momentsOf(samples, 0);
  std::vector<int64_t> open(cols), done;
  std::iota(open.begin(), open.end(), 0);
  std::stable_sort(open.begin(), open.end(), [&](int64_t a, int64_t b) { return bare[a][a] > bare[b][b]; });
  std::vector<double> targets(cols);
  while (!open.empty()) {
    std::vector a(open.size(), std::vector<double>(open.size()));
    std::vector<double> b(open.size());
    for (size_t i = 0; i < open.size(); ++i) {
      for (size_t j = 0; j < open.size(); ++j)
        a[i][j] = h[open[i]][open[j]];
      for (int64_t s : done)
        b[i] -= h[open[i]][s] * (double(values[s]) - result[s]);
    }
    targets[open.front()] = values[open.front()] - solve(a, b).front();
    done.push_back(open.front());
    open.erase(open.begin());
  }
  return targets;
}

TEST(Anticipation, FollowsTheDefinition) {
  for (const char *name : {"int4-g32", "int8"})
    for (int64_t cols : {1, 2, 7, 40, 70}) {
      QuantScheme scheme = *QuantScheme::parse(name);
      constexpr int64_t rows = 19; // more than one tile
      InputSamples samples = randomInputs(cols, 10 + unsigned(cols));
      std::vector<float> values = randomValues(rows * cols, 20 + unsigned(cols), 0.02f);
      std::vector<Row> found(rows);
      Anticipation(samples).quantizeRows(scheme, values.data(), rows, found.data());
      for (int64_t r = 0; r < rows; ++r) {
        const float *row = values.data() + r * cols;
        Row grid = searchedRow(scheme, row, cols);
        EXPECT_EQ(found[r].scales, grid.scales);
        EXPECT_EQ(found[r].zeros, grid.zeros);
        std::vector<float> result(cols);
        dequantizeRow(scheme, found[r], cols, result.data());
        std::vector<double> targets = expectedTargets(samples, row, result.data());
        for (int64_t c = 0; c < cols; ++c) {
          int64_t g = scheme.group ? c / scheme.group : 0;
          double scale = grid.scales[g], zero = grid.zeros[g];
          double least = scheme.bits == 8 ? -127 : -zero, most = scheme.bits == 8 ? 127 : 15 - zero;
          // Sums in float32 may decide a tie the other way.
          EXPECT_LE(std::abs(std::clamp(targets[c] / scale, least, most) - (found[r].codes[c] - zero)), 0.501)
              << name << ", " << cols << " columns, row " << r << ", column " << c;
        }
      }
    }
}

double layerError(const InputSamples &samples, const QuantScheme &scheme, const float *values, const Row &row) {
  int64_t cols = samples.columns();
  std::vector<float> result(cols);
  dequantizeRow(scheme, row, cols, result.data());
  double sum = 0;
  for (int64_t t = 0; t < kCount; ++t) {
    double error = 0;
    for (int64_t c = 0; c < cols; ++c)
      error += (double(values[c]) - result[c]) * samples.values[c * kCount + t];
    sum += error * error;
  }
  return sum;
}

TEST(Anticipation, ErrsLessOnTheSamples) {
  for (const char *name : {"int4-g32", "int4-g128", "int8"}) {
    QuantScheme scheme = *QuantScheme::parse(name);
    constexpr int64_t rows = 18, cols = 403;
    InputSamples samples = randomInputs(cols, 31);
    std::vector<float> values = randomValues(rows * cols, 32, 0.02f);
    std::vector<Row> found(rows);
    Anticipation(samples).quantizeRows(scheme, values.data(), rows, found.data());
    expectLessError(scheme, values, found, 0.3, name, [&](const float *row, const Row &rounded) {
      return layerError(samples, scheme, row, rounded);
    });
  }
}

TEST(Anticipation, SamplesThatSayNothingChangeNothing) {
  QuantScheme scheme = *QuantScheme::parse("int4-g32");
  constexpr int64_t cols = 45;
  std::vector<float> values = randomValues(3 * cols, 41, 0.02f);
  values[cols] = std::numeric_limits<float>::quiet_NaN(); // the second row
  std::fill_n(values.begin() + 2 * cols, 32, 0.0f);       // a group of zeros
  InputSamples nothing{std::vector<float>(cols * kCount)}, poisoned = randomInputs(cols, 42);
  poisoned.values[3] = std::numeric_limits<float>::infinity();
  for (const InputSamples &samples : {nothing, poisoned}) {
    std::vector<Row> found(3);
    Anticipation(samples).quantizeRows(scheme, values.data(), 3, found.data());
    for (int64_t r = 0; r < 3; ++r) {
      Row plain = searchedRow(scheme, values.data() + r * cols, cols);
      EXPECT_EQ(found[r].codes, plain.codes) << r;
    }
  }
  std::vector<Row> found(3);
  Anticipation(randomInputs(cols, 43)).quantizeRows(scheme, values.data(), 3, found.data());
  EXPECT_TRUE(std::isnan(found[1].scales[0]));
  std::vector<float> result(cols);
  dequantizeRow(scheme, found[2], cols, result.data());
  EXPECT_TRUE(std::all_of(result.begin(), result.begin() + 32, [](float value) { return value == 0; }));
}

TEST(Anticipation, RowsDoNotDependOnTheirNeighbours) {
  QuantScheme scheme = *QuantScheme::parse("int4-g128");
  constexpr int64_t rows = 21, cols = 150;
  Anticipation anticipation(randomInputs(cols, 51));
  std::vector<float> values = randomValues(rows * cols, 52, 0.02f);
  std::vector<Row> together(rows);
  anticipation.quantizeRows(scheme, values.data(), rows, together.data());
  for (int64_t r = 0; r < rows; ++r) {
    Row alone;
    anticipation.quantizeRows(scheme, values.data() + r * cols, 1, &alone);
    EXPECT_EQ(alone.codes, together[r].codes) << r;
  }
}

//===----------------------------------------------------------------------===//
// Samples
//===----------------------------------------------------------------------===//

constexpr int64_t kHidden = 13, kTable = 300;

struct Source {
  std::vector<float> table = randomValues(kTable * kHidden, 61, 0.1f, 0.02f),
                     matrix = randomValues(10 * kHidden, 62), factor = randomValues(10 * kHidden, 63);
  InputsFormula formula{.tableRows = kTable, .scale = randomValues(kHidden, 64), .bias = randomValues(kHidden, 65)};

  llvm::Expected<InputSamples> draw() {
    auto rowsOf = [](const std::vector<float> &values) {
      return [&values](int64_t row, float *out) {
        std::copy_n(&values.at(row * kHidden), kHidden, out);
        return llvm::Error::success();
      };
    };
    return drawInputs(formula, rowsOf(table), rowsOf(matrix), rowsOf(factor));
  }

  double norm(int64_t t, int64_t c) {
    const float *row = &table[(2 * t + 1) * kTable / (2 * kCount) * kHidden];
    bool isRms = formula.bias.empty();
    double mean = isRms ? 0 : std::accumulate(row, row + kHidden, 0.0) / kHidden, squares = 0;
    for (int64_t i = 0; i < kHidden; ++i)
      squares += (row[i] - mean) * (row[i] - mean) / kHidden;
    return (row[c] - mean) / std::sqrt(squares) * formula.scale[c] + (isRms ? 0 : formula.bias[c]);
  }

  double linear(const std::vector<float> &weights, int64_t t, int64_t row) {
    double sum = 0;
    for (int64_t c = 0; c < kHidden; ++c)
      sum += norm(t, c) * weights[row * kHidden + c];
    return sum;
  }
};

/// Compares all samples with expected(t, column).
template <class Expectation>
void expectSamples(llvm::Expected<InputSamples> found, int64_t cols, Expectation expected) {
  ASSERT_TRUE(bool(found)) << llvm::toString(found.takeError());
  ASSERT_EQ(found->columns(), cols);
  for (int64_t c = 0; c < cols; ++c)
    for (int64_t t = 0; t < kCount; ++t)
      EXPECT_NEAR(found->values[c * kCount + t], expected(t, c), 1e-4) << "sample " << t << ", column " << c;
}

TEST(Samples, OfNormsComeFromTheEmbedding) {
  Source source;
  expectSamples(source.draw(), kHidden, [&](int64_t t, int64_t c) { return source.norm(t, c); });
  source.formula.bias.clear();
  expectSamples(source.draw(), kHidden, [&](int64_t t, int64_t c) { return source.norm(t, c); });
  std::fill(source.table.begin(), source.table.end(), 0.0f);
  expectSamples(source.draw(), kHidden, [&](int64_t, int64_t) { return 0.0; });
}

TEST(Samples, GoThroughLayersAndActivations) {
  Source source;
  source.formula.first = 3;
  source.formula.rows = 6; // not whole tiles
  source.formula.offset = randomValues(10, 66);
  auto inner = [&](int64_t t, int64_t c) { return source.linear(source.matrix, t, 3 + c) + source.formula.offset[3 + c]; };
  expectSamples(source.draw(), 6, inner);
  auto tanhGelu = [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); };
  const std::pair<Activation, double (*)(double)> activations[] = {
      {Activation::Gelu, [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2))); }},
      {Activation::GeluTanh, tanhGelu},
      {Activation::GeluFast, tanhGelu},
      {Activation::QuickGelu, [](double x) { return x / (1 + std::exp(-1.702 * x)); }},
      {Activation::Relu, [](double x) { return x > 0 ? x : 0; }},
      {Activation::Silu, [](double x) { return x / (1 + std::exp(-x)); }}};
  for (auto [kind, function] : activations) {
    source.formula.activation = kind;
    source.formula.gated = false;
    expectSamples(source.draw(), 6, [&](int64_t t, int64_t c) { return function(inner(t, c)); });
    source.formula.gated = true;
    expectSamples(source.draw(), 6,
                  [&](int64_t t, int64_t c) { return function(inner(t, c)) * source.linear(source.factor, t, 3 + c); });
  }
}

TEST(Samples, OfAttentionAreMixedAndRepeated) {
  Source source;
  source.formula.rows = 4;
  source.formula.head = 2;
  source.formula.repeats = 3;
  expectSamples(source.draw(), 12, [&](int64_t t, int64_t c) {
    int64_t row = c / 6 * 2 + c % 2;
    return 0.5 * (source.linear(source.matrix, t, row) + source.linear(source.matrix, (t + 1) % kCount, row));
  });
}

TEST(Samples, ErrorsOfReadersPass) {
  InputsFormula formula{.tableRows = 1, .scale = {1}, .rows = 1};
  auto one = [](int64_t, float *out) {
    *out = 1;
    return llvm::Error::success();
  };
  auto fails = [](int64_t, float *) { return llvm::createStringError("cut off"); };
  EXPECT_EQ(llvm::toString(drawInputs(formula, fails, one, one).takeError()), "cut off");
  EXPECT_EQ(llvm::toString(drawInputs(formula, one, fails, one).takeError()), "cut off");
  formula.gated = true;
  EXPECT_EQ(llvm::toString(drawInputs(formula, one, one, fails).takeError()), "cut off");
}

} // namespace

//===- QuantTest.cpp - kernels that read quantised weights ----------------===//
//
// The packer's own panels go in; what they stand for, multiplied in double, is expected. Float
// activations are compared to float32's rounding; integer activations to the bound that their
// rounding sets, which is far below that.
//
//===----------------------------------------------------------------------===//
#include "codegen/quant/Panel.h"
#include "kernels/common/params.h"
#include "kernels/common/scratch.h"
#include "test/kernels/KernelHarness.h"
#include "test/kernels/References.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;

namespace {
constexpr const char *kSchemes[] = {"int8", "int4-g32", "int4-g128", "int4-g512"};

/// A packed matrix and the values that it stands for.
struct Matrix {
  Buffer packed;
  std::vector<float> values;
};

Matrix randomMatrix(const QuantScheme &scheme, int64_t rows, int64_t cols, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  Matrix matrix{Buffer(scheme.packedBytes(rows, cols)), std::vector<float>(rows * cols)};
  auto *bytes = static_cast<uint8_t *>(matrix.packed.data());
  std::memset(bytes, 0, matrix.packed.size());
  std::vector<float> row(cols);
  quant::Row integers;
  for (int64_t r = 0; r < rows; ++r) {
    for (float &value : row)
      value = normal(random);
    quant::quantizeRow(scheme, row.data(), cols, quant::Rounding::Search, integers);
    quant::packRow(scheme, integers, r % 16, cols, bytes + r / 16 * scheme.panelBytes(cols));
    quant::dequantizeRow(scheme, integers, cols, matrix.values.data() + r * cols);
  }
  return matrix;
}

struct Shape {
  int64_t maxRows, rows, n, k;
};
/// Tails everywhere: inner lengths that fill no group, unit or scale; several blocks.
const Shape kShapes[] = {{1, 1, 33, 7},     {1, 1, 16, 4544},  {1, 1, 100, 1003}, {2, 2, 17, 64},
                         {3, 2, 48, 130},   {4, 4, 31, 2049},  {4, 1, 16, 256},   {64, 50, 70, 1100},
                         {33, 33, 129, 71}, {8, 5, 260, 1003}, {7, 7, 1, 1}};

/// Bound of the error that 16-bit activations add to one sum: half a step of each block of 128
/// columns times the magnitudes of the weights there.
double integerBound(const float *x, const float *w, int64_t k) {
  double bound = 0;
  for (int64_t first = 0; first < k; first += 128) {
    double most = 0, weights = 0;
    for (int64_t c = first; c < std::min(first + 128, k); ++c) {
      most = std::max<double>(most, std::abs(x[c]));
      weights += std::abs(w[c]);
    }
    bound += most / 32767 * 0.5 * weights;
  }
  return bound;
}

/// floats: whether the kernel keeps activations as they are.
void check(const std::string &ports, const kernels::KernelLevel &level, const char *name, Element x, const Shape &s,
           unsigned threads, bool floats) {
  SCOPED_TRACE(std::string(name) + " " + test::name(x) + " at " + level.name.str() + ", rows " +
               std::to_string(s.rows) + " of " + std::to_string(s.maxRows) + ", " +
               std::to_string(s.n) + " x " + std::to_string(s.k));
  QuantScheme scheme = *QuantScheme::parse(name);
  std::mt19937_64 random(runSeed() + s.n * 7919 + s.k);
  Matrix w = randomMatrix(scheme, s.n, s.k, runSeed() + s.k);
  std::vector<float> input = randomValues(random, s.maxRows * s.k, x);
  for (size_t i = 0; i < input.size(); i += 97)
    input[i] = roundTo(x, input[i] * 30); // outliers, as activations have
  Buffer xBuffer = Buffer::of(x, input), y(s.maxRows * s.n * 4);
  LinearShape shape{s.maxRows, s.n, s.k, s.k, s.n, Element::F32};
  shape.quantGroup = scheme.group;
  shape.floatActivations = floats;
  if (threads == 3) // blocks other than the heuristic's
    shape.blocks = LinearShape::Blocks{2, 18, 384, 1 << 16};
  LoadedKernel kernel(linearSpec(ports, shape), level);
  kernel.run({&xBuffer, &w.packed, &y}, s.rows, threads);
  double largest = 0;
  for (int64_t r = 0; r < s.rows; ++r)
    for (int64_t c = 0; c < s.n; ++c) {
      const float *a = &input[r * s.k], *b = &w.values[c * s.k];
      double sum = 0, magnitude = 0;
      for (int64_t k = 0; k < s.k; ++k) {
        sum += double(a[k]) * b[k];
        magnitude += std::abs(double(a[k]) * b[k]);
      }
      largest = std::max(largest, std::abs(sum));
      double rounding = 1e-6 * magnitude + 1e-7;
      double bound = floats ? 0 : integerBound(a, b, s.k);
      double error = std::abs(double(y.at(Element::F32, r * s.n + c)) - sum);
      ASSERT_LE(error, bound + rounding) << "row " << r << ", column " << c;
    }
  for (int64_t i = s.rows * s.n; i < s.maxRows * s.n; ++i)
    ASSERT_TRUE(std::isnan(y.at(Element::F32, i))) << "wrote a row that does not exist";
  EXPECT_TRUE(xBuffer.intact() && w.packed.intact() && y.intact());
}

TEST(QuantLinear, MatchesDequantisedWeights) {
  unsigned threads = 0;
  for (const kernels::KernelLevel *level : runnableLevels())
    for (const char *scheme : kSchemes)
      for (const Shape &shape : kShapes) {
        Element x = threads % 3 == 0 ? Element::BF16 : threads % 3 == 1 ? Element::F32 : Element::F16;
        std::string ports = std::string("stoop_linear_quant_") + test::name(x);
        check(ports, *level, scheme, x, shape, 1 + threads++ % 3, /*floats=*/false);
        check(ports, *level, scheme, x, shape, 1 + threads % 3, /*floats=*/true);
      }
}

/// Tiles keep bfloat16 activations, whatever the parameters say.
TEST(QuantLinear, SoftwareTilesMatchDequantisedWeights) {
  unsigned threads = 0;
  for (const kernels::KernelLevel *level : runnableLevels())
    for (const char *scheme : kSchemes)
      for (const Shape &shape : kShapes)
        if (shape.maxRows > 4) // few rows are no work for tiles
          check("stoop_linear_quant_tile_twin", *level, scheme, Element::BF16, shape, 1 + threads++ % 3, /*floats=*/true);
}

TEST(QuantLinear, NanReachesItsRowOnly) {
  for (const kernels::KernelLevel *level : runnableLevels())
    for (int64_t rows : {1, 3, 9})
      for (float poison : {NAN, INFINITY}) {
        QuantScheme scheme = *QuantScheme::parse("int4-g32");
        Matrix w = randomMatrix(scheme, 40, 137, runSeed());
        std::mt19937_64 random(runSeed());
        std::vector<float> x = randomValues(random, rows * 137, Element::F32);
        x[(rows - 1) * 137 + 136] = poison;
        Buffer xBuffer = Buffer::of(Element::F32, x), y(rows * 40 * 4);
        LinearShape shape{rows, 40, 137, 137, 40, Element::F32};
        shape.quantGroup = scheme.group;
        shape.floatActivations = rows == 3;
        LoadedKernel kernel(linearSpec("stoop_linear_quant_f32", shape), *level);
        kernel.run({&xBuffer, &w.packed, &y}, rows, 2);
        for (int64_t i = 0; i < rows * 40; ++i)
          EXPECT_EQ(!std::isfinite(y.at(Element::F32, i)), i / 40 == rows - 1) << "row " << i / 40;
      }
}

TEST(QuantEmbedding, GathersExactValues) {
  for (const kernels::KernelLevel *level : runnableLevels())
    for (const char *name : kSchemes) {
      constexpr int64_t vocab = 37, columns = 1003, rows = 5;
      QuantScheme scheme = *QuantScheme::parse(name);
      Matrix w = randomMatrix(scheme, vocab, columns, runSeed());
      std::vector<int32_t> tokens = {0, 36, 17, -1, 37};
      Buffer tokenBuffer = Buffer::of(tokens), y(rows * columns * 4);
      kernels::EmbeddingParams p = {0, 1, 2, columns, columns, vocab, kernels::kAnyRows, scheme.group};
      LoadedKernel kernel(makeSpec("stoop_embedding_quant_f32", p), *level);
      kernel.run({&tokenBuffer, &w.packed, &y}, rows, 3);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c) {
          bool known = tokens[r] >= 0 && tokens[r] < vocab;
          ASSERT_EQ(y.at(Element::F32, r * columns + c),
                    known ? w.values[tokens[r] * columns + c] : 0.0f)
              << name << ", token " << tokens[r] << ", column " << c;
        }
    }
}
} // namespace

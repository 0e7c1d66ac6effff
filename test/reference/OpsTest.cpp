//===- OpsTest.cpp - the reference's formulas against numbers worked out by hand --------------===//
//
// Expected values are exact fractions, or decimals computed with more than double precision.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/ops/Ops.h"

#include "gtest/gtest.h"

#include <cmath>
#include <random>

using namespace stoop::reference;

/// A matrix from rows of numbers.
static Tensor matrix(std::initializer_list<std::initializer_list<double>> rows,
                     Element element = Element::F32) {
  Tensor tensor(rows.size(), rows.begin()->size(), element);
  int64_t r = 0;
  for (const auto &row : rows) {
    int64_t c = 0;
    for (double value : row)
      tensor.set(r, c++, value);
    ++r;
  }
  return tensor;
}

static void expectNear(const Tensor &actual, std::initializer_list<double> expected,
                       double tolerance = 1e-6) {
  ASSERT_EQ(actual.values().size(), expected.size());
  size_t i = 0;
  for (double value : expected) {
    EXPECT_NEAR(actual.values()[i], value, tolerance) << "element " << i;
    ++i;
  }
}

TEST(Embedding, TakesRowsAndRounds) {
  Tensor table = matrix({{1, 2}, {3, 257}, {5, 6}});
  expectNear(embedding({2, 0, 2}, table, Element::F32), {5, 6, 1, 2, 5, 6}, 0);
  expectNear(embedding({1}, table, Element::BF16), {3, 256}, 0);
}

TEST(Linear, MultipliesByTheTransposedWeight) {
  Tensor x = matrix({{1, 2, 3}, {0, -1, 1}, {2, 0, 0}, {1, 1, 1}});
  Tensor w = matrix({{1, 0, 0}, {0, 1, 0}, {1, 1, 1}, {2, -1, 0.5}, {0, 0, 10}});
  expectNear(linear(x, w, Element::F32),
             {1, 2, 6, 1.5, 30, 0, -1, 0, 1.5, 10, 2, 0, 2, 4, 0, 1, 1, 3, 1.5, 10}, 0);
}

// A float32 sum in any order would lose the one.
TEST(Linear, SumsInDouble) {
  Tensor x = matrix({{1e8, 1, -1e8}}), ones = matrix({{1, 1, 1}});
  expectNear(linear(x, ones, Element::F32), {1}, 0);
}

// Every block shape (rows by tokens) agrees with a plain loop.
TEST(Linear, AgreesWithThePlainLoopOnOddShapes) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  for (auto [rows, outputs, inner] :
       {std::tuple{1, 1, 1}, {2, 5, 7}, {3, 4, 8}, {7, 9, 13}, {64, 67, 129}}) {
    Tensor x(rows, inner, Element::F32), w(outputs, inner, Element::F32);
    for (float &v : x.mutableValues())
      v = static_cast<float>(normal(random));
    for (float &v : w.mutableValues())
      v = static_cast<float>(normal(random));
    Tensor y = linear(x, w, Element::F32);
    for (int64_t t = 0; t < rows; ++t)
      for (int64_t n = 0; n < outputs; ++n) {
        double sum = 0;
        for (int64_t k = 0; k < inner; ++k)
          sum += double(x.row(t)[k]) * w.row(n)[k];
        ASSERT_FLOAT_EQ(y.row(t)[n], static_cast<float>(sum))
            << rows << "x" << outputs << "x" << inner;
      }
  }
}

TEST(Bias, IsARoundingOfItsOwn) {
  Tensor x = matrix({{256, 1}, {2, -3}}), b = matrix({{1, 0.5}});
  expectNear(bias(x, b, Element::F32), {257, 1.5, 3, -2.5}, 0);
  expectNear(bias(x, b, Element::BF16), {256, 1.5, 3, -2.5}, 0);
}

TEST(Norm, LayerUsesThePopulationVariance) {
  Tensor x = matrix({{1, 2, 3, 4}}), gamma = matrix({{1, 2, 1, 1}}), beta = matrix({{0, 0, 10, 0}});
  expectNear(layerNorm(x, gamma, beta, 0.0, Element::F32),
             {-1.3416407864998738, -0.894427190999916, 10.447213595499958, 1.3416407864998738});
  // variance 1.25 and epsilon 0.31: divided by sqrt(1.56) = 1.2489996
  expectNear(layerNorm(x, gamma, beta, 0.31, Element::F32),
             {-1.2009611, -0.8006407, 10.4003204, 1.2009611});
}

TEST(Norm, RmsRoundsBeforeGamma) {
  Tensor x = matrix({{3, 4}}), gamma = matrix({{1, 3}});
  expectNear(rmsNorm(x, gamma, 0.0, Element::F32), {0.848528137423857, 3.394112549695428});
  // 4 / sqrt(12.5) = 1.13137 is 1.1328125 in bf16; times 3 is 3.3984375 and rounds to 3.40625
  // (even), while 3.39411 without the inner rounding would give 3.390625.
  expectNear(rmsNorm(x, gamma, 0.0, Element::BF16), {0.84765625, 3.40625}, 0);
}

TEST(Activation, HasTheTabulatedValues) {
  EXPECT_NEAR(activate(1, Activation::Gelu), 0.8413447460685429, 1e-15);
  EXPECT_NEAR(activate(-2, Activation::Gelu), -0.0455002638963584, 1e-15);
  EXPECT_NEAR(activate(1, Activation::GeluTanh), 0.8411919906082768, 1e-15);
  EXPECT_NEAR(activate(-2, Activation::GeluTanh), -0.0454023059122249, 1e-15);
  EXPECT_NEAR(activate(1, Activation::GeluFast), 0.841191990607, 1e-12);
  EXPECT_NEAR(activate(1, Activation::QuickGelu), 0.8457957659328212, 1e-15);
  EXPECT_NEAR(activate(1, Activation::Silu), 0.7310585786300049, 1e-15);
  EXPECT_NEAR(activate(-3, Activation::Silu), -0.1422776195327005, 1e-15);
  EXPECT_EQ(activate(-3, Activation::Relu), 0);
  EXPECT_EQ(activate(3, Activation::Relu), 3);
}

TEST(Activation, KeepsNanAndExtremes) {
  for (Activation kind : {Activation::Gelu, Activation::GeluTanh, Activation::GeluFast,
                          Activation::QuickGelu, Activation::Relu, Activation::Silu}) {
    EXPECT_TRUE(std::isnan(activate(NAN, kind)));
    EXPECT_EQ(activate(0, kind), 0);
    EXPECT_NEAR(activate(100, kind), 100, 1e-12);
    EXPECT_NEAR(activate(-100, kind), 0, 1e-12);
  }
}

TEST(Binary, AddsAndMultipliesWithOneRounding) {
  Tensor a = matrix({{256, 3}}), b = matrix({{1, 5}});
  expectNear(add(a, b, Element::F32), {257, 8}, 0);
  expectNear(add(a, b, Element::BF16), {256, 8}, 0);
  expectNear(multiply(a, b, Element::F32), {256, 15}, 0);
}

TEST(Slices, TakeColumnsAndRows) {
  Tensor x = matrix({{1, 2, 3}, {4, 5, 6}});
  expectNear(columns(x, 1, 2), {2, 3, 5, 6}, 0);
  expectNear(gatherRow(x, 1), {4, 5, 6}, 0);
}

TEST(RopeTable, HoldsCosinesThenSines) {
  // Angles 0, 1 and 2 for the first frequency, 0, 0.5 and 1 for the second.
  Tensor table = ropeTable({1.0f, 0.5f}, 1.0f, 3, Element::F32);
  ASSERT_EQ(table.rows(), 3);
  ASSERT_EQ(table.cols(), 4);
  expectNear(table, {1, 1, 0, 0, 0.5403023058681398, 0.8775825618903728, 0.8414709848078965,
                     0.479425538604203, -0.4161468365471424, 0.5403023058681398, 0.9092974268256817,
                     0.8414709848078965});
}

// The angle is a float32 product; near 1535 its rounding moves the cosine by more than 1e-6.
TEST(RopeTable, RoundsTheAngleToFloat) {
  float frequency = 0.749894202f;
  double angle = static_cast<float>(2047.0f * frequency);
  ASSERT_GT(std::fabs(std::cos(angle) - std::cos(2047.0 * frequency)), 1e-6);
  Tensor table = ropeTable({frequency}, 1.0f, 2048, Element::F32);
  EXPECT_NEAR(table.row(2047)[0], std::cos(angle), 1e-7);
  EXPECT_NEAR(table.row(2047)[1], std::sin(angle), 1e-7);
}

TEST(RopeTable, ScalesBySomeFactorAndRounds) {
  expectNear(ropeTable({1.0f}, 2.0f, 2, Element::F32),
             {2, 0, 1.0806046117362795, 1.682941969615793});
  expectNear(ropeTable({1.0f}, 1.0f, 2, Element::BF16), {1, 0, 0.5390625, 0.83984375}, 0);
}

TEST(Rope, TurnsFirstHalfAgainstSecond) {
  Tensor quarterTurn = matrix({{1, 1, 0, 0}, {0, 0, 1, 1}}); // positions 0 and 1
  Tensor x = matrix({{1, 2, 3, 4, 5, 6, 7, 8}, {1, 2, 3, 4, 5, 6, 7, 8}});
  expectNear(rope(x, {0, 1}, quarterTurn, 2, Element::F32),
             {1, 2, 3, 4, 5, 6, 7, 8, -3, -4, 1, 2, -7, -8, 5, 6}, 0);
}

// Near 129 neighbours in bf16 are 1 apart. 129 (1 + 2^-8) = 129.504 -> 130, less 0.4 -> 129.6 ->
// 130; without the product's own rounding it would be 129.104 -> 129.
TEST(Rope, RoundsProductsAndSum) {
  Tensor table = matrix({{1.00390625, 0.4}});
  Tensor x = matrix({{129, 1}}, Element::BF16);
  // The other half: 1 (1 + 2^-8) -> 1 and 129 * 0.4 = 51.6 -> 51.5.
  expectNear(rope(x, {0}, table, 1, Element::BF16), {130, 52.5}, 0);
  expectNear(rope(x, {0}, table, 1, Element::F32), {129.10390624, 52.60390702}, 1e-5);
}

/// Slopes of 32 heads: float32 powers of 2^(-1/4).
static float slopeOf32(int head) { return std::pow(0.840896428f, static_cast<float>(head + 1)); }

TEST(Alibi, ReproducesTheTableOfRoundedBiases) {
  const int64_t positions[] = {1, 3, 255, 256, 257, 258, 259, 1000, 2047};
  const struct {
    int head;
    float biases[9];
  } table[] = {
      {0, {0.83984375f, 2.515625f, 214, 215, 215, 217, 218, 840, 1720}},
      {1, {0.70703125f, 2.125f, 180, 181, 181, 182, 184, 708, 1448}},
      {4, {0.419921875f, 1.2578125f, 107, 107.5f, 107.5f, 108.5f, 109, 420, 860}},
      {31, {0.00390625f, 0.01171875f, 0.99609375f, 1, 1, 1.0078125f, 1.015625f, 3.90625f, 8}}};
  for (const auto &row : table)
    for (int i = 0; i < 9; ++i)
      EXPECT_EQ(alibiBias(slopeOf32(row.head), positions[i], AlibiRounding::Hf), row.biases[i])
          << "head " << row.head << " position " << positions[i];
}

TEST(Alibi, IsUnroundedWhenExact) {
  EXPECT_EQ(alibiBias(0.840896428f, 257, AlibiRounding::Exact), 0.840896428f * 257.0f);
  EXPECT_EQ(alibiBias(0.5f, 12287, AlibiRounding::Exact), 6143.5f);
}

TEST(KvAppend, StoresAtSlotAndPositionAndSkipsPadding) {
  KvLayer cache(/*slots=*/2, /*heads=*/2, /*positions=*/4, /*headDim=*/1, Element::BF16);
  Tensor k = matrix({{1, 2}, {3, 257}, {5, 6}}), v = matrix({{10, 20}, {30, 40}, {50, 60}});
  kvAppend(cache, k, v, {0, 3, 1}, {0, 1, -1});
  EXPECT_EQ(cache.keys[cache.offset(0, 0, 0)], 1);
  EXPECT_EQ(cache.keys[cache.offset(0, 1, 0)], 2);
  EXPECT_EQ(cache.keys[cache.offset(1, 0, 3)], 3);
  EXPECT_EQ(cache.keys[cache.offset(1, 1, 3)], 256); // rounded to the cache's type
  EXPECT_EQ(cache.values[cache.offset(1, 1, 3)], 40);
  float sum = 0;
  for (float key : cache.keys)
    sum += key;
  EXPECT_EQ(sum, 1 + 2 + 3 + 256) << "something was written elsewhere";
}

/// A cache with one slot of `headDim` 2: keys and values of each head and position in order.
static KvLayer cacheOf(int64_t heads, int64_t positions, std::vector<double> keys,
                       std::vector<double> values) {
  KvLayer cache(1, heads, positions, 2, Element::F32);
  cache.keys = std::move(keys);
  cache.values = std::move(values);
  return cache;
}

TEST(Attention, SeesKeysUpToItsPosition) {
  // Scores at scale 0.5 are 0 and ln 3: weights 1/4 and 3/4.
  float key = static_cast<float>(2 * std::log(3.0));
  KvLayer cache = cacheOf(1, 3, {0, 0, key, 0, 99, 99}, {4, 8, 8, 16, 999, 999});
  Tensor q = matrix({{1, 7}, {1, 0}});
  expectNear(attention(q, cache, {0, 1}, {0, 0}, 1, 0.5, std::nullopt, Element::F32),
             {4, 8, 7, 14});
}

TEST(Attention, SharesKvHeadsAmongGroups) {
  // One position: the output is the value of the KV head, whatever the query.
  KvLayer cache = cacheOf(2, 1, {0, 0, 0, 0}, {1, 2, 3, 4});
  Tensor q = matrix({{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}});
  expectNear(attention(q, cache, {0}, {0}, 6, 1.0, std::nullopt, Element::F32),
             {1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4});
}

TEST(Attention, ScalesAlibiTogetherWithTheScore) {
  // Slope 2 ln 3, scale 0.5: position 1 weighs three times position 0.
  float slope = static_cast<float>(2 * std::log(3.0));
  KvLayer cache = cacheOf(1, 2, {0, 0, 0, 0}, {4, 8, 8, 16});
  Alibi alibi{AlibiRounding::Exact, slope};
  expectNear(attention(matrix({{1, 1}}), cache, {1}, {0}, 1, 0.5, alibi, Element::F32), {7, 14});
}

TEST(Attention, GivesZeroForPadding) {
  KvLayer cache = cacheOf(1, 1, {1, 1}, {5, 6});
  expectNear(attention(matrix({{1, 1}, {1, 1}}), cache, {0, 0}, {0, -1}, 1, 1.0, std::nullopt,
                       Element::F32),
             {5, 6, 0, 0});
}

TEST(Attention, SurvivesLargeScores) {
  KvLayer cache = cacheOf(1, 2, {1e4, 0, 2e4, 0}, {1, 1, 2, 2});
  expectNear(attention(matrix({{1, 0}}), cache, {1}, {0}, 1, 1.0, std::nullopt, Element::F32),
             {2, 2});
}

TEST(Attention, PropagatesNan) {
  KvLayer cache = cacheOf(1, 2, {NAN, 0, 1, 0}, {1, 1, 2, 2});
  Tensor y = attention(matrix({{1, 0}}), cache, {1}, {0}, 1, 1.0, std::nullopt, Element::F32);
  EXPECT_TRUE(std::isnan(y.values()[0]));
}

//===- RowKernelTest.cpp - norm, embedding, rope, gather_last -------------===//
#include "kernels/common/params.h"
#include "test/kernels/KernelHarness.h"
#include "test/kernels/References.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;

namespace {
constexpr Element kElements[] = {Element::F32, Element::BF16, Element::F16};

double tolerance(Element x) {
  return x == Element::F32 ? 1e-6 : x == Element::BF16 ? 1.0 / 250 : 1.0 / 2000;
}

/// y of one row, straight from the formula.
Values normReference(bool layer, const Values &x, const Values &gamma, const Values &beta,
                     double epsilon, Element t) {
  double mean = 0, square = 0;
  for (float v : x)
    mean += v / double(x.size());
  if (!layer)
    mean = 0;
  for (float v : x)
    square += (v - mean) * (v - mean) / x.size();
  double scale = 1 / std::sqrt(square + epsilon);
  Values y;
  for (size_t i = 0; i < x.size(); ++i)
    y.push_back(layer ? (x[i] - mean) * scale * gamma[i] + beta[i]
                      : roundTo(t, x[i] * scale) * gamma[i]);
  return y;
}

TEST(Norm, MatchesReference) {
  for (const kernels::KernelLevel *level : runnableLevels())
    for (Element t : kElements)
      for (bool layer : {true, false})
        for (int64_t columns : {1, 15, 64, 333, 1031}) {
          SCOPED_TRACE(std::string(layer ? "layer " : "rms ") + name(t) + " " +
                       std::to_string(columns));
          constexpr int64_t maxRows = 6, rows = 5;
          int64_t xStride = columns + 2, yStride = columns + 1;
          std::mt19937_64 random(runSeed() + columns);
          Values x = randomValues(random, maxRows * xStride, Element::F32, 3),
                 gamma = randomValues(random, columns, Element::F32),
                 beta = randomValues(random, columns, Element::F32);
          for (float &v : x)
            v += 5;
          kernels::NormParams p = {0, 1, 2, 3, xStride, yStride, columns, maxRows, 1e-5, {}};
          Buffer xb = Buffer::of(Element::F32, x), gb = Buffer::of(Element::F32, gamma),
                 bb = Buffer::of(Element::F32, beta), y(maxRows * yStride * bytesOf(t));
          LoadedKernel kernel(
              makeSpec(std::string(layer ? "stoop_layer_norm_f32_" : "stoop_rms_norm_f32_") +
                           name(t),
                       p),
              *level);
          kernel.run({&xb, &gb, &bb, &y}, rows, 2);
          EXPECT_TRUE(y.intact());
          Values actual, expected;
          for (int64_t r = 0; r < rows; ++r) {
            Values row(x.begin() + r * xStride, x.begin() + r * xStride + columns);
            Values one = normReference(layer, row, gamma, beta, 1e-5, t);
            expected.insert(expected.end(), one.begin(), one.end());
            for (int64_t c = 0; c < columns; ++c)
              actual.push_back(y.at(t, r * yStride + c));
          }
          // The input's offset of 5 costs the variance of few columns some digits.
          EXPECT_LE(worstError(actual, expected), tolerance(t) * 4);
          EXPECT_TRUE(std::isnan(y.at(t, rows * yStride))) << "wrote a row that is not valid";
        }
}

TEST(Norm, NanReachesItsRowOnly) {
  for (const kernels::KernelLevel *level : runnableLevels())
    for (const char *port : {"stoop_layer_norm_f32_f32", "stoop_rms_norm_f32_f32"}) {
      constexpr int64_t columns = 100;
      std::mt19937_64 random(runSeed());
      Values x = randomValues(random, 2 * columns, Element::F32);
      x[columns + 99] = NAN;
      kernels::NormParams p = {0, 1, 1, 2, columns, columns, columns, 2, 1e-5, {}};
      Buffer xb = Buffer::of(Element::F32, x), gb = Buffer::of(Element::F32, Values(columns, 1.0f)),
             y(2 * columns * 4);
      LoadedKernel(makeSpec(port, p), *level).run({&xb, &gb, &y}, 2, 2);
      for (int64_t i = 0; i < 2 * columns; ++i)
        EXPECT_EQ(std::isnan(y.at(Element::F32, i)), i >= columns);
    }
}

TEST(Embedding, GathersRowsOfPanels) {
  constexpr std::pair<Element, Element> kTypes[] = {
      {Element::F32, Element::F32}, {Element::BF16, Element::F32}, {Element::F16, Element::F32}};
  for (const kernels::KernelLevel *level : runnableLevels())
    for (auto [w, x] : kTypes)
      for (int64_t columns : {7, 64}) {
        constexpr int64_t vocab = 37;
        std::vector<int32_t> tokens = {0, 36, 17, 15, 16, -1, 37};
        std::mt19937_64 random(runSeed());
        Values table = randomValues(random, vocab * columns, w);
        kernels::EmbeddingParams p = {0, 1, 2, columns + 3, columns, vocab, 8, 0};
        Buffer tb = Buffer::of(tokens), wb = packPanel16(w, table, vocab, columns),
               y(8 * (columns + 3) * bytesOf(x));
        LoadedKernel(makeSpec(std::string("stoop_embedding_") + name(w) + "_" + name(x), p), *level)
            .run({&tb, &wb, &y}, tokens.size(), 2);
        EXPECT_TRUE(y.intact());
        for (size_t r = 0; r < tokens.size(); ++r)
          for (int64_t c = 0; c < columns; ++c) {
            bool known = tokens[r] >= 0 && tokens[r] < vocab;
            ASSERT_EQ(y.at(x, r * (columns + 3) + c), known ? table[tokens[r] * columns + c] : 0.0f)
                << "token " << tokens[r] << ", column " << c;
          }
      }
}

TEST(Rope, RotatesHalves) {
  for (const kernels::KernelLevel *level : runnableLevels())
    for (Element t : kElements)
      for (int64_t headDim : {2, 40, 64, 128}) {
        constexpr int64_t heads = 3, rows = 4, tableRows = 11;
        int64_t width = heads * headDim, xStride = width + 1, yStride = width + 2,
                half = headDim / 2;
        std::mt19937_64 random(runSeed() + headDim);
        Values x = randomValues(random, rows * xStride, t),
               table = randomValues(random, tableRows * headDim, Element::F32);
        std::vector<int32_t> positions = {10, 0, 3, 7};
        kernels::RopeParams p = {0, 1, 2, 3, xStride, yStride, heads, headDim, tableRows, rows};
        Buffer xb = Buffer::of(t, x), pb = Buffer::of(positions),
               tb = Buffer::of(Element::F32, table), y(rows * yStride * bytesOf(t));
        LoadedKernel(makeSpec(std::string("stoop_rope_") + name(t), p), *level)
            .run({&xb, &pb, &tb, &y}, rows, 2);
        EXPECT_TRUE(y.intact());
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t i = 0; i < width; ++i) {
            int64_t head = i / headDim * headDim, d = i % headDim, j = d % half;
            float cosine = table[positions[r] * headDim + j],
                  sine = table[positions[r] * headDim + half + j];
            float a = x[r * xStride + head + j], b = x[r * xStride + head + half + j];
            float first = roundTo(t, d < half ? a * cosine : b * cosine),
                  second = roundTo(t, d < half ? b * sine : a * sine);
            float expected = roundTo(t, d < half ? first - second : first + second);
            // A fused multiply-add may change the last bit of float32.
            ASSERT_NEAR(y.at(t, r * yStride + i), expected, t == Element::F32 ? 2e-7 : 0)
                << "head dim " << headDim;
          }
      }
}

TEST(GatherLast, CopiesTheLastValidRow) {
  for (const kernels::KernelLevel *level : runnableLevels())
    for (Element t : kElements)
      for (uint32_t rows : {1u, 5u, 8u}) {
        constexpr int64_t columns = 45, stride = 50, maxRows = 8;
        std::mt19937_64 random(runSeed());
        Values x = randomValues(random, maxRows * stride, t);
        kernels::GatherLastParams p = {0, 1, stride, columns, maxRows};
        Buffer xb = Buffer::of(t, x), y(columns * bytesOf(t));
        LoadedKernel(makeSpec(std::string("stoop_gather_last_") + name(t), p), *level)
            .run({&xb, &y}, rows, 3);
        EXPECT_TRUE(y.intact());
        for (int64_t c = 0; c < columns; ++c)
          ASSERT_EQ(y.at(t, c), x[(rows - 1) * stride + c]);
      }
}
} // namespace

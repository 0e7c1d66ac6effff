//===- QuantizeTest.cpp - integer forms of weight rows --------------------===//
//
// Against the formulas of ir/support/QuantScheme.h written down once more in double, and against
// properties that any such form has.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/FloatConversion.h"
#include "codegen/quant/Panel.h"
#include "codegen/quant/Quantize.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

using namespace stoop;
using namespace stoop::quant;

namespace {

constexpr int64_t kWidths[] = {1, 7, 8, 31, 64, 256, 1003, 4544};
constexpr const char *kSchemes[] = {"int8", "int4-g32", "int4-g128", "int4-g64"};

/// Normal values with a few ten times as large, as weights of language models have.
std::vector<float> randomRow(int64_t cols, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  std::vector<float> row(cols);
  for (float &value : row)
    value = normal(random) * (random() % 64 == 0 ? 10.0f : 1.0f);
  return row;
}

std::vector<float> roundTrip(const QuantScheme &scheme, const std::vector<float> &values,
                             Rounding rounding, Row *row = nullptr) {
  Row own;
  Row &used = row ? *row : own;
  quantizeRow(scheme, values.data(), int64_t(values.size()), rounding, used);
  std::vector<float> result(values.size());
  dequantizeRow(scheme, used, int64_t(values.size()), result.data());
  return result;
}

double squaredError(const std::vector<float> &a, const std::vector<float> &b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
  return sum;
}

/// Calls `body(scheme, cols)` for all schemes and widths.
template <class Body> void forAll(Body body) {
  for (const char *name : kSchemes)
    for (int64_t cols : kWidths) {
      SCOPED_TRACE(testing::Message() << name << ", " << cols << " columns");
      body(*QuantScheme::parse(name), cols);
    }
}

TEST(QuantScheme, NamesAreParsedAndPrinted) {
  for (const char *name : kSchemes)
    EXPECT_EQ(QuantScheme::parse(name)->name(), name);
  for (const char *name : {"", "int4", "int4-g", "int4-g0", "int4-g12", "int4-g-8", "int4-g32x",
                           "int8-g32", "int3-g32", "fp8-g32"})
    EXPECT_FALSE(QuantScheme::parse(name)) << name;
  EXPECT_EQ(QuantScheme::parse("fp8")->name(), "fp8");
}

/// The value that the bits of an e4m3 stand for, by its definition.
double e4m3(int bits) {
  int exponent = bits >> 3 & 15, fraction = bits & 7;
  double magnitude = exponent ? std::ldexp(1 + fraction / 8.0, exponent - 7) : std::ldexp(fraction / 8.0, -6);
  return bits & 128 ? -magnitude : magnitude;
}

TEST(Quantize, E4m3IsTheNearest) {
  for (int bits = 0; bits < 256; ++bits) {
    float value = codegen::floatFromE4m3(static_cast<uint8_t>(bits));
    if ((bits & 127) == 127) {
      EXPECT_TRUE(std::isnan(value)) << bits;
      EXPECT_EQ(codegen::e4m3FromFloat(value) & 127, 127);
      continue;
    }
    EXPECT_EQ(value, e4m3(bits)) << bits;
    EXPECT_EQ(codegen::e4m3FromFloat(value), bits);
    // Halfway to the next one: the even one, and the nearer one on either side.
    if ((bits & 127) >= 126)
      continue;
    float half = float((e4m3(bits) + e4m3(bits + 1)) / 2);
    EXPECT_EQ(codegen::e4m3FromFloat(half), bits + (bits & 1)) << bits;
    EXPECT_EQ(codegen::e4m3FromFloat(std::nextafter(half, 0.0f)), bits) << bits;
    EXPECT_EQ(codegen::e4m3FromFloat(std::nextafter(half, bits & 128 ? -1e9f : 1e9f)), bits + 1) << bits;
  }
  EXPECT_EQ(codegen::e4m3FromFloat(1e30f), 0x7e);
  EXPECT_EQ(codegen::e4m3FromFloat(-INFINITY), 0xfe);
}

TEST(Quantize, Fp8FillsTheRangeOfARow) {
  const QuantScheme scheme = *QuantScheme::parse("fp8");
  for (int64_t cols : kWidths) {
    Row row;
    std::vector<float> values = randomRow(cols, unsigned(cols)), back = roundTrip(scheme, values, Rounding::Search, &row);
    float most = 0;
    for (float value : values)
      most = std::max(most, std::abs(value));
    EXPECT_FLOAT_EQ(row.scales[0], most / 448);
    for (int64_t c = 0; c < cols; ++c) // half a step of a fraction of three bits, or of the smallest numbers
      EXPECT_LE(std::abs(back[c] - values[c]), std::max(std::abs(values[c]) / 16, row.scales[0] / 1024) * 1.0001f);
    values[cols / 2] = NAN;
    roundTrip(scheme, values, Rounding::Search, &row);
    EXPECT_TRUE(std::isnan(row.scales[0]));
  }
}

TEST(QuantScheme, SizesCountScalesZerosAndPadding) {
  EXPECT_EQ(QuantScheme::parse("int8")->packedBytes(16, 64), 16 * 4 + 16 * 64);
  EXPECT_EQ(QuantScheme::parse("int8")->packedBytes(17, 5), 2 * (16 * 4 + 16 * 8));
  // 4 groups of 32 columns: scale, zero and codes take 2, 1/2 and 16 bytes a row and group.
  EXPECT_EQ(QuantScheme::parse("int4-g32")->packedBytes(16, 128), 16 * 4 * 37 / 2);
  // 4544 columns are 35 groups of 128 and one of 64; 1003 columns end in a group of 11, stored as 16.
  EXPECT_EQ(QuantScheme::parse("int4-g128")->packedBytes(16, 4544), 16 * (36 * 5 / 2 + 4544 / 2));
  EXPECT_EQ(QuantScheme::parse("int4-g32")->packedBytes(1003, 1003),
            63 * 16 * (32 * 5 / 2 + 1008 / 2));
}

TEST(Quantize, NearestInt8IsTheFormula) {
  for (int64_t cols : kWidths) {
    std::vector<float> values = randomRow(cols, unsigned(cols));
    Row row;
    roundTrip(*QuantScheme::parse("int8"), values, Rounding::Nearest, &row);
    float most = 0;
    for (float value : values)
      most = std::max(most, std::abs(value));
    EXPECT_EQ(row.scales, std::vector<float>{most / 127});
    for (int64_t c = 0; c < cols; ++c)
      EXPECT_EQ(row.codes[c], std::nearbyint(values[c] / row.scales[0])) << c;
  }
}

TEST(Quantize, NearestInt4IsTheFormula) {
  QuantScheme scheme = *QuantScheme::parse("int4-g32");
  for (int64_t cols : kWidths) {
    std::vector<float> values = randomRow(cols, unsigned(100 + cols));
    Row row;
    roundTrip(scheme, values, Rounding::Nearest, &row);
    for (int64_t first = 0, g = 0; first < cols; first += 32, ++g) {
      auto begin = values.begin() + first, end = values.begin() + std::min(first + 32, cols);
      float low = std::min(0.0f, *std::min_element(begin, end));
      float high = std::max(0.0f, *std::max_element(begin, end));
      float scale = codegen::floatFromF16(codegen::f16FromFloat((high - low) / 15));
      float zero = std::clamp(std::nearbyint(-low / scale), 0.0f, 15.0f);
      EXPECT_EQ(row.scales[g], scale);
      EXPECT_EQ(row.zeros[g], zero);
      for (int64_t c = 0; begin + c != end; ++c) {
        float code = std::clamp(std::nearbyint(begin[c] / scale) + zero, 0.0f, 15.0f);
        EXPECT_EQ(row.codes[first + c], code) << "column " << first + c;
      }
    }
  }
}

TEST(Quantize, NearestIsWithinHalfAStep) {
  forAll([](const QuantScheme &scheme, int64_t cols) {
    std::vector<float> values = randomRow(cols, unsigned(200 + cols));
    Row row;
    std::vector<float> result = roundTrip(scheme, values, Rounding::Nearest, &row);
    for (int64_t c = 0; c < cols; ++c) {
      float scale = row.scales[scheme.group ? c / scheme.group : 0];
      // A zero between two codes and a scale rounded to float16 cost up to half a step more.
      double allowed = scheme.bits == 8 ? 0.5001 : 1.01;
      EXPECT_LE(std::abs(values[c] - result[c]), allowed * scale) << c;
    }
  });
}

TEST(Quantize, SearchIsNeverWorseAndUsuallyBetter) {
  forAll([](const QuantScheme &scheme, int64_t cols) {
    double nearest = 0, search = 0;
    for (unsigned seed = 0; seed < 8; ++seed) {
      std::vector<float> values = randomRow(cols, 300 + seed);
      double one = squaredError(values, roundTrip(scheme, values, Rounding::Nearest));
      double other = squaredError(values, roundTrip(scheme, values, Rounding::Search));
      EXPECT_LE(other, one + 1e-6 * squaredError(values, std::vector<float>(cols)));
      nearest += one;
      search += other;
    }
    if (scheme.bits == 4 && cols >= 64) {
      EXPECT_LE(search, 0.97 * nearest);
    }
  });
}

TEST(Quantize, ValuesOnTheGridStay) {
  std::mt19937 random(5);
  for (Rounding rounding : {Rounding::Nearest, Rounding::Search})
    forAll([&](const QuantScheme &scheme, int64_t cols) {
      int least = scheme.bits == 8 ? -127 : -5, most = scheme.bits == 8 ? 127 : 10;
      std::vector<float> values(cols);
      for (int64_t c = 0; c < cols; ++c) {
        int code = least + int(random() % unsigned(most - least + 1));
        int64_t within = scheme.group ? c % scheme.group : c;
        values[c] = 0.0078125f * float(within == 0 ? most : within == 1 ? least : code);
      }
      // One value alone does not show the grid's other end.
      if (scheme.groupColumns(scheme.numGroups(cols) - 1, cols) > 1) {
        EXPECT_EQ(roundTrip(scheme, values, rounding), values);
      }
    });
}

TEST(Quantize, ScalingByAPowerOfTwoScalesTheResult) {
  forAll([](const QuantScheme &scheme, int64_t cols) {
    std::vector<float> values = randomRow(cols, unsigned(400 + cols)), scaled = values;
    for (float &value : scaled)
      value *= 8;
    std::vector<float> result = roundTrip(scheme, values, Rounding::Search);
    for (float &value : result)
      value *= 8;
    EXPECT_EQ(roundTrip(scheme, scaled, Rounding::Search), result);
  });
}

TEST(Quantize, ZerosAreExactAndOthersPoisonTheirGroupOnly) {
  forAll([](const QuantScheme &scheme, int64_t cols) {
    std::vector<float> zeros(cols);
    EXPECT_EQ(roundTrip(scheme, zeros, Rounding::Search), zeros);
    for (float poison : {std::numeric_limits<float>::quiet_NaN(),
                         std::numeric_limits<float>::infinity()}) {
      std::vector<float> values = randomRow(cols, 7);
      values[0] = poison;
      std::vector<float> result = roundTrip(scheme, values, Rounding::Search);
      for (int64_t c = 0; c < cols; ++c)
        EXPECT_EQ(std::isnan(result[c]), c < scheme.groupColumns(0, cols)) << c;
    }
  });
}

TEST(Quantize, ScalesBeyondFloat16BecomeInfinite) {
  std::vector<float> values(8, 1e7f);
  Row row;
  roundTrip(*QuantScheme::parse("int4-g32"), values, Rounding::Search, &row);
  EXPECT_TRUE(std::isinf(row.scales[0]));
}

TEST(Panel, UnpackingInvertsPacking) {
  forAll([](const QuantScheme &scheme, int64_t cols) {
    constexpr int64_t rows = 11; // the others stay zero
    std::vector<uint8_t> panel(scheme.panelBytes(cols) + 8, 0);
    std::fill(panel.end() - 8, panel.end(), 0xa5);
    std::vector<Row> packed(rows);
    for (int64_t lane = 0; lane < rows; ++lane) {
      std::vector<float> values = randomRow(cols, unsigned(500 + lane));
      quantizeRow(scheme, values.data(), cols, Rounding::Search, packed[lane]);
      packRow(scheme, packed[lane], lane, cols, panel.data());
    }
    for (int64_t lane = 0; lane < panelRows; ++lane) {
      Row row;
      unpackRow(scheme, panel.data(), lane, cols, row);
      Row expected = lane < rows ? packed[lane] : Row();
      expected.codes.resize(cols);
      expected.scales.resize(scheme.numGroups(cols));
      expected.zeros.resize(scheme.numGroups(cols));
      EXPECT_EQ(row.codes, expected.codes) << lane;
      EXPECT_EQ(row.scales, expected.scales) << lane;
      EXPECT_EQ(row.zeros, expected.zeros) << lane;
    }
    EXPECT_EQ(std::count(panel.end() - 8, panel.end(), 0xa5), 8) << "wrote behind the panel";
  });
}

} // namespace

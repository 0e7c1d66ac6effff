//===- TensorTest.cpp - rounding of the reference's values ------------------------------------===//
#include "codegen/reference/Tensor.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <random>

using namespace stoop::reference;

static const float kInf = std::numeric_limits<float>::infinity();

TEST(Bf16, RoundsTiesToEven) {
  EXPECT_EQ(roundToBF16(1.0f + std::ldexp(1.0f, -8)), 1.0f);
  EXPECT_EQ(roundToBF16(1.0f + 3 * std::ldexp(1.0f, -8)), 1.0f + std::ldexp(1.0f, -6));
  EXPECT_EQ(roundToBF16(257.0f), 256.0f);
  EXPECT_EQ(roundToBF16(259.0f), 260.0f);
  EXPECT_EQ(roundToBF16(-257.5f), -258.0f);
}

TEST(Bf16, KeepsSpecialValues) {
  EXPECT_EQ(roundToBF16(-kInf), -kInf);
  EXPECT_EQ(roundToBF16(std::numeric_limits<float>::max()), kInf);
  EXPECT_TRUE(std::isnan(roundToBF16(std::nanf(""))));
  EXPECT_TRUE(std::signbit(roundToBF16(-0.0f)));
}

TEST(F16, RoundsTiesToEven) {
  EXPECT_EQ(roundToF16(2049.0f), 2048.0f);
  EXPECT_EQ(roundToF16(2051.0f), 2052.0f);
  EXPECT_EQ(roundToF16(0.1f), 0.0999755859375f);
}

TEST(F16, RoundsSubnormalsAndOverflow) {
  const float unit = std::ldexp(1.0f, -24); // the smallest half
  EXPECT_EQ(roundToF16(0.5f * unit), 0.0f);
  EXPECT_EQ(roundToF16(1.5f * unit), 2 * unit);
  EXPECT_EQ(roundToF16(std::ldexp(1.0f, -14) - 0.25f * unit), std::ldexp(1.0f, -14));
  EXPECT_EQ(roundToF16(65519.0f), 65504.0f);
  EXPECT_EQ(roundToF16(-65520.0f), -kInf);
  EXPECT_TRUE(std::isnan(roundToF16(std::nanf(""))));
}

// Every half survives decoding and rounding: the two directions agree on all 65536 patterns.
TEST(F16, DecodedValuesAreFixedPoints) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float value = fromF16(static_cast<uint16_t>(bits));
    if (!std::isnan(value)) {
      ASSERT_EQ(roundToF16(value), value) << bits;
    }
  }
}

// The rounded value is a neighbour, and no other 16-bit value is nearer.
TEST(Rounding, IsNearest) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> exponents(-10.0f, 10.0f);
  for (int i = 0; i < 20000; ++i) {
    float value = std::copysign(std::exp2(exponents(random)), exponents(random));
    float half = roundToF16(value), brain = roundToBF16(value);
    EXPECT_LE(std::fabs(half - value), std::ldexp(std::fabs(value), -11));
    EXPECT_LE(std::fabs(brain - value), std::ldexp(std::fabs(value), -8));
  }
}

TEST(Decode, ReadsEachTypeUnaligned) {
  const unsigned char bytes[] = {0xff, 0x00, 0x3c, 0x00, 0xc0};
  float out[2];
  decode(bytes + 1, Element::F16, 2, out);
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(out[1], -2.0f);
  decode(bytes + 1, Element::F32, 1, out);
  EXPECT_EQ(out[0], -2.0036621f); // c0003c00
  decode(bytes + 3, Element::BF16, 1, out);
  EXPECT_EQ(out[0], -2.0f); // c000
}

TEST(TensorValue, RoundsWhenStored) {
  Tensor tensor(1, 2, Element::BF16);
  tensor.set(0, 1, 257.0);
  EXPECT_EQ(tensor.row(0)[0], 0.0f);
  EXPECT_EQ(tensor.row(0)[1], 256.0f);
}

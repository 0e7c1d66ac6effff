//===- Tensor.cpp - rounding and decoding of stored elements ----------------------------------===//
//
// Conversions between float32 and the 16-bit types, by bits: the results do not depend on the
// host's conversion instructions or rounding mode.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/Tensor.h"

#include "llvm/Support/Endian.h"

#include <bit>
#include <cmath>

namespace stoop::reference {

unsigned byteWidth(Element element) { return element == Element::F32 ? 4 : 2; }

float fromBF16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

float fromF16(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  uint32_t exponent = (bits >> 10) & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 0x1f)
    return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {
    float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

float roundToBF16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return std::bit_cast<float>((bits & 0xffff0000u) | 0x00400000u);
  bits += 0x7fffu + ((bits >> 16) & 1);
  return std::bit_cast<float>(bits & 0xffff0000u);
}

float roundToF16(float value) {
  float magnitude = std::fabs(value);
  if (std::isnan(value) || magnitude == 0 || std::isinf(value))
    return value;
  // Halfway between the largest half, 65504, and its successor: rounds to even, hence up.
  if (magnitude >= 65520.0f)
    return std::copysign(INFINITY, value);
  constexpr float kSmallestNormal = 0x1p-14f;
  if (magnitude < kSmallestNormal) // multiples of 2^-24; nearbyint rounds half to even
    return std::copysign(std::nearbyint(magnitude * 0x1p24f) * 0x1p-24f, value);
  uint32_t bits = std::bit_cast<uint32_t>(value);
  bits += 0xfffu + ((bits >> 13) & 1); // a half keeps 10 of the 23 bits of the significand
  return std::bit_cast<float>(bits & 0xffffe000u);
}

float roundTo(float value, Element element) {
  switch (element) {
  case Element::F32:
    return value;
  case Element::BF16:
    return roundToBF16(value);
  case Element::F16:
    return roundToF16(value);
  }
  return value;
}

void decode(const void *bytes, Element element, size_t count, float *out) {
  using namespace llvm::support;
  const char *in = static_cast<const char *>(bytes);
  switch (element) {
  case Element::F32:
    for (size_t i = 0; i < count; ++i)
      out[i] = std::bit_cast<float>(endian::read32le(in + 4 * i));
    return;
  case Element::BF16:
    for (size_t i = 0; i < count; ++i)
      out[i] = fromBF16(endian::read16le(in + 2 * i));
    return;
  case Element::F16:
    for (size_t i = 0; i < count; ++i)
      out[i] = fromF16(endian::read16le(in + 2 * i));
    return;
  }
}

} // namespace stoop::reference

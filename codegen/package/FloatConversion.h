//===- FloatConversion.h - f32, f16 and bf16 element conversions -*- C++ -*-===//
//
// Conversions between the stored and the packed element types. Widening is
// exact; narrowing rounds to nearest, ties to even; NaN stays NaN. Everything is
// branch-free so that loops over rows become vector code.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_PACKAGE_FLOATCONVERSION_H
#define STOOP_CODEGEN_PACKAGE_FLOATCONVERSION_H

#include <bit>
#include <cstdint>

namespace stoop::codegen {

/// Element types of stored tensors and of packed weights.
enum class ElementType : uint8_t { F32, F16, BF16 };

/// Bytes of one element.
constexpr uint64_t byteWidth(ElementType type) { return type == ElementType::F32 ? 4 : 2; }
/// The name that IR and reports use: "f32", "f16", "bf16".
constexpr const char *elementName(ElementType type) {
  return type == ElementType::F32 ? "f32" : type == ElementType::F16 ? "f16" : "bf16";
}

inline float floatFromBf16(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

inline uint16_t bf16FromFloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  uint32_t quiet = (bits >> 16) | 0x40; // rounding a NaN's payload could carry into the exponent
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
}

inline float floatFromF16(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, magnitude = bits & 0x7fff;
  // Subnormal halves are normal floats: multiply by 2^112 instead of shifting the exponent.
  float scaled = std::bit_cast<float>(magnitude << 13) * std::bit_cast<float>(0x77800000u);
  uint32_t special = (magnitude << 13) | 0x7f800000;
  uint32_t value = magnitude >= 0x7c00 ? special : std::bit_cast<uint32_t>(scaled);
  return std::bit_cast<float>(value | sign);
}

inline uint16_t f16FromFloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
  // Normal: rebias the exponent, round at bit 13. Subnormal: adding 0.5 aligns the mantissa so
  // that the addition itself rounds to even.
  uint32_t normal = (magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  uint32_t tiny = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  uint32_t result = magnitude < (113u << 23) ? tiny : normal;
  result = magnitude >= 0x47800000 ? 0x7c00 : result; // 65536 and above
  result = magnitude > 0x7f800000 ? 0x7e00 : result;
  return static_cast<uint16_t>(sign | result);
}

/// e4m3 (OCP 8-bit floating point: 4 bits of exponent with bias 7, 3 of fraction, no infinities; all ones is NaN).
inline float floatFromE4m3(uint8_t bits) {
  // Subnormal numbers are normal floats: multiply by 2^120 instead of shifting the exponent.
  float scaled = std::bit_cast<float>(uint32_t(bits & 0x7f) << 20) * std::bit_cast<float>(0x7b800000u);
  uint32_t value = (bits & 0x7f) == 0x7f ? 0x7fc00000u : std::bit_cast<uint32_t>(scaled);
  return std::bit_cast<float>(value | uint32_t(bits & 0x80) << 24);
}

/// The nearest e4m3, ties to even; magnitudes above 448 become 448.
inline uint8_t e4m3FromFloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = (bits >> 24) & 0x80, magnitude = bits & 0x7fffffff;
  // As for float16: rebias and round at bit 20; below 2^-6, adding 2^14 aligns the fraction to steps of 2^-9.
  uint32_t normal = (magnitude - (120u << 23) + 0x7ffff + ((magnitude >> 20) & 1)) >> 20;
  uint32_t tiny = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 16384.0f) - 0x46800000u;
  uint32_t result = magnitude < (121u << 23) ? tiny : normal;
  result = magnitude >= 0x43e00000 ? 0x7e : result; // 448 and above
  result = magnitude > 0x7f800000 ? 0x7f : result;
  return static_cast<uint8_t>(sign | result);
}

} // namespace stoop::codegen

#endif

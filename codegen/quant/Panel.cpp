//===- Panel.cpp - 16 quantised rows as one stream ------------------------===//
//
// One walk names the place of every scale, zero and code; packing and unpacking differ in the
// direction of the copy alone.
//
//===----------------------------------------------------------------------===//
#include "codegen/quant/Panel.h"

#include "codegen/package/FloatConversion.h"
#include <cstring>

using namespace stoop;
using namespace stoop::quant;

static constexpr int64_t kUnitBytes = 64, kInt4UnitColumns = 8, kInt8UnitColumns = 4;

/// Bit of column c (0 to 7) within a row's word of an int4 unit.
static unsigned nibbleShift(int64_t c) { return unsigned(c / 2 * 4 + c % 2 * 16); }

/// Byte offset of an int4 group's scales; zeros and units follow.
static int64_t groupOffset(const QuantScheme &scheme, int64_t index) {
  return index * (panelRows * 5 / 2 + scheme.group / kInt4UnitColumns * kUnitBytes);
}

/// Half a byte: the low one for even `lane`.
static void orNibble(uint8_t &byte, int64_t lane, unsigned value) {
  byte = uint8_t(byte | value << (lane % 2 * 4));
}

static void packInt4(const QuantScheme &scheme, const Row &row, int64_t lane, int64_t cols,
                     uint8_t *panel) {
  for (int64_t g = 0; g < scheme.numGroups(cols); ++g) {
    uint8_t *scales = panel + groupOffset(scheme, g), *zeros = scales + panelRows * 2;
    uint8_t *words = zeros + panelRows / 2 + lane * 4;
    uint16_t scale = codegen::f16FromFloat(row.scales[g]);
    std::memcpy(scales + lane * 2, &scale, 2);
    orNibble(zeros[lane / 2], lane, row.zeros[g]);
    for (int64_t c = 0, count = scheme.groupColumns(g, cols); c < count; ++c) {
      uint8_t *place = words + c / kInt4UnitColumns * kUnitBytes;
      uint32_t word;
      std::memcpy(&word, place, 4);
      word |= uint32_t(row.codes[g * scheme.group + c]) << nibbleShift(c % kInt4UnitColumns);
      std::memcpy(place, &word, 4);
    }
  }
}

static void unpackInt4(const QuantScheme &scheme, const uint8_t *panel, int64_t lane, int64_t cols,
                       Row &row) {
  for (int64_t g = 0; g < scheme.numGroups(cols); ++g) {
    const uint8_t *scales = panel + groupOffset(scheme, g), *zeros = scales + panelRows * 2;
    const uint8_t *words = zeros + panelRows / 2 + lane * 4;
    uint16_t scale;
    std::memcpy(&scale, scales + lane * 2, 2);
    row.scales[g] = codegen::floatFromF16(scale);
    row.zeros[g] = zeros[lane / 2] >> (lane % 2 * 4) & 15;
    for (int64_t c = 0, count = scheme.groupColumns(g, cols); c < count; ++c) {
      uint32_t word;
      std::memcpy(&word, words + c / kInt4UnitColumns * kUnitBytes, 4);
      row.codes[g * scheme.group + c] = int8_t(word >> nibbleShift(c % kInt4UnitColumns) & 15);
    }
  }
}

/// Place of column c of row `lane` in an int8 panel.
static int64_t int8Offset(int64_t lane, int64_t c) {
  static constexpr int64_t place[kInt8UnitColumns] = {0, 2, 1, 3};
  return panelRows * 4 + c / kInt8UnitColumns * kUnitBytes + lane * 4 + place[c % kInt8UnitColumns];
}

void quant::packRow(const QuantScheme &scheme, const Row &row, int64_t lane, int64_t cols,
                    uint8_t *panel) {
  if (scheme.bits == 4)
    return packInt4(scheme, row, lane, cols, panel);
  std::memcpy(panel + lane * 4, row.scales.data(), 4);
  for (int64_t c = 0; c < cols; ++c)
    panel[int8Offset(lane, c)] = uint8_t(row.codes[c]);
}

void quant::unpackRow(const QuantScheme &scheme, const uint8_t *panel, int64_t lane, int64_t cols,
                      Row &row) {
  row.codes.resize(cols);
  row.scales.resize(scheme.numGroups(cols));
  row.zeros.assign(scheme.numGroups(cols), 0);
  if (scheme.bits == 4)
    return unpackInt4(scheme, panel, lane, cols, row);
  std::memcpy(row.scales.data(), panel + lane * 4, 4);
  for (int64_t c = 0; c < cols; ++c)
    row.codes[c] = int8_t(panel[int8Offset(lane, c)]);
}

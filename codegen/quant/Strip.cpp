//===- Strip.cpp - 16 quantised rows as tiles of fragments ----------------===//
#include "codegen/quant/Strip.h"

#include "codegen/package/FloatConversion.h"
#include "ir/support/TileOrder.h"
#include <cstring>

using namespace stoop;
using namespace stoop::quant;

/// Byte offset, in a strip, of the 16 bytes of a lane that hold column `col` of row `row`.
static int64_t lanePlace(const TileForm &form, int64_t row, int64_t col) {
  int64_t half = col % form.columns / (form.columns / 2);
  return col / form.columns * kTileBytes + half * (kTileBytes / 2) + fragmentLane(row, col) * 16;
}

static void packBytes(const TileForm &form, const Row &row, int64_t lane, int64_t cols, uint8_t *strip) {
  for (int64_t c = 0; c < cols; ++c)
    strip[lanePlace(form, lane, c) + fragmentElement(lane, c)] = uint8_t(row.codes[c]);
  std::memcpy(strip + form.tiles(cols) * kTileBytes + lane * 4, row.scales.data(), 4);
}

static void packNibbles(const QuantScheme &scheme, const TileForm &form, const Row &row, int64_t lane, int64_t cols,
                        uint8_t *strip) {
  for (int64_t c = 0; c < cols; ++c) {
    int64_t element = fragmentElement(lane, c), word = c / kTileColumns % 2 * 2 + element / 8;
    int64_t shift = element % 8 / 2 * 4 + element % 2 * 16;
    strip[lanePlace(form, lane, c) + word * 4 + shift / 8] |= uint8_t(row.codes[c] << shift % 8);
  }
  for (int64_t tile = 0; tile < form.tiles(cols); ++tile)
    for (int64_t g = 0; g < form.groups; ++g) {
      int64_t first = tile * form.columns + g * (form.columns / form.groups);
      if (first >= cols)
        break;
      uint8_t *scales = strip + form.tiles(cols) * kTileBytes + tile * form.scaleBytes();
      uint16_t scale = codegen::f16FromFloat(row.scales[first / scheme.group]);
      int64_t pair = lane % 8 * form.groups + g;
      std::memcpy(scales + pair * 4 + lane / 8 * 2, &scale, 2);
      scales[form.groups * 32 + pair] |= uint8_t(row.zeros[first / scheme.group] << lane / 8 * 4);
    }
}

void quant::packTileRow(const QuantScheme &scheme, const Row &row, int64_t lane, int64_t cols, uint8_t *strip) {
  TileForm form = TileForm::of(scheme);
  if (scheme.bits == 8)
    return packBytes(form, row, lane, cols, strip);
  packNibbles(scheme, form, row, lane, cols, strip);
}

//===- Strip.h - 16 quantised rows as tiles of fragments ---------*- C++ -*-===//
//
// The packed form that ir/support/TileOrder.h describes.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_QUANT_STRIP_H
#define STOOP_CODEGEN_QUANT_STRIP_H

#include "codegen/quant/Quantize.h"

namespace stoop::quant {

/// Writes row `lane` of a strip of TileForm::of(scheme).stripBytes(cols) bytes; the strip was zero before.
void packTileRow(const QuantScheme &scheme, const Row &row, int64_t lane, int64_t cols, uint8_t *strip);

} // namespace stoop::quant

#endif // STOOP_CODEGEN_QUANT_STRIP_H

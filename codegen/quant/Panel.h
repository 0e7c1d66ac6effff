//===- Panel.h - 16 quantised rows as one stream -----------------*- C++ -*-===//
//
// The packed form that QuantScheme.h describes. Packing and unpacking are exact inverses.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_QUANT_PANEL_H
#define STOOP_CODEGEN_QUANT_PANEL_H

#include "codegen/quant/Quantize.h"

namespace stoop::quant {

inline constexpr int64_t panelRows = 16;

/// Writes row `lane` of a panel of scheme.panelBytes(cols) bytes; the panel was zero before.
void packRow(const QuantScheme &scheme, const Row &row, int64_t lane, int64_t cols, uint8_t *panel);

/// Reads row `lane` back.
void unpackRow(const QuantScheme &scheme, const uint8_t *panel, int64_t lane, int64_t cols,
               Row &row);

} // namespace stoop::quant

#endif // STOOP_CODEGEN_QUANT_PANEL_H

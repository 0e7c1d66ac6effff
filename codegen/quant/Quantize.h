//===- Quantize.h - rows of float32 weights to integers and back -*- C++ -*-===//
//
// Plain functions on single rows, used alike by the packer and by the reference evaluator, so that
// both hold the same integers. Rows are independent of each other, whatever their order.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_QUANT_QUANTIZE_H
#define STOOP_CODEGEN_QUANT_QUANTIZE_H

#include "ir/support/QuantScheme.h"
#include <cstdint>
#include <vector>

namespace stoop::quant {

/// A row in a scheme: element c of group g is scales[g] * (codes[c] - zeros[g]); fp8: scales[0] * e4m3 codes[c].
struct Row {
  std::vector<int8_t> codes;  ///< one per column; fp8: its bits
  std::vector<float> scales;  ///< one per group; int4: values that float16 holds
  std::vector<uint8_t> zeros; ///< one per group
};

/// How codes are chosen.
enum class Rounding : uint8_t {
  /// The range of a group spans its values and zero; each value goes to the nearest code.
  Nearest,
  /// Also tries narrower ranges and neighbouring zeros, refits the scale to the codes by least
  /// squares and keeps what has the least squared error; never worse than Nearest.
  Search
};

/// Quantises `cols` values. fp8: the largest magnitude becomes 448, the largest e4m3, whatever the rounding. A group with a NaN or an infinity gets the scale NaN. A scale beyond
/// float16 becomes infinite.
void quantizeRow(const QuantScheme &scheme, const float *values, int64_t cols, Rounding rounding,
                 Row &row);

/// The values that a row stands for; each is one float32 product.
void dequantizeRow(const QuantScheme &scheme, const Row &row, int64_t cols, float *values);

} // namespace stoop::quant

#endif // STOOP_CODEGEN_QUANT_QUANTIZE_H

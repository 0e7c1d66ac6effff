//===- Samples.h - inputs of layers, from weights alone ----------*- C++ -*-===//
//
// What enters a layer depends on the text, but much of its form does not: it is a norm's result, or
// comes of one by way of weights. Samples are drawn by taking rows of the embedding, evenly spread, for
// what the norm reads, as if no layer had added to them yet:
//   norm        z scale + bias for z = (x - mean) / deviation, or z scale for z = x / rms
//   linear      rows of a matrix times that, plus an offset
//   activation  of the linear's result; gated: times a second linear's
//   attention   the mean of two tokens' values, for each query head that reads them
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_QUANT_SAMPLES_H
#define STOOP_CODEGEN_QUANT_SAMPLES_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <optional>
#include <vector>

namespace stoop::quant {

/// Inputs of a layer by column: [column][count].
struct InputSamples {
  static constexpr int64_t count = 128;
  std::vector<float> values;

  int64_t columns() const { return static_cast<int64_t>(values.size()) / count; }
};

/// Names as in the lm dialect.
enum class Activation : uint8_t { Gelu, GeluTanh, GeluFast, QuickGelu, Relu, Silu };

/// Steps from the embedding to the inputs of a layer, as lm.inputs names them.
struct InputsFormula {
  int64_t tableRows = 0;          ///< of the embedding
  std::vector<float> scale = {}, bias = {}; ///< of the norm; no bias: an RMS norm
  std::vector<float> offset = {};      ///< of the linear behind it, all its rows; empty: none
  int64_t first = 0, rows = 0;    ///< of its matrix; no rows: the norm's result enters
  int64_t head = 0, repeats = 1;  ///< attention: blocks of `head` rows, each read so often; 0: none
  std::optional<Activation> activation = std::nullopt;
  bool gated = false; ///< the activation's result times a second matrix's
};

/// Writes one row of a matrix, as long as the norm's result.
using ReadRow = llvm::function_ref<llvm::Error(int64_t row, float *out)>;

/// Draws samples. `matrix` is the linear's behind the norm, `factor` the second one of a gated product;
/// what the formula does not have is not read.
llvm::Expected<InputSamples> drawInputs(const InputsFormula &formula, ReadRow table, ReadRow matrix,
                                        ReadRow factor);

} // namespace stoop::quant

#endif // STOOP_CODEGEN_QUANT_SAMPLES_H

//===- Samples.cpp - inputs of layers, from weights alone -----------------===//
//
// Sums have a fixed order: the packer and the evaluator draw the same numbers on every machine.
//
//===----------------------------------------------------------------------===//
#include "codegen/quant/Samples.h"

#include <algorithm>
#include <cmath>

using namespace stoop;
using namespace stoop::quant;

static constexpr int64_t kLanes = 8, kTile = 4, kCount = InputSamples::count;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

/// out[r][t] = sum over c of rows[r][c] * inputs[c][t], for kTile rows.
__attribute__((target_clones("avx2", "default"))) static void
multiplyTile(const float *rows, const float *inputs, int64_t cols, float *out) {
  constexpr int64_t kVectors = 4; // of samples at a time: with kTile rows all registers
  for (int64_t t = 0; t < kCount; t += kVectors * kLanes) {
    Lanes sums[kTile][kVectors] = {};
    for (int64_t c = 0; c < cols; ++c)
#pragma GCC unroll 4
      for (int64_t r = 0; r < kTile; ++r)
#pragma GCC unroll 4
        for (int64_t v = 0; v < kVectors; ++v)
          sums[r][v] += rows[r * cols + c] *
                        *reinterpret_cast<const Lanes *>(inputs + c * kCount + t + v * kLanes);
    for (int64_t r = 0; r < kTile; ++r)
      for (int64_t v = 0; v < kVectors; ++v)
        *reinterpret_cast<Lanes *>(out + r * kCount + t + v * kLanes) = sums[r][v];
  }
}

/// What the norm makes of rows of the embedding.
static llvm::Expected<InputSamples> drawNorm(const InputsFormula &formula, ReadRow table) {
  int64_t cols = static_cast<int64_t>(formula.scale.size());
  InputSamples samples;
  samples.values.resize(cols * kCount);
  std::vector<float> row(cols);
  for (int64_t t = 0; t < kCount; ++t) {
    if (llvm::Error failed = table((2 * t + 1) * formula.tableRows / (2 * kCount), row.data()))
      return failed;
    double mean = 0, squares = 1e-30; // rows of zeros stay zero
    for (float value : row)
      mean += formula.bias.empty() ? 0 : double(value) / double(cols);
    for (float value : row)
      squares += (value - mean) * (value - mean);
    double inverse = 1 / std::sqrt(squares / double(cols));
    for (int64_t c = 0; c < cols; ++c)
      samples.values[c * kCount + t] = float((row[c] - mean) * inverse * formula.scale[c] +
                                             (formula.bias.empty() ? 0 : formula.bias[c]));
  }
  return samples;
}

/// Rows [first, first + rows) of a matrix times the inputs, plus the offset.
static llvm::Expected<InputSamples> drawLinear(const InputsFormula &formula,
                                               const std::vector<float> &offset,
                                               const InputSamples &inputs, ReadRow matrix) {
  int64_t cols = inputs.columns();
  InputSamples samples;
  samples.values.resize(formula.rows * kCount);
  std::vector<float> rows(kTile * cols), tile(kTile * kCount);
  for (int64_t first = 0; first < formula.rows; first += kTile) {
    int64_t count = std::min(kTile, formula.rows - first);
    for (int64_t r = 0; r < count; ++r)
      if (llvm::Error failed = matrix(formula.first + first + r, &rows[r * cols]))
        return failed;
    multiplyTile(rows.data(), inputs.values.data(), cols, tile.data());
    for (int64_t r = 0; r < count; ++r) {
      float shift = offset.empty() ? 0 : offset[formula.first + first + r];
      for (int64_t t = 0; t < kCount; ++t)
        samples.values[(first + r) * kCount + t] = tile[r * kCount + t] + shift;
    }
  }
  return samples;
}

static double activate(double x, Activation kind) {
  switch (kind) {
  case Activation::Gelu:
    return 0.5 * x * std::erfc(-x * M_SQRT1_2);
  case Activation::GeluTanh:
  case Activation::GeluFast:
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  case Activation::QuickGelu:
    return x / (1 + std::exp(-1.702 * x));
  case Activation::Relu:
    return std::max(x, 0.0);
  case Activation::Silu:
    return x / (1 + std::exp(-x));
  }
  return x;
}

/// The mean of each token's values and those of the one before, `repeats` times for each head.
static InputSamples mixTokens(const InputsFormula &formula, const InputSamples &values) {
  InputSamples mixed;
  for (int64_t first = 0; first < formula.rows; first += formula.head)
    for (int64_t i = 0; i < formula.repeats; ++i)
      for (int64_t c = first; c < first + formula.head; ++c)
        for (int64_t t = 0; t < kCount; ++t) {
          const float *column = &values.values[c * kCount];
          mixed.values.push_back(0.5f * (column[t] + column[(t + 1) % kCount]));
        }
  return mixed;
}

llvm::Expected<InputSamples> quant::drawInputs(const InputsFormula &formula, ReadRow table,
                                               ReadRow matrix, ReadRow factor) {
  llvm::Expected<InputSamples> norm = drawNorm(formula, table);
  if (!norm || formula.rows == 0)
    return norm;
  llvm::Expected<InputSamples> result = drawLinear(formula, formula.offset, *norm, matrix);
  if (!result)
    return result;
  if (formula.head)
    return mixTokens(formula, *result);
  if (formula.activation)
    for (float &value : result->values)
      value = float(activate(value, *formula.activation));
  if (!formula.gated)
    return result;
  llvm::Expected<InputSamples> factors = drawLinear(formula, {}, *norm, factor);
  if (!factors)
    return factors;
  for (size_t i = 0; i < result->values.size(); ++i)
    result->values[i] *= factors->values[i];
  return result;
}

//===- Anticipate.h - rounding against inputs that weights suggest -*- C++ -*-===//
//
// Compensated rounding as in Compensate.h for few samples X [count][columns] of what enters a layer
// (Samples.h): H = X^T X / count + damping * mean of its diagonal, with so much damping that errors
// stay small where the samples say nothing. H has few directions, so nothing of the size columns^2 is
// needed: s = sum of e_k x_k over the columns rounded so far is all that the others have to know, and
//   target_k = w_k + y_k.s,  y_k = M_k^-1 x_k / d,  M_k = 1 + sum of x_j x_j^T / d over j not rounded
// is the value for which they could still make up for the most. Columns with the largest inputs are
// rounded first. Scales and zeros are those of Rounding::Search.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_QUANT_ANTICIPATE_H
#define STOOP_CODEGEN_QUANT_ANTICIPATE_H

#include "codegen/quant/Quantize.h"
#include "codegen/quant/Samples.h"

namespace stoop::quant {

/// What all rows of a layer share.
class Anticipation {
public:
  /// Samples that are not all numbers, or all zero, are as none: rounding is Rounding::Search then.
  explicit Anticipation(const InputSamples &samples);

  int64_t columns() const { return cols; }

  /// Quantises `count` rows of float32, [count][columns], each for itself. A row that is not finite
  /// comes out as quantizeRow leaves it, and so does every row in fp8: its codes err by parts of themselves.
  void quantizeRows(const QuantScheme &scheme, const float *values, int64_t count, Row *rows) const;

private:
  int64_t cols;
  std::vector<int64_t> order; ///< columns as they are rounded; empty: there is nothing to know
  std::vector<float> inputs;  ///< x_k, [place in order][count]
  std::vector<float> answers; ///< y_k, alike
};

} // namespace stoop::quant

#endif // STOOP_CODEGEN_QUANT_ANTICIPATE_H

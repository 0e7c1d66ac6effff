//===- Compensate.h - rounding that knows the layer's inputs -----*- C++ -*-===//
//
// Error-compensated rounding (GPTQ; Frantar et al. 2022, in the LDL form of Chee et al. 2023): with
// H = sum of x x^T over calibration inputs x, the error of a row is e^T H e for e = w - quantised w.
// Columns are rounded one after the other, those with the largest inputs first, and each is moved
// beforehand by what the errors so far ask for: H = L L^T, target_t = w_t + sum over columns s
// rounded before t of e_s L[s][t] / L[t][t]. Scales and zeros are those of Rounding::Search.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_QUANT_COMPENSATE_H
#define STOOP_CODEGEN_QUANT_COMPENSATE_H

#include "codegen/quant/Quantize.h"

namespace stoop::quant {

/// Second moments of the inputs of a linear layer: `columns()`^2 doubles, whatever is added.
class InputMoments {
public:
  explicit InputMoments(int64_t cols);

  /// Adds `count` inputs, rows of float32.
  void add(const float *rows, int64_t count);

  int64_t columns() const { return cols; }
  /// Sum of x[i] * x[j].
  double at(int64_t i, int64_t j) const { return i < j ? at(j, i) : sums[i * stride + j]; }
  /// Whether all inputs were numbers.
  bool isFinite() const;

private:
  friend class Compensation;
  int64_t cols, stride;     ///< stride: whole vectors
  std::vector<double> sums; ///< [cols][stride], the lower triangle
};

/// What all rows of a layer, and all layers with the same inputs, share.
class Compensation {
public:
  /// Factors the moments, which must be finite; a hundredth of their mean diagonal is added to it.
  explicit Compensation(InputMoments moments);

  /// Quantises `count` rows of float32, [count][cols]. A row that is not finite comes out as
  /// quantizeRow leaves it.
  void quantizeRows(const QuantScheme &scheme, const float *values, int64_t count, Row *rows) const;

private:
  int64_t cols, stride;
  std::vector<int64_t> order;   ///< columns by ascending diagonal; the last is rounded first
  std::vector<double> feedback; ///< [t][s], s > t in `order`: L[s][t] / L[t][t]
};

} // namespace stoop::quant

#endif // STOOP_CODEGEN_QUANT_COMPENSATE_H

//===- Norm.cpp - layer and RMS normalisation of the reference --------------------------------===//
//
// LayerNorm rounds once. RMSNorm rounds the normalised value to the model's type before it is
// multiplied by gamma, as the Llama architecture defines it.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/ops/Ops.h"

#include <cmath>

namespace stoop::reference {

Tensor layerNorm(const Tensor &x, const Tensor &gamma, const Tensor &beta, double epsilon,
                 Element result) {
  Tensor y(x.rows(), x.cols(), result);
  for (int64_t t = 0; t < x.rows(); ++t) {
    llvm::ArrayRef<float> row = x.row(t);
    double mean = 0, variance = 0;
    for (float v : row)
      mean += v;
    mean /= x.cols();
    for (float v : row)
      variance += (v - mean) * (v - mean);
    variance /= x.cols();
    double scale = 1.0 / std::sqrt(variance + epsilon);
    for (int64_t c = 0; c < x.cols(); ++c)
      y.set(t, c, (row[c] - mean) * scale * gamma.values()[c] + beta.values()[c]);
  }
  return y;
}

Tensor rmsNorm(const Tensor &x, const Tensor &gamma, double epsilon, Element result) {
  Tensor y(x.rows(), x.cols(), result);
  for (int64_t t = 0; t < x.rows(); ++t) {
    llvm::ArrayRef<float> row = x.row(t);
    double squares = 0;
    for (float v : row)
      squares += double(v) * v;
    double scale = 1.0 / std::sqrt(squares / x.cols() + epsilon);
    for (int64_t c = 0; c < x.cols(); ++c)
      y.set(t, c, double(gamma.values()[c]) * roundTo(static_cast<float>(row[c] * scale), result));
  }
  return y;
}

} // namespace stoop::reference

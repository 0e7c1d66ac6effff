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

Tensor blockMoments(const Tensor &x, int64_t block, bool centred) {
  int64_t blocks = (x.cols() + block - 1) / block, numbers = centred ? 2 : 1;
  Tensor y(x.rows(), numbers * blocks, Element::F32);
  for (int64_t t = 0; t < x.rows(); ++t)
    for (int64_t b = 0; b < blocks; ++b) {
      llvm::ArrayRef<float> part = x.row(t).drop_front(b * block).take_front(block);
      double mean = 0, squares = 0;
      if (centred) {
        for (float v : part)
          mean += v;
        mean /= part.size();
        y.set(t, numbers * b, mean);
      }
      for (float v : part)
        squares += (v - mean) * (v - mean);
      y.set(t, numbers * b + numbers - 1, squares);
    }
  return y;
}

} // namespace stoop::reference

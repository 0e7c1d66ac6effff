//===- Elementwise.cpp - bias, activations, sums and slices of the reference ------------------===//
//
// One rounding per result element: the formulas are evaluated in double and stored once.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/ops/Ops.h"

#include <algorithm>
#include <cmath>

namespace stoop::reference {

Tensor embedding(llvm::ArrayRef<int32_t> tokens, const Tensor &table, Element result) {
  Tensor y(tokens.size(), table.cols(), result);
  for (size_t t = 0; t < tokens.size(); ++t)
    for (int64_t c = 0; c < table.cols(); ++c)
      y.set(t, c, table.row(tokens[t])[c]);
  return y;
}

Tensor bias(const Tensor &x, const Tensor &bias, Element result) {
  Tensor y(x.rows(), x.cols(), result);
  for (int64_t t = 0; t < x.rows(); ++t)
    for (int64_t c = 0; c < x.cols(); ++c)
      y.set(t, c, double(x.row(t)[c]) + bias.values()[c]);
  return y;
}

/// 0.5 x (1 + tanh(c (x + 0.044715 x^3))).
static double geluTanh(double x, double c) {
  return 0.5 * x * (1.0 + std::tanh(c * (x + 0.044715 * x * x * x)));
}

static double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double activate(double x, Activation kind) {
  switch (kind) {
  case Activation::Gelu:
    return 0.5 * x * (1.0 + std::erf(x * M_SQRT1_2));
  case Activation::GeluTanh:
    return geluTanh(x, std::sqrt(2.0 / M_PI));
  case Activation::GeluFast:
    return geluTanh(x, 0.7978845608);
  case Activation::QuickGelu:
    return x * sigmoid(1.702 * x);
  case Activation::Relu:
    return x < 0 ? 0.0 : x; // keeps NaN
  case Activation::Silu:
    return x * sigmoid(x);
  }
  return x;
}

Tensor activation(const Tensor &x, Activation kind, Element result) {
  Tensor y(x.rows(), x.cols(), result);
  parallelRows(x.rows(), 20.0 * x.rows() * x.cols(), [&](size_t t) {
    for (int64_t c = 0; c < x.cols(); ++c)
      y.set(t, c, activate(x.row(t)[c], kind));
  });
  return y;
}

Tensor add(const Tensor &a, const Tensor &b, Element result) {
  Tensor y(a.rows(), a.cols(), result);
  for (int64_t t = 0; t < a.rows(); ++t)
    for (int64_t c = 0; c < a.cols(); ++c)
      y.set(t, c, double(a.row(t)[c]) + b.row(t)[c]);
  return y;
}

Tensor multiply(const Tensor &a, const Tensor &b, Element result) {
  Tensor y(a.rows(), a.cols(), result);
  for (int64_t t = 0; t < a.rows(); ++t)
    for (int64_t c = 0; c < a.cols(); ++c)
      y.set(t, c, double(a.row(t)[c]) * b.row(t)[c]);
  return y;
}

Tensor columns(const Tensor &x, int64_t begin, int64_t count) {
  Tensor y(x.rows(), count, x.element());
  for (int64_t t = 0; t < x.rows(); ++t) {
    llvm::ArrayRef<float> part = x.row(t).slice(begin, count);
    std::copy(part.begin(), part.end(), y.mutableValues().begin() + t * count);
  }
  return y;
}

Tensor blockMax(const Tensor &x, int64_t block) {
  int64_t blocks = (x.cols() + block - 1) / block;
  Tensor y(x.rows(), blocks, Element::F32);
  for (int64_t t = 0; t < x.rows(); ++t)
    for (int64_t b = 0; b < blocks; ++b) {
      llvm::ArrayRef<float> part = x.row(t).drop_front(b * block).take_front(block);
      bool isLost = llvm::any_of(part, [](float v) { return std::isnan(v); });
      y.set(t, b, isLost ? NAN : *llvm::max_element(part));
    }
  return y;
}

Tensor gatherRow(const Tensor &x, int64_t index) {
  Tensor y(1, x.cols(), x.element());
  std::copy(x.row(index).begin(), x.row(index).end(), y.mutableValues().begin());
  return y;
}

} // namespace stoop::reference

//===- Rope.cpp - rotary position embedding of the reference ----------------------------------===//
//
// Rotate-half convention: element j of a head pairs with element j + D/2. Angles are float32
// products (position times inverse frequency), because the models were trained with those.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/ops/Ops.h"

#include <cmath>

namespace stoop::reference {

Tensor ropeTable(llvm::ArrayRef<float> invFreq, float factor, int64_t positions, Element round) {
  int64_t half = invFreq.size();
  Tensor table(positions, 2 * half, Element::F32);
  llvm::MutableArrayRef<float> out = table.mutableValues();
  for (int64_t p = 0; p < positions; ++p)
    for (int64_t j = 0; j < half; ++j) {
      float angle = static_cast<float>(p) * invFreq[j];
      float cosine = static_cast<float>(std::cos(double(angle)));
      float sine = static_cast<float>(std::sin(double(angle)));
      out[p * 2 * half + j] = roundTo(cosine * factor, round);
      out[p * 2 * half + half + j] = roundTo(sine * factor, round);
    }
  return table;
}

Tensor rope(const Tensor &x, llvm::ArrayRef<int32_t> positions, const Tensor &table, int64_t heads,
            Element result) {
  Tensor y(x.rows(), x.cols(), result);
  int64_t headDim = x.cols() / heads, half = headDim / 2;
  // In float32 the two products stay unrounded: the oracle is exact where the ledger asks nothing.
  auto product = [&](float a, float b) {
    double exact = double(a) * b;
    return result == Element::F32 ? exact : roundTo(static_cast<float>(exact), result);
  };
  for (int64_t t = 0; t < x.rows(); ++t) {
    llvm::ArrayRef<float> angles = table.row(positions[t]);
    for (int64_t first = 0; first < x.cols(); first += headDim)
      for (int64_t j = 0; j < half; ++j) {
        float a = x.row(t)[first + j], b = x.row(t)[first + half + j];
        float cosine = angles[j], sine = angles[half + j];
        y.set(t, first + j, product(a, cosine) - product(b, sine));
        y.set(t, first + half + j, product(b, cosine) + product(a, sine));
      }
  }
  return y;
}

} // namespace stoop::reference

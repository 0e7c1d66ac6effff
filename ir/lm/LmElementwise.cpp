//===- LmElementwise.cpp - elementwise lm ops as scalar expressions -------===//
//
// Each elementwise op as float32 arith and math, falcon's activation table included. Code generators inline
// these into epilogues, so the formulas stand here once for all targets.
//
//===----------------------------------------------------------------------===//
#include "ir/lm/LmOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <numbers>

using namespace mlir;
using namespace stoop::lm;

namespace {
/// Float32 expression builder: keeps the formulas below readable.
struct Expr {
  OpBuilder &builder;
  Location loc;

  Value constant(double value) const {
    return arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(value));
  }
  Value add(Value a, Value b) const { return arith::AddFOp::create(builder, loc, a, b); }
  Value mul(Value a, Value b) const { return arith::MulFOp::create(builder, loc, a, b); }
  Value mul(double a, Value b) const { return mul(constant(a), b); }
  /// 1 / (1 + exp(-x)) times `scale`.
  Value timesSigmoid(Value scale, Value x) const {
    Value e = math::ExpOp::create(builder, loc, arith::NegFOp::create(builder, loc, x));
    return arith::DivFOp::create(builder, loc, scale, add(constant(1), e));
  }
  /// 0.5 x (1 + tanh(c (x + 0.044715 x^3))).
  Value geluTanh(Value x, double c) const {
    Value cubic = mul(0.044715, mul(x, mul(x, x)));
    Value t = math::TanhOp::create(builder, loc, mul(c, add(x, cubic)));
    return mul(mul(0.5, x), add(constant(1), t));
  }
};
} // namespace

Value BiasOp::emitScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  return arith::AddFOp::create(builder, loc, operands[0], operands[1]);
}

Value BinaryOp::emitScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  if (getKind() == BinaryKind::Add)
    return arith::AddFOp::create(builder, loc, operands[0], operands[1]);
  return arith::MulFOp::create(builder, loc, operands[0], operands[1]);
}

Value ActivationOp::emitScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Expr e{builder, loc};
  Value x = operands[0];
  switch (getKind()) {
  case ActivationKind::Gelu: {
    Value erf = math::ErfOp::create(builder, loc, e.mul(std::numbers::sqrt2 / 2, x));
    return e.mul(e.mul(0.5, x), e.add(e.constant(1), erf));
  }
  case ActivationKind::GeluTanh:
    return e.geluTanh(x, std::numbers::sqrt2 * std::numbers::inv_sqrtpi);
  case ActivationKind::GeluFast:
    return e.geluTanh(x, 0.7978845608);
  case ActivationKind::QuickGelu:
    return e.timesSigmoid(x, e.mul(1.702, x));
  case ActivationKind::Relu:
    // maximumf propagates NaN.
    return arith::MaximumFOp::create(builder, loc, x, e.constant(0));
  case ActivationKind::Silu:
    return e.timesSigmoid(x, x);
  }
  llvm_unreachable("unknown activation kind");
}


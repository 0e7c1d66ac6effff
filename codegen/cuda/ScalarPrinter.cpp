//===- ScalarPrinter.cpp - elementwise ops as CUDA expressions ------------===//
//
// Asks the op for its arith and math expression and prints that. An operand that the expression uses
// several times becomes the argument of a lambda, so that loads are not repeated.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/ScalarPrinter.h"
#include "codegen/cuda/SegmentEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace stoop;
using llvm::formatv;

/// One scalar op over printed operands; empty for an unknown one.
static std::string spell(Operation *op, ArrayRef<std::string> in) {
  return TypeSwitch<Operation *, std::string>(op)
      .Case([&](arith::AddFOp) { return formatv("({0} + {1})", in[0], in[1]).str(); })
      .Case([&](arith::SubFOp) { return formatv("({0} - {1})", in[0], in[1]).str(); })
      .Case([&](arith::MulFOp) { return formatv("({0} * {1})", in[0], in[1]).str(); })
      .Case([&](arith::DivFOp) { return formatv("({0} / {1})", in[0], in[1]).str(); })
      .Case([&](arith::NegFOp) { return formatv("(-{0})", in[0]).str(); })
      // A maximum that keeps NaN.
      .Case([&](arith::MaximumFOp) { return formatv("({0} < {1} ? {1} : {0})", in[0], in[1]).str(); })
      .Case([&](math::ExpOp) { return formatv("expf({0})", in[0]).str(); })
      .Case([&](math::ErfOp) { return formatv("erff({0})", in[0]).str(); })
      .Case([&](math::TanhOp) { return formatv("tanhf({0})", in[0]).str(); })
      .Case([&](arith::ConstantOp constant) {
        auto value = cast<FloatAttr>(constant.getValue());
        return codegen::floatLiteral(value.getValue().convertToFloat());
      })
      .Default([](Operation *) { return std::string(); });
}

FailureOr<std::string> codegen::printScalar(lm::ElementwiseOpInterface op,
                                            ArrayRef<std::string> operands) {
  MLIRContext *context = op->getContext();
  context->loadDialect<arith::ArithDialect, math::MathDialect>();
  Block expression;
  SmallVector<Value> arguments;
  for (size_t i = 0; i < operands.size(); ++i)
    arguments.push_back(expression.addArgument(Float32Type::get(context), op->getLoc()));
  OpBuilder builder(context);
  builder.setInsertionPointToEnd(&expression);
  Value result = op.emitScalar(builder, op->getLoc(), arguments);

  bool repeats = llvm::any_of(arguments, [](Value v) { return !v.use_empty() && !v.hasOneUse(); });
  DenseMap<Value, std::string> printed;
  static constexpr StringLiteral letters[] = {"x", "y", "z"};
  for (auto [index, argument] : llvm::enumerate(arguments))
    printed[argument] = repeats ? letters[index].str() : operands[index];
  for (Operation &scalar : expression) {
    SmallVector<std::string> in;
    for (Value operand : scalar.getOperands())
      in.push_back(printed[operand]);
    std::string text = spell(&scalar, in);
    if (text.empty())
      return op->emitOpError() << "needs '" << scalar.getName() << "', which CUDA kernels do not have";
    printed[scalar.getResult(0)] = text;
  }
  if (!repeats)
    return printed[result];
  std::string parameters;
  for (size_t i = 0; i < operands.size(); ++i)
    parameters += (i ? ", float " : "float ") + letters[i].str();
  return formatv("[](" "{0}) {{ return {1}; }({2})", parameters, printed[result],
                 llvm::join(operands, ", "))
      .str();
}

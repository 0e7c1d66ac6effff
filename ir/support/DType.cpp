//===- DType.cpp - element types that Stoop stores ------------------------===//
#include "ir/support/DType.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

int64_t stoop::elementBytes(Type type) {
  if (type.isF32() || type.isInteger(32))
    return 4;
  if (type.isBF16() || type.isF16())
    return 2;
  return 0;
}

std::optional<stoop::QuantScheme> stoop::quantSchemeOf(RankedTensorType type) {
  auto name = dyn_cast_or_null<StringAttr>(type.getEncoding());
  return name ? QuantScheme::parse(name) : std::nullopt;
}

std::optional<int64_t> stoop::tensorBytes(RankedTensorType type) {
  if (!type.hasStaticShape())
    return std::nullopt;
  if (std::optional<QuantScheme> scheme = quantSchemeOf(type))
    return scheme->packedBytes(type.getDimSize(0), type.getDimSize(1));
  return type.getNumElements() * elementBytes(type.getElementType());
}

llvm::StringRef stoop::elementName(Type type) {
  if (type.isF32())
    return "f32";
  if (type.isBF16())
    return "bf16";
  if (type.isF16())
    return "f16";
  if (type.isInteger(32))
    return "i32";
  return "";
}

FloatType stoop::parseElementName(llvm::StringRef name, MLIRContext *context) {
  return llvm::StringSwitch<FloatType>(name)
      .Case("f32", Float32Type::get(context))
      .Case("bf16", BFloat16Type::get(context))
      .Case("f16", Float16Type::get(context))
      .Default(FloatType());
}

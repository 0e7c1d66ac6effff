//===- Fingerprint.cpp - what makes two fused regions the same ------------===//
//
// Knows ops by their generic form, so that a new op is part of fingerprints from its first day. Attention alone
// is known by name: how its keys are best split depends on how many there are.
//
//===----------------------------------------------------------------------===//
#include "passes/tuning/Fingerprint.h"

#include "ir/lm/LmOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace stoop::tuning {

static void printType(llvm::raw_ostream &out, Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor) {
    out << type.getAbstractType().getName();
    return;
  }
  // A vector of integers has one for each row: a token, a position.
  bool isPerRow = tensor.getRank() == 1 && tensor.getElementType().isInteger();
  out << (tensor.getRank() && !isPerRow ? tensor.getShape().back() : 1) << "x"
      << tensor.getElementType();
  if (Attribute encoding = tensor.getEncoding())
    out << ":" << encoding;
}

static bool namesSymbol(Attribute attribute) {
  return attribute
      .walk([](SymbolRefAttr) { return WalkResult::interrupt(); })
      .wasInterrupted();
}

std::string canonicalText(Region &region) {
  std::string text;
  llvm::raw_string_ostream out(text);
  llvm::DenseMap<Value, unsigned> numbers;
  auto print = [&](Value value) {
    out << " %" << numbers.try_emplace(value, numbers.size()).first->second << ":";
    printType(out, value.getType());
  };
  for (Operation &op : region.front()) {
    bool isEnd = &op == &region.front().back();
    out << (isEnd ? "yield" : op.getName().getStringRef());
    for (Value operand : op.getOperands())
      print(operand);
    for (NamedAttribute attribute : op.getAttrDictionary())
      if (!namesSymbol(attribute.getValue()))
        out << " " << attribute.getName().getValue() << "=" << attribute.getValue();
    out << " ->";
    for (Value result : op.getResults())
      print(result);
    if (auto attention = dyn_cast<lm::AttentionOp>(op))
      out << " context=" << attention.getCache().getType().getPositions();
    out << "\n";
  }
  return text;
}

std::string fingerprint(Region &region, DictionaryAttr metadata) {
  llvm::SHA256 hash;
  hash.update(canonicalText(region));
  // Whether activations beside integer weights stay floats.
  if (auto activations = metadata.getAs<StringAttr>("activation_dtype"))
    hash.update(activations.getValue());
  return llvm::toHex(hash.final(), /*LowerCase=*/true).substr(0, 16);
}

std::string summary(Region &region) {
  std::string text;
  llvm::raw_string_ostream out(text);
  for (Operation &op : region.front().without_terminator()) {
    out << (text.empty() ? "" : " ") << op.getName().stripDialect();
    // A matrix is what makes ops of one name differ.
    for (Value operand : op.getOperands().drop_front(op.getNumOperands() ? 1 : 0))
      if (auto matrix = dyn_cast<RankedTensorType>(operand.getType());
          matrix && isa<BlockArgument>(operand) && matrix.getRank() == 2 && op.getNumOperands() == 2) {
        out << " " << matrix.getDimSize(0) << "x" << matrix.getDimSize(1) << "x"
            << matrix.getElementType();
        if (auto scheme = dyn_cast_or_null<StringAttr>(matrix.getEncoding()))
          out << ":" << scheme.getValue();
      }
  }
  return text;
}

} // namespace stoop::tuning

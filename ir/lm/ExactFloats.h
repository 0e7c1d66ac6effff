//===- ExactFloats.h - float lists that survive their text -------*- C++ -*-===//
//
// The upstream printer of dense float arrays keeps seven digits, which moves a rotary frequency by
// several units in the last place: a module resumed from text would compute other logits. These
// directives print each element so that it parses to the same bits.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_IR_LM_EXACTFLOATS_H
#define STOOP_IR_LM_EXACTFLOATS_H

#include "mlir/IR/OpImplementation.h"

namespace stoop::lm {

/// "[1.0, 0.5]"
inline mlir::ParseResult parseExactFloats(mlir::AsmParser &parser, mlir::DenseF32ArrayAttr &list) {
  llvm::SmallVector<float> values;
  auto parseOne = [&]() -> mlir::ParseResult {
    llvm::APFloat value(0.0f);
    if (parser.parseFloat(llvm::APFloat::IEEEsingle(), value))
      return mlir::failure();
    values.push_back(value.convertToFloat());
    return mlir::success();
  };
  if (parser.parseCommaSeparatedList(mlir::AsmParser::Delimiter::Square, parseOne))
    return mlir::failure();
  list = mlir::DenseF32ArrayAttr::get(parser.getContext(), values);
  return mlir::success();
}

inline void printExactFloats(mlir::AsmPrinter &printer, mlir::DenseF32ArrayAttr list) {
  printer << '[';
  llvm::interleaveComma(list.asArrayRef(), printer.getStream(),
                        [&](float value) { printer.printFloat(llvm::APFloat(value)); });
  printer << ']';
}

inline void printExactFloats(mlir::OpAsmPrinter &printer, mlir::Operation *,
                             mlir::DenseF32ArrayAttr list) {
  printExactFloats(printer, list);
}

} // namespace stoop::lm

#endif // STOOP_IR_LM_EXACTFLOATS_H

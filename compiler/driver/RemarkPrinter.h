//===- RemarkPrinter.h - the passes' remarks on standard error ---*- C++ -*-===//
#ifndef STOOP_COMPILER_DRIVER_REMARKPRINTER_H
#define STOOP_COMPILER_DRIVER_REMARKPRINTER_H

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringRef.h"

namespace stoop::driver {

/// Prints each remark whose category (fusion, schedule, memory) matches the regular expression: one
/// line with verdict, pass, model path and facts. When none did, a warning says which there are.
/// Fails on what is no regular expression, with the reason in `message`.
mlir::LogicalResult printRemarks(mlir::MLIRContext &context, const std::string &filter,
                                 std::string &message);

} // namespace stoop::driver

#endif

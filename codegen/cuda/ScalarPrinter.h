//===- ScalarPrinter.h - elementwise ops as CUDA expressions ------*- C++ -*-===//
#ifndef STOOP_CODEGEN_CUDA_SCALARPRINTER_H
#define STOOP_CODEGEN_CUDA_SCALARPRINTER_H

#include "ir/lm/LmOps.h"
#include <string>

namespace stoop::codegen {

/// The float32 expression of `op` over operand expressions. An expression that is used more than once
/// is evaluated once. Reports ops of arith and math that it has no spelling for.
mlir::FailureOr<std::string> printScalar(lm::ElementwiseOpInterface op,
                                         llvm::ArrayRef<std::string> operands);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CUDA_SCALARPRINTER_H

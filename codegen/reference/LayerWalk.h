//===- LayerWalk.h - the inputs of all linears, one after the other ---------------------------===//
//
// Evaluates an entry op by op and shows what enters each matrix product. No value, weight or cache
// is held beyond its last use, so memory is that of one layer however many there are.
//
//===------------------------------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_REFERENCE_LAYERWALK_H
#define STOOP_CODEGEN_REFERENCE_LAYERWALK_H

#include "codegen/reference/Evaluator.h"

#include "mlir/IR/Visitors.h"

namespace stoop::reference {

/// Called before a linear is evaluated, with its inputs [rows, cols] and its weight [n, cols]. An
/// interrupt ends the walk.
using LinearFn =
    llvm::function_ref<mlir::WalkResult(lm::LinearOp op, const Tensor &inputs, const Tensor &weight)>;

/// Walks through `entry` on one step. Errors are emitted.
llvm::LogicalResult walkLinears(Evaluator &evaluator, lm::EntryOp entry, const Step &step,
                                LinearFn onLinear);

} // namespace stoop::reference

#endif // STOOP_CODEGEN_REFERENCE_LAYERWALK_H

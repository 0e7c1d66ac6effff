//===- LmOps.h - ops of the model dialect ------------------------*- C++ -*-===//
#ifndef STOOP_IR_LM_LMOPS_H
#define STOOP_IR_LM_LMOPS_H

#include "ir/lm/LmDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace stoop::lm {
/// The KV cache as a side-effect resource: appends write it, attention reads it.
struct KvResource : public mlir::SideEffects::Resource::Base<KvResource> {
  llvm::StringRef getName() final { return "kv cache"; }
};

/// Columns of a block that the kernels of all targets finish together.
inline constexpr int64_t kReductionBlock = 16;

/// Blocks of `columns` columns; the last may be a part of one.
inline constexpr int64_t numBlocks(int64_t columns, int64_t block = kReductionBlock) {
  return (columns + block - 1) / block;
}

/// Part of an op in a fused region; see FusibleOpInterface.
enum class FusionRole { Alone, Prologue, Linear, Epilogue };
} // namespace stoop::lm

#include "ir/lm/LmInterfaces.h.inc"

#define GET_OP_CLASSES
#include "ir/lm/LmOps.h.inc"

#endif // STOOP_IR_LM_LMOPS_H

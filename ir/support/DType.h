//===- DType.h - element types that Stoop stores -----------------*- C++ -*-===//
//
// The floating-point element types of checkpoints, weights, activations and KV caches, and the byte
// sizes derived from them. Every size in a plan goes through here; nothing asks MLIR's DataLayout.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_IR_SUPPORT_DTYPE_H
#define STOOP_IR_SUPPORT_DTYPE_H

#include "ir/support/QuantScheme.h"
#include "mlir/IR/BuiltinTypes.h"
#include <optional>

namespace stoop {

/// Bytes of one element; 0 for a type that Stoop does not store.
int64_t elementBytes(mlir::Type type);

/// The scheme that a matrix type's encoding names; nullopt for a tensor that is not quantised.
std::optional<QuantScheme> quantSchemeOf(mlir::RankedTensorType type);

/// Bytes of a static tensor, rows x columns without padding (a quantised matrix: as packed);
/// nullopt when a dimension is dynamic.
std::optional<int64_t> tensorBytes(mlir::RankedTensorType type);

/// "f32", "bf16", "f16", "i32"; empty for any other type.
llvm::StringRef elementName(mlir::Type type);

/// The float type named "f32", "bf16" or "f16"; null for any other name.
mlir::FloatType parseElementName(llvm::StringRef name, mlir::MLIRContext *context);

} // namespace stoop

#endif // STOOP_IR_SUPPORT_DTYPE_H

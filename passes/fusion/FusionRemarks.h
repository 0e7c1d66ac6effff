//===- FusionRemarks.h - fusion decisions as remarks ---------------------===//
#ifndef STOOP_PASSES_FUSION_FUSIONREMARKS_H
#define STOOP_PASSES_FUSION_FUSIONREMARKS_H

#include "mlir/IR/Operation.h"

namespace stoop::fusion {

/// Remark, category `fusion`: `op` of an entry joined the region of `kind`.
void remarkPassed(mlir::Operation *op, llvm::StringRef pass, llvm::StringRef kind);

/// Remark, category `fusion`: `op` of an entry stays alone, and why.
void remarkMissed(mlir::Operation *op, llvm::StringRef pass, llvm::StringRef reason);

} // namespace stoop::fusion

#endif // STOOP_PASSES_FUSION_FUSIONREMARKS_H

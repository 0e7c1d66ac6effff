//===- FusionLegality.h - which ops may share a region -------------------===//
//
// Questions that the fusion passes and their gate ask, answered through interfaces alone: a new op
// takes part by implementing FusibleOpInterface, and no model or op is named here.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_FUSION_FUSIONLEGALITY_H
#define STOOP_PASSES_FUSION_FUSIONLEGALITY_H

#include "passes/fusion/RegionGrammar.h"

namespace stoop::fusion {

/// True if the op anchors a region that elementwise users may join.
bool acceptsEpilogue(mlir::Operation *op);

/// The only user of the op's only result if that user is elementwise, stands in the same block and
/// keeps the shape.
mlir::Operation *epilogueUser(mlir::Operation *op);

/// `first` and the chain of epilogue users behind it, in program order.
llvm::SmallVector<mlir::Operation *> epilogueChain(mlir::Operation *first);

/// Why elementwise `op` is not in the region that makes one of its operands; empty if no operand
/// comes from a region.
std::string missedReason(mlir::Operation *op);

/// Moves `ops` (program order; each but the last used only by later ones) into one lm.fused at the
/// place of the last. Inputs are the values from outside in order of first use; results are those
/// of the last op.
lm::FusedOp outlineFused(llvm::ArrayRef<mlir::Operation *> ops, llvm::StringRef kind);

} // namespace stoop::fusion

#endif // STOOP_PASSES_FUSION_FUSIONLEGALITY_H

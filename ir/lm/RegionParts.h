//===- RegionParts.h - prologue and segments of a fused region ---*- C++ -*-===//
//
// Reads the grammar of fused regions: whole-row ops in front of the linears, then segments: linears of
// equal width combined by elementwise ops, views, rotations, appends and reductions. Planning counts tiles with it,
// code generators print from it. A region without linears has a prologue alone or one segment alone.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_IR_LM_REGIONPARTS_H
#define STOOP_IR_LM_REGIONPARTS_H

#include "ir/lm/LmOps.h"

namespace stoop::lm {

/// Ops that belong together column by column, in program order.
struct RegionSegment {
  llvm::SmallVector<mlir::Operation *> ops;
  llvm::SmallVector<LinearOp> linears;
  int64_t columns = 0; ///< width of the linears, or of the ops if there are none
  int64_t headDim = 0; ///< head size of the rotations; 0: none
};

/// A fused region taken apart. Attention regions have no parts: `attention` is set instead.
struct RegionParts {
  AttentionOp attention;
  mlir::Operation *source = nullptr; ///< lm.embedding or lm.gather_last in front of everything
  llvm::SmallVector<NormOp> norms;   ///< all of one value
  llvm::SmallVector<RegionSegment> segments;

  bool hasPrologue() const { return source || !norms.empty(); }
  /// The value that the prologue starts from: the source's result or the norms' input.
  mlir::Value prologueValue() const;
};

/// Takes the region of a lm.fused or plan.kernel apart; reports the first op that the grammar has no
/// place for.
mlir::FailureOr<RegionParts> takeApart(mlir::Block &region);

/// Whether all that stands in front of the linears are norms with moments that nothing but them reads: tiles of many
/// rows can normalise those as they load them.
bool isNormedByTiles(mlir::Block &region);

} // namespace stoop::lm

#endif // STOOP_IR_LM_REGIONPARTS_H

//===- RegionGrammar.h - what a fused region may hold --------------------===//
//
// The grammar of lm.fused as one function, asked by the gate about regions that exist and by the
// fusion passes about regions that they would like to form. It answers through FusibleOpInterface:
// no model is named here and no op but lm.view, which only says which columns are meant.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_FUSION_REGIONGRAMMAR_H
#define STOOP_PASSES_FUSION_REGIONGRAMMAR_H

#include "ir/lm/LmOps.h"

#include "llvm/ADT/STLFunctionalExtras.h"

#include <optional>
#include <string>

namespace stoop::fusion {

/// Kind of regions that hold elementwise ops alone.
inline constexpr llvm::StringLiteral kElementwiseKind = "elementwise";

/// Kind of the region that the op can be on its own, or empty.
llvm::StringRef anchorKind(mlir::Operation *op);

/// The op's role; Alone for ops without the interface.
lm::FusionRole roleOf(mlir::Operation *op);

/// True if the op computes each element from the same element of its operands.
bool isElementwise(mlir::Operation *op);

/// True if the op only names columns of its operand: a view.
bool selectsColumns(mlir::Operation *op);

/// True if the op reduces blocks of columns of its operand.
bool isReduction(mlir::Operation *op);

/// Where the op stands in the general region: prologue 0, linear 1, epilogue 2.
int stageOf(mlir::Operation *op);

/// Kind of a region of `ops` (not empty); empty if no kind has such ops.
llvm::StringRef regionKind(llvm::ArrayRef<mlir::Operation *> ops);

/// Which rule of the grammar an op breaks: a clause that follows the op's name.
struct GrammarError {
  mlir::Operation *op;
  std::string text;
};

/// Checks a region of `ops`, in order and not empty, which stores `results`. `resolve` maps an
/// operand to the result of an op that it stands for, or to itself.
std::optional<GrammarError> checkRegion(llvm::ArrayRef<mlir::Operation *> ops,
                                        llvm::ArrayRef<mlir::Value> results,
                                        llvm::function_ref<mlir::Value(mlir::Value)> resolve);

} // namespace stoop::fusion

#endif // STOOP_PASSES_FUSION_REGIONGRAMMAR_H

//===- LinearRegion.h - the parts of a fused region of linears ---*- C++ -*-===//
//
// Sorts the ops of a kernel of kind linear into what the template knows: one source of rows and its
// norms, inputs, segments of products with their elementwise ops and reductions, and column ranges that are
// rotated, stored or cached. Pure analysis; every op of the body ends up in exactly one place.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CPU_LINEARREGION_H
#define STOOP_CODEGEN_CPU_LINEARREGION_H

#include "ir/lm/LmOps.h"
#include "ir/plan/PlanOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallVector.h"

namespace stoop::codegen {

/// A column range of a segment's value that is more than stored whole: `view` is the lm.view (or
/// the whole value), `rope` its rotation if it has one. Exactly one of `result` and `append` is
/// set.
struct RegionPart {
  mlir::Value whole;     ///< the segment's value
  mlir::Value columns;   ///< the range, before rotation
  lm::RopeOp rope;       ///< null: not rotated
  int result = -1;       ///< index among the kernel's results
  lm::KvAppendOp append; ///< cache that takes it
  bool isValue = false;  ///< as values, not keys
};

/// Linears with the same number of columns that elementwise ops connect.
struct RegionSegment {
  llvm::SmallVector<lm::LinearOp> products;
  llvm::SmallVector<mlir::Operation *> columnwise; ///< elementwise ops and reductions, in program order
  llvm::SmallVector<lm::BlockMomentsOp> moments;   ///< of values that are stored: blocks of many panels
  llvm::SmallVector<mlir::Value> tailValues;       ///< values that parts are ranges of
  llvm::SmallVector<RegionPart> parts;
};

/// A region of kind linear.
struct LinearRegion {
  mlir::Value source;                ///< the rows that norms read, or a gathered value; may be null
  mlir::Operation *gather = nullptr; ///< lm.gather_last or lm.embedding that defines `source`
  llvm::SmallVector<lm::NormOp> norms;
  llvm::SetVector<mlir::Value> inputs; ///< what products read, and norms
  llvm::SmallVector<RegionSegment, 2> segments;
};

/// The region in the body of `kernel`. Reports at the op that fits nowhere.
mlir::FailureOr<LinearRegion> readLinearRegion(plan::KernelOp kernel);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CPU_LINEARREGION_H

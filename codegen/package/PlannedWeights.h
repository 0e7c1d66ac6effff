//===- PlannedWeights.h - plan.weight ops as packing jobs -------*- C++ -*-===//
#ifndef STOOP_CODEGEN_PACKAGE_PLANNEDWEIGHTS_H
#define STOOP_CODEGEN_PACKAGE_PLANNEDWEIGHTS_H

#include "codegen/package/WeightPacker.h"
#include "ir/plan/PlanOps.h"

namespace stoop::codegen {

/// The weights of a planned program and the arena they go to.
struct PlannedWeights {
  std::vector<WeightPack> packs;
  uint64_t arenaBytes = 0; ///< 0 when the program has no constant arena
};

/// Reads every plan.weight of `program`. With a `weightsFolder`, files are looked for there by
/// their base names, wherever the IR says they were. Emits an error at an op it cannot use.
mlir::FailureOr<PlannedWeights> readPlannedWeights(plan::ProgramOp program,
                                                   llvm::StringRef weightsFolder);

} // namespace stoop::codegen

#endif

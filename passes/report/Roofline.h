//===- Roofline.h - the least time that work can take ------------*- C++ -*-===//
//
// A program is compiled for many machines and must not depend on the one that compiles it, so
// times are predicted for a machine of a table, which the report names.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_REPORT_ROOFLINE_H
#define STOOP_PASSES_REPORT_ROOFLINE_H

#include "passes/report/ProgramReport.h"

namespace stoop::report {

/// The machine for a target's level or architecture; nothing if the table has none. `dtype` is the
/// type of the arithmetic's inputs.
std::optional<Machine> findMachine(llvm::StringRef target, llvm::StringRef level,
                                   llvm::StringRef dtype);

/// The machines that steps of a program for `target` are predicted for, without steps.
std::vector<StepPrediction> predictedMachines(llvm::StringRef target, llvm::StringRef dtype);

/// What the ranking of schedules knows of a GPU: rates in reach, a second.
struct GpuModel {
  llvm::StringRef name;
  int64_t multiprocessors, sharedBytes; ///< shared memory of a multiprocessor
  double memoryBytes, cacheBytes, flops, wideFlops; ///< wide: in float32 without tensor cores
  double launch, latency;                           ///< seconds
};

/// The GPUs of the table that code for the level is for, best last; none for other targets.
std::vector<GpuModel> gpuModels(llvm::StringRef level, llvm::StringRef dtype);

/// Adds `launches` launches of a kernel to the step that `prediction` has last.
void predictLaunches(StepPrediction &prediction, const Cost &cost, int64_t launches);

/// Sets time and bound of a cost: max(bytes / bandwidth, flops / peak); without a machine no time.
void predict(Cost &cost, const std::optional<Machine> &machine);

} // namespace stoop::report

#endif // STOOP_PASSES_REPORT_ROOFLINE_H

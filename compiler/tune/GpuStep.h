//===- GpuStep.h - a whole step of a program on a GPU ------------*- C++ -*-===//
//
// Schedules that are timed alone mislead: what a launch costs depends on what the ones around it leave in caches and how they
// overlap. So a candidate is timed where it belongs, in its entry's captured graph, which the runtime itself records and
// launches. The program is as planned but for two things: weights and caches hold one pattern of finite numbers, and there is
// one entry for each candidate, all in the same memory.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_TUNE_GPUSTEP_H
#define STOOP_COMPILER_TUNE_GPUSTEP_H

#include "codegen/cuda/NvrtcCompiler.h"
#include "ir/plan/PlanOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <memory>

namespace stoop::tune {

/// Code of a kernel and how it is launched; both live as long as the step.
struct StepCode {
  const codegen::CompiledCode *code;
  plan::GeometryAttr geometry;
};

class GpuStep {
public:
  /// Takes the memory of `launch`'s program on the first GPU and captures a graph of its entry for each of `variants`, which
  /// are the code of all launches there of `launch`'s kernel; `codeOf` has that of the others. `takesCubins`: else PTX is loaded.
  /// Fails with the runtime's words.
  static llvm::Expected<std::unique_ptr<GpuStep>>
  load(plan::LaunchOp launch, llvm::ArrayRef<StepCode> variants, llvm::function_ref<StepCode(plan::KernelOp)> codeOf,
       const kernels::GpuArchitecture &architecture, bool takesCubins);
  ~GpuStep();

  /// One step with that variant: all rows at the end of a full context.
  llvm::Error run(unsigned variant);
  /// Launches of the kernel in a step.
  unsigned launches() const;

private:
  class Program;
  explicit GpuStep(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program;
};

} // namespace stoop::tune

#endif // STOOP_COMPILER_TUNE_GPUSTEP_H

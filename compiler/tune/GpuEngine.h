//===- GpuEngine.h - kernels on a GPU of this machine -------------*- C++ -*-===//
#ifndef STOOP_COMPILER_TUNE_GPUENGINE_H
#define STOOP_COMPILER_TUNE_GPUENGINE_H

#include "compiler/tune/Engine.h"
#include "compiler/tune/GpuStep.h"
#include "kernels/catalog/GpuCatalog.h"
#include "runtime/device/cuda/driver.h"
#include <map>

namespace stoop::tune {

/// Kernels for one architecture on the first GPU that the driver names.
class GpuEngine final : public Engine {
public:
  /// Opens the GPU; fails with the driver's words where there is none, or when code for `architecture` does
  /// not run there. `jobs` threads compile (0: one per processor).
  static llvm::Expected<std::unique_ptr<GpuEngine>> open(const kernels::GpuArchitecture &architecture,
                                                         unsigned jobs);
  ~GpuEngine() override;

  const std::string &deviceName() const { return name; }
  unsigned multiprocessors() const { return numMultiprocessors; }

  /// Rejects what needs more shared memory than a block has, and what spills registers.
  void compile(std::vector<Candidate> &candidates, plan::KernelOp kernel) override;
  llvm::Error run(const Code &code, Workload &work, uint32_t rows) override;
  /// Loads the launch's program with all of them.
  llvm::Error prepare(llvm::ArrayRef<const Candidate *> candidates, plan::LaunchOp launch) override;
  /// A step of the program, by events around a few: the GPU's own clock.
  llvm::Expected<uint64_t> time(const Candidate &candidate, Workload *work, uint32_t rows) override;
  unsigned launchesTimed() const override;
  /// A kernel is a part of a step.
  double leastGain() const override { return 0.002; }

private:
  class Operands;
  struct Planned {
    codegen::CompiledCode code;
    plan::GeometryAttr geometry;
  };

  GpuEngine(const kernels::GpuArchitecture &architecture, unsigned jobs);
  llvm::Error openDevice();
  llvm::Error check(int error, const char *call) const;
  llvm::Expected<Operands *> operandsOf(const Workload &work, uint64_t scratchBytes, uint32_t rows);
  llvm::Error launch(const Code &code, Operands &on);
  llvm::Error compileEntry(plan::EntryOp entry);

  const kernels::GpuArchitecture &architecture;
  unsigned jobs;
  rt::CudaDriver api;
  int device = 0;
  std::string name;
  unsigned numMultiprocessors = 0;
  void *context = nullptr, *stream = nullptr, *events[2] = {};
  std::unique_ptr<Operands> operands; ///< of the workload that ran last
  std::unique_ptr<GpuStep> step;       ///< with one entry for each of `timed`
  std::vector<const Candidate *> timed;
  std::map<mlir::Operation *, Planned> planned; ///< kernels as the plan has them
  bool takesCubins = true; ///< drivers that do not take PTX
};

} // namespace stoop::tune

#endif // STOOP_COMPILER_TUNE_GPUENGINE_H

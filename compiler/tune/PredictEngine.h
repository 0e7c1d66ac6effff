//===- PredictEngine.h - a ranking where no GPU is ---------------*- C++ -*-===//
#ifndef STOOP_COMPILER_TUNE_PREDICTENGINE_H
#define STOOP_COMPILER_TUNE_PREDICTENGINE_H

#include "compiler/tune/Engine.h"
#include "kernels/catalog/GpuCatalog.h"
#include "passes/report/LaunchModel.h"

namespace stoop::tune {

/// Compiles candidates for a GPU that is not here and takes their times from the model of passes/report. Nothing runs.
class PredictEngine final : public Engine {
public:
  /// `jobs` threads compile (0: one per processor).
  PredictEngine(const report::GpuModel &gpu, const kernels::GpuArchitecture &architecture, unsigned jobs)
      : gpu(gpu), architecture(architecture), jobs(jobs) {}

  bool runs() const override { return false; }
  void compile(std::vector<Candidate> &candidates, plan::KernelOp kernel) override;
  llvm::Error run(const Code &code, Workload &work, uint32_t rows) override;
  llvm::Error prepare(llvm::ArrayRef<const Candidate *> candidates, plan::LaunchOp launch) override;
  llvm::Expected<uint64_t> time(const Candidate &candidate, Workload *work, uint32_t rows) override;

private:
  report::GpuModel gpu;
  const kernels::GpuArchitecture &architecture;
  unsigned jobs;
  plan::LaunchOp launch; ///< that is asked about
};

} // namespace stoop::tune

#endif // STOOP_COMPILER_TUNE_PREDICTENGINE_H

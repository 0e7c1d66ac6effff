//===- GpuEngine.h - kernels on a GPU of this machine -------------*- C++ -*-===//
#ifndef STOOP_COMPILER_TUNE_GPUENGINE_H
#define STOOP_COMPILER_TUNE_GPUENGINE_H

#include "compiler/tune/Engine.h"
#include "kernels/catalog/GpuCatalog.h"
#include "runtime/device/cuda/driver.h"

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
  /// By events around the launches: the GPU's own clock.
  llvm::Expected<uint64_t> time(const Code &code, Workload &work, uint32_t rows) override;

private:
  class Operands;

  GpuEngine(const kernels::GpuArchitecture &architecture, unsigned jobs);
  llvm::Error openDevice();
  llvm::Error check(int error, const char *call) const;
  llvm::Expected<Operands *> operandsOf(const Workload &work, uint64_t scratchBytes, uint32_t rows);
  llvm::Error launch(const Code &code, Operands &on, unsigned copy);

  const kernels::GpuArchitecture &architecture;
  unsigned jobs;
  rt::CudaDriver api;
  int device = 0;
  std::string name;
  unsigned numMultiprocessors = 0;
  void *context = nullptr, *stream = nullptr, *events[2] = {};
  std::unique_ptr<Operands> operands; ///< of the workload that ran last
  unsigned nextCopy = 0;
  bool takesCubins = true; ///< drivers that do not take PTX
};

} // namespace stoop::tune

#endif // STOOP_COMPILER_TUNE_GPUENGINE_H

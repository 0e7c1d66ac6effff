//===- CpuEngine.h - kernels on this machine's processors ---------*- C++ -*-===//
#ifndef STOOP_COMPILER_TUNE_CPUENGINE_H
#define STOOP_COMPILER_TUNE_CPUENGINE_H

#include "codegen/cpu/SpecializeKernel.h"
#include "compiler/tune/Engine.h"
#include "kernels/catalog/Catalog.h"
#include "runtime/device/cpu/thread_pool.h"
#include <functional>

namespace stoop::tune {

/// Kernels for one level on threads of the runtime's pool, pinned as a program's are.
class CpuEngine final : public Engine {
public:
  /// Tests damage a candidate's kernel with it; called after it is described.
  using Alter = std::function<void(const tuning::Tunables &, codegen::KernelSpec &)>;

  /// Starts `threads` threads; `jobs` threads compile (0: one per processor).
  static llvm::Expected<std::unique_ptr<CpuEngine>> start(const kernels::KernelLevel &level,
                                                          unsigned threads, unsigned jobs,
                                                          Alter alter = {});

  void compile(std::vector<Candidate> &candidates, plan::KernelOp kernel) override;
  llvm::Error run(const Code &code, Workload &work, uint32_t rows) override;
  uint64_t streamBytes() const override;
  llvm::Expected<uint64_t> time(const Candidate &candidate, Workload *work, uint32_t rows) override;

private:
  CpuEngine(const kernels::KernelLevel &level, unsigned jobs, Alter alter)
      : level(level), jobs(jobs), alter(std::move(alter)), memory(nullptr) {}
  void launch(const Code &code, void **buffers, uint32_t rows);

  const kernels::KernelLevel &level;
  unsigned jobs;
  Alter alter;
  rt::Memory memory;
  rt::ThreadPool pool;
  std::unique_ptr<Pages> scratch;
  uint64_t scratchBytes = 0; ///< a thread
  unsigned nextCopy = 0;
};

} // namespace stoop::tune

#endif // STOOP_COMPILER_TUNE_CPUENGINE_H

//===- GpuCode.h - candidates as code for a GPU ------------------*- C++ -*-===//
//
// From tunables to machine code, and what is rejected on the way: by rules of the region, by the shared memory of a block, by
// the compiler, for spilled registers. Needs no GPU.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_TUNE_GPUCODE_H
#define STOOP_COMPILER_TUNE_GPUCODE_H

#include "codegen/cuda/NvrtcCompiler.h"
#include "compiler/tune/Engine.h"
#include "kernels/catalog/GpuCatalog.h"
#include "runtime/device/cuda/driver.h"

namespace stoop::tune {

/// A candidate for one architecture.
struct GpuCode final : Code {
  std::string source;
  plan::GeometryAttr geometry;
  std::vector<uint8_t> access; ///< of each operand: 1 reads, 2 writes, 3 both
  codegen::CompiledCode compiled = {};
  unsigned registers = 0; ///< of a thread
  // Once it is loaded.
  const rt::CudaDriver *api = nullptr;
  void *module = nullptr, *function = nullptr;

  GpuCode(std::string source, plan::KernelOp kernel);
  ~GpuCode() override;
  bool isSameAs(const Code &other) const override {
    const auto &code = static_cast<const GpuCode &>(other);
    return source == code.source && geometry == code.geometry;
  }
};

/// Takes a candidate's code away and says why.
void reject(Candidate &candidate, tuning::Rejection::Reason reason, std::string problem);

/// Gives each candidate for `kernel` a GpuCode or a problem, on `jobs` threads (0: one per processor). Leaves the kernel as it was.
void compileForGpu(std::vector<Candidate> &candidates, plan::KernelOp kernel, const kernels::GpuArchitecture &architecture,
                   unsigned jobs);

} // namespace stoop::tune

#endif // STOOP_COMPILER_TUNE_GPUCODE_H

//===- GpuHarness.h - one CUDA kernel on the virtual GPU ----------*- C++ -*-===//
//
// From the text of a plan.kernel to numbers: geometry, source, NVRTC, the virtual driver with its
// checkers and the launch contract; and the same region on the reference evaluator.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_TEST_KERNELS_CUDA_GPUHARNESS_H
#define STOOP_TEST_KERNELS_CUDA_GPUHARNESS_H

#include "runtime/device/cuda/driver.h"
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace stoop::test {

/// The architecture that STOOP_TEST_GPU_ARCH names; sm_80.
std::string architectureName();

/// Whether launches may overlap there.
bool overlapsLaunches();

/// The virtual driver with the test's hooks: one context and stream per process.
struct VirtualGpu {
  static VirtualGpu &get();

  rt::CudaDriver api;
  void *stream = nullptr;
  const char *(*findings)() = nullptr;
  void (*reset)() = nullptr;
  void (*seed)(uint64_t) = nullptr;
  void (*count)(int) = nullptr; ///< of test/vgpu/driver/Hooks.h
  const char *(*counts)() = nullptr;
  std::string failure; ///< empty: there is one

private:
  VirtualGpu();
};

/// The step that a kernel runs in. Rows behind `validRows` are padding.
struct GpuStep {
  int validRows = 1;
  std::vector<int32_t> positions, slots; ///< one per row of the entry
  uint64_t seed = 1;                     ///< of inputs and of the order of blocks and warps
  int multiprocessors = 3;               ///< of the GPU, for kernels that take one block each
};

/// What came out.
struct GpuOutcome {
  std::string failure;  ///< empty: compiled, launched, no findings
  std::string findings; ///< of the virtual GPU's checkers
  double worst = 0;     ///< largest difference from the reference, relative to the largest magnitude
  int sourceLines = 0;
  unsigned registers = 0, localBytes = 0, sharedBytes = 0; ///< shared: static and dynamic
};

/// What the virtual GPU counted of one instruction, as check/Counters.h says.
struct OpCount {
  std::string opcode, text; ///< text: the line of the report
  uint64_t executed = 0, requests = 0, bytes = 0, sectors = 0, passes = 0, leastPasses = 0, bytesAhead = 0, bytesUntriggered = 0;
};
/// Of all kernels that ran since the virtual GPU was told to count.
std::vector<OpCount> countedOps();

/// Changes PTX before it is loaded.
using PtxEdit = std::function<std::string(const std::string &ptx)>;

/// Compiles and runs the only kernel of `text` (a plan.kernel) for the architecture that
/// STOOP_TEST_GPU_ARCH names (sm_80). `edit`, if given, changes the PTX before it is loaded.
GpuOutcome runGpuKernel(const std::string &text, const GpuStep &step,
                        const PtxEdit &edit = nullptr);

/// The PTX of the kernel.
std::string ptxOf(const std::string &text);

} // namespace stoop::test

#endif // STOOP_TEST_KERNELS_CUDA_GPUHARNESS_H

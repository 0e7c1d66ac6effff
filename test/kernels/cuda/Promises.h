//===- Promises.h - counts behind what kernels promise ------------*- C++ -*-===//
//
// One launch on the virtual GPU with its counters on, and what NVRTC's machine code takes of a multiprocessor.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_TEST_KERNELS_CUDA_PROMISES_H
#define STOOP_TEST_KERNELS_CUDA_PROMISES_H

#include "test/kernels/cuda/GpuHarness.h"

namespace stoop::test {

/// One GPU of the kind that STOOP_TEST_GPU_ARCH names, from its data sheet: NVIDIA A100 (SXM 80 GB) and H200 (SXM) at their
/// boost clocks.
struct Machine {
  double bytesPerSecond, multiprocessors, hertz;
  unsigned sharedKib; ///< of a multiprocessor

  /// Instructions that all warps of a multiprocessor can issue while one 16-bit weight comes from memory.
  double instructionsPerWeight() const { return 4 * multiprocessors * hertz / (bytesPerSecond / 2); }
  /// Blocks of a kernel that share a multiprocessor: by registers, shared memory (a KiB of each block is the system's; on
  /// sm_90 it is in the cubin) and threads.
  int residentBlocks(const GpuOutcome &outcome, int threads) const;
};
Machine machine();

struct Counted {
  GpuOutcome outcome;
  std::vector<OpCount> ops;
};
/// Runs the only kernel of `text` once; expects that nothing was wrong.
Counted countRun(const std::string &text, const GpuStep &step);

/// Expects that accesses to shared memory take as few turns over its banks as their bytes need, and that there are some.
void expectNoBankTwice(const std::vector<OpCount> &ops);

/// A line of the table that the tests print: what was counted of one launch. `planned`, `read`: bytes of weights or caches.
void printPromise(const char *kernel, const Counted &counted, uint64_t planned, uint64_t read, int threads);

} // namespace stoop::test

#endif // STOOP_TEST_KERNELS_CUDA_PROMISES_H

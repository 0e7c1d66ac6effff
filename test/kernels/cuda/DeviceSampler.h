//===- DeviceSampler.h - the sampling kernel on the virtual GPU ---*- C++ -*-===//
//
// One generation's state, history and logits on the device. Each step's state and history have to be what the chosen
// token makes of those before.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_TEST_KERNELS_CUDA_DEVICESAMPLER_H
#define STOOP_TEST_KERNELS_CUDA_DEVICESAMPLER_H

#include "codegen/cuda/CubinInfo.h"
#include "runtime/sampler/sampler.h"
#include "stoop/abi.h"
#include "test/kernels/cuda/GpuHarness.h"

namespace stoop::test {

/// The kernel with its memory on the device, for logits of `vocab` ids.
class DeviceSampler {
public:
  /// `edit`, if given, changes the PTX before it is loaded. `failure` says what went wrong.
  explicit DeviceSampler(uint32_t vocab, const PtxEdit &edit = nullptr);
  ~DeviceSampler();
  DeviceSampler(const DeviceSampler &) = delete;
  DeviceSampler &operator=(const DeviceSampler &) = delete;

  /// Starts where the host's sampler stands, in row `row` of 2, at a token before the ring ends; the other row is idle.
  void begin(const rt::Sampler &sampler, std::vector<uint32_t> history, uint32_t row = 0);
  /// Chooses among ids below `numIds`, with the maxima of blocks of logits or without; findings, and a state or history that is wrong behind it, go to `failure`.
  uint32_t sample(const std::vector<float> &logits, uint32_t numIds, uint64_t seed, bool hasMaxima = false);

  /// The PTX of the sampling kernels; empty with a reason in `failure`.
  static std::string ptx(std::string &failure, codegen::CubinInfo &info);

  std::string failure;
  codegen::CubinInfo info;

private:
  /// Reads state and history back and compares; returns the token.
  uint32_t advance();

  VirtualGpu &gpu = VirtualGpu::get();
  uint32_t vocab, row = 0;
  void *module = nullptr, *function = nullptr;
  uint64_t states = 0, histories = 0, logitsAt = 0, maximaAt = 0;
  stoop_gpu_state state{}; ///< as it has to be on the device, like the history
  std::vector<uint32_t> history;
};

} // namespace stoop::test

#endif // STOOP_TEST_KERNELS_CUDA_DEVICESAMPLER_H

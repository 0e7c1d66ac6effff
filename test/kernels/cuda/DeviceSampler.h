//===- DeviceSampler.h - the sampling kernel on the virtual GPU ---*- C++ -*-===//
//
// One generation's state, history and logits on the device, and random generations for which the host's
// sampler says what has to come out.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_TEST_KERNELS_CUDA_DEVICESAMPLER_H
#define STOOP_TEST_KERNELS_CUDA_DEVICESAMPLER_H

#include "codegen/cuda/CubinInfo.h"
#include "runtime/sampler/sampler.h"
#include "test/kernels/cuda/GpuHarness.h"
#include <random>

namespace stoop::test {

/// The kernel with its memory on the device, for logits of `vocab` ids.
class DeviceSampler {
public:
  /// `edit`, if given, changes the PTX before it is loaded. `failure` says what went wrong.
  explicit DeviceSampler(uint32_t vocab, const PtxEdit &edit = nullptr);
  ~DeviceSampler();
  DeviceSampler(const DeviceSampler &) = delete;
  DeviceSampler &operator=(const DeviceSampler &) = delete;

  /// Starts where the host's sampler stands, in row `row` of 2; the other one is idle.
  void begin(const rt::Sampler &sampler, const std::vector<uint32_t> &history, uint32_t row = 0);
  /// Chooses among ids below `numIds`; findings go to `failure`.
  uint32_t sample(const std::vector<float> &logits, uint32_t numIds, uint64_t seed);

  /// The PTX of the sampling kernels; empty with a reason in `failure`.
  static std::string ptx(std::string &failure, codegen::CubinInfo &info);

  std::string failure;
  codegen::CubinInfo info;

private:
  VirtualGpu &gpu = VirtualGpu::get();
  uint32_t vocab, row = 0;
  void *module = nullptr, *function = nullptr;
  uint64_t states = 0, histories = 0, logitsAt = 0;
};

/// Random settings, prompts and logits: ties, infinities and what is no number among them.
class SamplingTrials {
public:
  explicit SamplingTrials(uint64_t seed) : random(seed) {}

  /// Generation number `trial` of four tokens on `device` against the host's sampler; empty: the same.
  std::string run(DeviceSampler &device, uint32_t vocab, int trial);

private:
  std::vector<float> logits(uint32_t vocab, int kind);

  std::mt19937_64 random;
};

} // namespace stoop::test

#endif // STOOP_TEST_KERNELS_CUDA_DEVICESAMPLER_H

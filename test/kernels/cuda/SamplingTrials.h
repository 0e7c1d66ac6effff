//===- SamplingTrials.h - generations that tell samplers apart ----*- C++ -*-===//
//
// Random settings, prompts and logits, and logits made so that the last digit of a weight decides which token it is.
// The host's sampler says what has to come out.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_TEST_KERNELS_CUDA_SAMPLINGTRIALS_H
#define STOOP_TEST_KERNELS_CUDA_SAMPLINGTRIALS_H

#include "test/kernels/cuda/DeviceSampler.h"
#include <random>

namespace stoop::test {

/// A generation: what stands in front of it, and the logits of each step.
struct SamplingTrial {
  stoop_sampling settings{};
  uint32_t numIds = 0; ///< ids from here on are padding
  std::vector<uint32_t> prompt, generated; ///< of ids that count for penalties
  std::vector<std::vector<float>> logits;
  uint32_t row = 0;  ///< of 2
  uint64_t order = 0; ///< seed of blocks and warps

  /// Runs it on `device` against the host's sampler; empty: the same tokens, states and histories.
  std::string run(DeviceSampler &device) const;
};

class SamplingTrials {
public:
  /// `tries`: pairs of floats that are looked at for a border. Weights of neighbouring ones are 2^20 units and more apart.
  explicit SamplingTrials(uint64_t seed, int tries = 1 << 15) : random(seed), tries(tries) {}

  enum Kind {
    Distinct,
    Ties,
    NoNumbers, ///< infinities, huge values and NaN among the logits
    Zeros,     ///< of both signs: equal, whatever their bits
    Crowded,   ///< candidates that weigh nearly the same, most of them with penalties
    TopPBelow, ///< borders: what decides misses the edge between two candidates by a few units of a weight
    TopPAbove,
    DrawBelow,
    DrawAbove,
    NumKinds
  };
  SamplingTrial next(uint32_t vocab, Kind kind);
  /// Logits below zero, with ties and a few that are no number; most choices greedy, most of those without penalties.
  SamplingTrial negative(uint32_t vocab);

private:
  /// Candidates, the largest one first, under conditions that are being looked for.
  struct Contest {
    sampling::Settings settings{};
    std::vector<uint32_t> generated, ids, histories;
    std::vector<float> logits;
    std::vector<uint64_t> weights;
  };

  SamplingTrial anyTrial(uint32_t vocab);
  SamplingTrial crowdedTrial(uint32_t vocab, bool isZero);
  void place(SamplingTrial &trial);
  std::vector<float> logits(uint32_t vocab, Kind kind);
  Contest anyContest(uint32_t vocab, uint32_t size);
  void place(Contest &contest, uint32_t candidate, double turns);
  double tryTopP(Contest &contest);
  double tryDraw(Contest &contest);
  SamplingTrial border(uint32_t vocab, bool isTopP, bool above);

  std::mt19937_64 random;
  const int tries;
};

} // namespace stoop::test

#endif // STOOP_TEST_KERNELS_CUDA_SAMPLINGTRIALS_H

//===- GpuSamplingTest.cpp - the device's sampler against the host's ------===//
//
// Generations on random logits: the token that the kernel chooses on the virtual GPU has to be the host
// sampler's, at every step, with ties, infinities and what is no number among the logits.
//
//===----------------------------------------------------------------------===//
#include "stoop/abi.h"
#include "test/kernels/cuda/SamplingTrials.h"
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;

TEST(GpuSampling, ChoosesWhatTheHostChooses) {
  const bool isExhaustive = getenv("STOOP_TEST_EXHAUSTIVE") != nullptr;
  SamplingTrials trials(2026);
  for (uint32_t vocab : {1u, 40u, 1000u, 2085u}) {
    DeviceSampler device(vocab);
    EXPECT_EQ(device.info.localBytes, 0u) << "spills";
    for (int trial = 0; trial < (isExhaustive ? 360 : 36); ++trial) {
      const auto kind = SamplingTrials::Kind(trial % SamplingTrials::NumKinds);
      ASSERT_EQ(trials.next(vocab, kind).run(device), "") << "trial " << trial << " of kind " << kind;
    }
    for (int trial = 0; trial < (isExhaustive ? 80 : 8); ++trial)
      ASSERT_EQ(trials.negative(vocab).run(device), "") << "trial " << trial;
  }
}

/// More ids than 16 bits name, each as likely as the others: sums and ids at their largest.
TEST(GpuSampling, LargeVocabulary) {
  constexpr uint32_t kVocab = 70001;
  DeviceSampler device(kVocab);
  stoop_sampling settings{};
  settings.struct_size = sizeof settings;
  settings.temperature = settings.top_p = settings.repetition_penalty = 1;
  settings.seed = 12;
  rt::Memory memory(nullptr);
  rt::Message message;
  rt::Sampler host;
  ASSERT_EQ(host.create(memory, kVocab, kVocab, settings, message), STOOP_OK) << message.text;
  device.begin(host, std::vector<uint32_t>(kVocab));
  const std::vector<float> logits(kVocab, 2.5f);
  uint32_t largest = 0;
  for (int step = 0; step < 6; ++step) {
    uint32_t expected = 0;
    ASSERT_EQ(host.sample(logits.data(), nullptr, &expected, message), STOOP_OK) << message.text;
    ASSERT_EQ(device.sample(logits, kVocab, step), expected);
    ASSERT_EQ(device.failure, "");
    largest = std::max(largest, expected);
  }
  EXPECT_GT(largest, kVocab / 3);
}

// Sampling settings with a chance of their own for each step to be off, mild or extreme; maxima of random logits.
#ifndef STOOP_TEST_RUNTIME_SAMPLER_RANDOM_SETTINGS_H_
#define STOOP_TEST_RUNTIME_SAMPLER_RANDOM_SETTINGS_H_

#include <cmath>
#include <initializer_list>
#include <random>
#include <vector>

#include "stoop/runtime.h"

namespace stoop::rt {

template <typename T>
T pick(std::mt19937_64& random, std::initializer_list<T> values) {
  return values.begin()[random() % values.size()];
}

inline stoop_sampling random_settings(std::mt19937_64& random) {
  auto any = [&](std::initializer_list<float> values) { return pick(random, values); };
  stoop_sampling settings{};
  settings.struct_size = sizeof settings;
  settings.seed = random();
  settings.temperature = any({0, 0.3f, 0.7f, 1, 2, 1e-6f});
  settings.top_k = random() % 2 ? 0 : 1 + random() % 60;
  settings.top_p = any({1, 1, 0, 0.1f, 0.5f, 0.9f, 0.999f});
  settings.min_p = any({0, 0, 0.01f, 0.1f, 0.5f, 1});
  settings.repetition_penalty = any({1, 1, 1.3f, 0.8f});
  settings.presence_penalty = any({0, 0, 0.7f, -0.5f});
  settings.frequency_penalty = any({0, 0, 0.4f});
  return settings;
}

// The largest of each block of logits, NaN if one is: what an entry gives besides them.
inline std::vector<float> block_maxima(const std::vector<float>& logits) {
  std::vector<float> maxima(stoop_logit_blocks(static_cast<uint32_t>(logits.size())), -INFINITY);
  for (size_t id = 0; id < logits.size(); ++id) {
    float& largest = maxima[id / STOOP_LOGIT_BLOCK];
    if (std::isnan(logits[id]) || logits[id] > largest) largest = logits[id];
  }
  return maxima;
}

}  // namespace stoop::rt

#endif  // STOOP_TEST_RUNTIME_SAMPLER_RANDOM_SETTINGS_H_

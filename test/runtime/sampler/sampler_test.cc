// The sampler against a plain implementation of Hugging Face's order of steps, on random logits.
#include "runtime/sampler/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <random>
#include <vector>

#include "kernels/sampling/choice.h"
#include "test/runtime/sampler/random_settings.h"

namespace stoop::rt {
namespace {

stoop_sampling greedy() {
  stoop_sampling settings{};
  settings.struct_size = sizeof settings;
  settings.top_p = 1;
  settings.repetition_penalty = 1;
  return settings;
}

struct Fixture {
  Fixture(uint32_t vocab, uint32_t ids, const stoop_sampling& settings) : memory(nullptr) {
    EXPECT_EQ(sampler.create(memory, vocab, ids, settings, message), STOOP_OK) << message.text;
  }
  uint32_t sample(const std::vector<float>& logits) {
    uint32_t token = UINT32_MAX;
    EXPECT_EQ(sampler.sample(logits.data(), nullptr, &token, message), STOOP_OK) << message.text;
    return token;
  }
  Memory memory;
  Message message;
  Sampler sampler;
};

// Sorts everything, keeps everything in double, nothing clever.
uint32_t oracle(std::vector<float> logits, uint32_t ids, const stoop_sampling& s,
                const std::vector<uint32_t>& prompt, const std::vector<uint32_t>& generated,
                uint64_t draw) {
  std::map<uint32_t, int> counts;
  for (uint32_t id : generated) ++counts[id];
  std::vector<std::pair<float, uint32_t>> all;
  for (uint32_t id = 0; id < ids; ++id) {
    float x = logits[id];
    bool seen = counts.count(id) || std::count(prompt.begin(), prompt.end(), id);
    if (seen && s.repetition_penalty != 1)
      x = x < 0 ? x * s.repetition_penalty : x / s.repetition_penalty;
    if (counts.count(id)) x = x - s.presence_penalty - s.frequency_penalty * static_cast<float>(counts[id]);
    all.push_back({x, id});
  }
  if (s.temperature == 0) {
    auto best = all[0];
    for (auto& c : all)
      if (c.first > best.first) best = c;
    return best.second;
  }
  for (auto& c : all) c.first /= s.temperature;
  std::sort(all.begin(), all.end(), [](auto& a, auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  if (s.top_k && s.top_k < ids) all.resize(s.top_k);
  double largest = -INFINITY, total = 0;
  for (auto& c : all) largest = std::max<double>(largest, c.first);
  auto weight = [&](auto& c) { return std::exp(c.first - largest); };
  for (auto& c : all) total += weight(c);
  if (s.top_p < 1) {
    double sum = 0;
    size_t kept = 0;
    while (kept < all.size() && (kept == 0 || sum < static_cast<double>(s.top_p) * total))
      sum += weight(all[kept++]);
    all.resize(kept);
  }
  if (s.min_p > 0) {
    all.erase(std::remove_if(all.begin(), all.end(), [&](auto& c) { return weight(c) < s.min_p; }),
              all.end());
  }
  std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.second < b.second; });
  total = 0;
  for (auto& c : all) total += weight(c);
  double target = static_cast<double>(sampling::draw(s.seed, draw, uint64_t{1} << 53)) * 0x1p-53 * total, sum = 0;
  for (auto& c : all)
    if (target < (sum += weight(c))) return c.second;
  return all.back().second;
}

TEST(Philox, KnownAnswers) {  // from the reference implementation's kat_vectors
  using sampling::philox, sampling::PhiloxBlock;
  PhiloxBlock zero = philox({0, 0, 0, 0}, 0, 0);
  EXPECT_EQ(zero.word[0], 0x6627e8d5u);
  EXPECT_EQ(zero.word[1], 0xe169c58du);
  EXPECT_EQ(zero.word[2], 0xbc57ac4cu);
  EXPECT_EQ(zero.word[3], 0x9b00dbd8u);
  PhiloxBlock pi = philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0);
  EXPECT_EQ(pi.word[0], 0xd16cfe09u);
  EXPECT_EQ(pi.word[1], 0x94fdccebu);
  EXPECT_EQ(pi.word[2], 0x5001e420u);
  EXPECT_EQ(pi.word[3], 0x24126ea1u);
}

TEST(Sampler, GreedyTakesTheLowestOfEqualOnes) {
  Fixture fixture(6, 6, greedy());
  EXPECT_EQ(fixture.sample({1, 3, 2, 3, 3, 0}), 1u);
  EXPECT_EQ(fixture.sample({-INFINITY, NAN, -5, -4, NAN, -4}), 3u);
}

TEST(Sampler, PaddingIsNeverChosen) {
  std::vector<float> logits(100, 0.0f);
  for (int id = 90; id < 100; ++id) logits[static_cast<size_t>(id)] = 1e9f;
  for (float temperature : {0.0f, 1.0f, 100.0f}) {
    stoop_sampling settings = greedy();
    settings.temperature = temperature;
    Fixture fixture(100, 90, settings);
    for (int i = 0; i < 500; ++i) EXPECT_LT(fixture.sample(logits), 90u);
  }
}

TEST(Sampler, NothingThatIsANumberIsAnError) {
  for (float temperature : {0.0f, 1.0f}) {
    stoop_sampling settings = greedy();
    settings.temperature = temperature;
    Fixture fixture(3, 3, settings);
    float logits[] = {NAN, NAN, NAN};
    uint32_t token = 0;
    EXPECT_EQ(fixture.sampler.sample(logits, nullptr, &token, fixture.message), STOOP_BAD_NUMERICS);
    EXPECT_EQ(fixture.sampler.sample(logits, logits, &token, fixture.message), STOOP_BAD_NUMERICS);
  }
}

TEST(Sampler, EqualsThePlainImplementation) {
  std::mt19937_64 random(31);
  std::normal_distribution<float> normal(0, 3);
  for (int trial = 0; trial < 400; ++trial) {
    uint32_t vocab = 1 + random() % 700, ids = 1 + random() % vocab;
    stoop_sampling s = random_settings(random);
    Fixture fixture(vocab, ids, s);
    std::vector<uint32_t> prompt(random() % 10), generated;
    for (uint32_t& id : prompt) id = random() % vocab;
    fixture.sampler.begin(prompt.data(), prompt.size());
    for (uint64_t step = 0; step < 8; ++step) {
      std::vector<float> logits(vocab);
      // Coarse values make ties, fine ones do not.
      for (float& x : logits) x = trial % 2 ? normal(random) : std::round(normal(random));
      uint32_t expected = oracle(logits, ids, s, prompt, generated, s.top_k == 1 ? 0 : step);
      if (s.top_k == 1) {
        stoop_sampling best = s;
        best.temperature = 0;
        expected = oracle(logits, ids, best, prompt, generated, 0);
      }
      uint32_t actual = fixture.sample(logits);
      ASSERT_EQ(actual, expected) << "trial " << trial << " step " << step;
      generated.push_back(actual);
    }
  }
}

// With what is no number, infinities, both zeros and ties; with padding that begins within a block; with penalties.
TEST(Sampler, MaximaChangeNoChoice) {
  std::mt19937_64 random(77);
  std::normal_distribution<float> normal(0, 3);
  int failures = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    uint32_t vocab = 1 + random() % 200, ids = 1 + random() % vocab;
    stoop_sampling s = trial % 3 ? greedy() : random_settings(random);
    if (trial % 3 == 1) {  // what maxima help with besides
      s.temperature = pick<float>(random, {0.1f, 1, 1e-6f});
      s.top_k = 2 + random() % 8;
      s.top_p = pick<float>(random, {1, 0.9f});
      s.seed = random();
    }
    Fixture all(vocab, ids, s), some(vocab, ids, s);
    const uint64_t odd = 1 + random() % 3;
    for (int step = 0; step < 3; ++step) {
      std::vector<float> logits(vocab);
      for (float& x : logits) {
        x = trial % 2 ? normal(random) : std::round(normal(random));
        if (random() % (odd * odd * odd) == 0) x = pick<float>(random, {NAN, NAN, INFINITY, -INFINITY, 0.0f, -0.0f});
      }
      const std::vector<float> maxima = block_maxima(logits);
      uint32_t expected = 0, actual = 0;
      const stoop_status status = all.sampler.sample(logits.data(), nullptr, &expected, all.message);
      ASSERT_EQ(some.sampler.sample(logits.data(), maxima.data(), &actual, some.message), status);
      ASSERT_EQ(actual, expected) << "trial " << trial << " step " << step;
      failures += status == STOOP_BAD_NUMERICS;
    }
  }
  EXPECT_GT(failures, 0);
}

// A greedy choice reads the blocks that may hold it alone: all others may hold anything.
TEST(Sampler, MaximaSpareTheOtherBlocks) {
  Fixture fixture(160, 160, greedy());
  std::vector<float> logits(160, 7.0f), maxima(10, 1.0f);
  maxima[4] = 9;
  logits[4 * 16 + 3] = logits[4 * 16 + 5] = 9;
  for (size_t id = 0; id < 16; ++id) logits[id] = 1;
  uint32_t token = 0;
  EXPECT_EQ(fixture.sampler.sample(logits.data(), maxima.data(), &token, fixture.message), STOOP_OK);
  EXPECT_EQ(token, 4u * 16 + 3);
}

TEST(Sampler, FrequenciesFollowTheSoftmax) {
  stoop_sampling settings = greedy();
  settings.temperature = 1;
  settings.seed = 5;
  Fixture fixture(4, 4, settings);
  const double share[] = {0.1, 0.2, 0.3, 0.4};
  std::vector<float> logits;
  for (double p : share) logits.push_back(static_cast<float>(std::log(p)));
  int counts[4] = {};
  constexpr int kDraws = 40000;
  for (int i = 0; i < kDraws; ++i) ++counts[fixture.sample(logits)];
  for (int i = 0; i < 4; ++i) {
    double sigma = std::sqrt(kDraws * share[i] * (1 - share[i]));
    EXPECT_NEAR(counts[i], kDraws * share[i], 5 * sigma);
  }
}

TEST(Sampler, SameSeedSameSequenceAfterReset) {
  stoop_sampling settings = greedy();
  settings.temperature = 1;
  settings.seed = 77;
  Fixture fixture(1000, 1000, settings);
  std::vector<float> logits(1000, 0.0f);
  std::vector<uint32_t> first, second;
  for (int i = 0; i < 20; ++i) first.push_back(fixture.sample(logits));
  fixture.sampler.reset();
  for (int i = 0; i < 20; ++i) second.push_back(fixture.sample(logits));
  EXPECT_EQ(first, second);
  EXPECT_GT(std::set<uint32_t>(first.begin(), first.end()).size(), 10u);
}

TEST(Sampler, SettingsOutOfRangeAreNamed) {
  const struct {
    float stoop_sampling::*field;
    float value;
    const char* name;
  } cases[] = {{&stoop_sampling::temperature, -1, "temperature"},
               {&stoop_sampling::temperature, NAN, "temperature"},
               {&stoop_sampling::top_p, 1.5f, "top-p"},
               {&stoop_sampling::min_p, -0.1f, "min-p"},
               {&stoop_sampling::repetition_penalty, 0, "repeat-penalty"}};
  for (const auto& one : cases) {
    stoop_sampling settings = greedy();
    settings.*one.field = one.value;
    Memory memory(nullptr);
    Message message;
    Sampler sampler;
    EXPECT_EQ(sampler.create(memory, 5, 5, settings, message), STOOP_INVALID_ARGUMENT);
    EXPECT_NE(std::string(message.text).find(one.name), std::string::npos) << message.text;
  }
}

}  // namespace
}  // namespace stoop::rt

// Several sequences in one step on the toy program, through the C interface: each must get what it gets alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>

#include "test/runtime/generate/toy_tokens.h"

namespace stoop::toy {
namespace {

class BatchTest : public testing::TestWithParam<uint32_t> {
 protected:
  void SetUp() override { start(image()); }
  void start(const stoop_image& program) {
    context_ = load(GetParam(), program);
    for (stoop_session*& session : sessions_) ASSERT_EQ(stoop_session_create(context_, &session), STOOP_OK);
    for (uint32_t i = 0; i < kBatch; ++i) samplers_[i] = sampler(0, i);
    ASSERT_EQ(stoop_batch_create(context_, &batch_), STOOP_OK);
  }
  void TearDown() override { end(); }
  void end() {
    stoop_batch_destroy(batch_);
    for (stoop_sampler* sampler : samplers_) stoop_sampler_destroy(sampler);
    for (stoop_session* session : sessions_) stoop_session_destroy(session);
    stoop_context_destroy(context_);
  }
  stoop_sampler* sampler(float temperature, uint64_t seed) {
    stoop_sampling sampling{};
    sampling.struct_size = sizeof sampling;
    stoop_sampling_defaults(context_, &sampling);
    sampling.temperature = temperature;
    sampling.seed = seed;
    sampling.repetition_penalty = temperature > 0 ? 1.2f : 1.0f;
    stoop_sampler* sampler = nullptr;
    EXPECT_EQ(stoop_sampler_create(context_, &sampling, &sampler), STOOP_OK);
    return sampler;
  }
  Tokens random_tokens(size_t count) { return toy::random_tokens(random_, count); }
  std::string message() const { return stoop_context_message(context_); }
  static stoop_generation request(const Tokens& prompt, uint32_t most, Tokens& ids) {
    stoop_generation generation{};
    generation.struct_size = sizeof generation;
    generation.prompt = prompt.data();
    generation.prompt_tokens = prompt.size();
    generation.max_tokens = most;
    generation.on_token = [](void* user, const stoop_token_event* event) {
      static_cast<Tokens*>(user)->push_back(event->token);
      return 0;
    };
    generation.user = &ids;
    return generation;
  }

  std::mt19937 random_{73};
  stoop_context* context_ = nullptr;
  stoop_session* sessions_[kBatch] = {};
  stoop_sampler* samplers_[kBatch] = {};
  stoop_batch* batch_ = nullptr;
};

TEST_P(BatchTest, EachSessionGetsItsOwnLogits) {
  for (int trial = 0; trial < 100; ++trial) {
    Tokens held[kBatch];
    for (uint32_t i = 0; i < kBatch; ++i) {
      held[i] = random_tokens(1 + random_() % 40);
      ASSERT_EQ(stoop_session_truncate(sessions_[i], 0), STOOP_OK);
      ASSERT_EQ(stoop_session_append(sessions_[i], held[i].data(), held[i].size(), nullptr), STOOP_OK);
    }
    for (int step = 0; step < 10; ++step) {
      // Any of them, in any order.
      uint32_t order[kBatch] = {0, 1, 2, 3}, count = 1 + random_() % kBatch;
      std::shuffle(order, order + kBatch, random_);
      stoop_session* chosen[kBatch];
      Tokens tokens = random_tokens(count);
      const float* logits[kBatch];
      for (uint32_t i = 0; i < count; ++i) {
        chosen[i] = sessions_[order[i]];
        held[order[i]].push_back(tokens[i]);
      }
      ASSERT_EQ(stoop_decode_batch(chosen, count, tokens.data(), logits), STOOP_OK);
      for (uint32_t i = 0; i < count; ++i) expect_equal(logits[i], held[order[i]]);
      for (uint32_t i = 0; i < kBatch; ++i) ASSERT_EQ(stoop_session_position(sessions_[i]), held[i].size());
    }
  }
}

TEST_P(BatchTest, WrongBatchesAreRefusedAndFeedNothing) {
  Tokens tokens = random_tokens(kContext);
  ASSERT_EQ(stoop_session_append(sessions_[3], tokens.data(), kContext, nullptr), STOOP_OK);
  stoop_context* other_context = load(1);
  stoop_session* stranger = nullptr;
  ASSERT_EQ(stoop_session_create(other_context, &stranger), STOOP_OK);
  const uint32_t fed[] = {1, 2, 3, 4, 5}, wrong[] = {1, kVocab};
  const float* logits[5];
  stoop_session* too_many[] = {sessions_[0], sessions_[1], sessions_[2], sessions_[3], stranger};
  EXPECT_EQ(stoop_decode_batch(too_many, 5, fed, logits), STOOP_INVALID_ARGUMENT);
  EXPECT_EQ(message(), "5 sequences in one step, but the program was compiled for 4 (--max-batch-size)");
  stoop_session* twice[] = {sessions_[0], sessions_[1], sessions_[0]};
  EXPECT_EQ(stoop_decode_batch(twice, 3, fed, logits), STOOP_INVALID_ARGUMENT);
  EXPECT_NE(message().find("sequences 0 and 2"), std::string::npos) << message();
  stoop_session* mixed[] = {sessions_[0], stranger};
  EXPECT_EQ(stoop_decode_batch(mixed, 2, fed, logits), STOOP_INVALID_ARGUMENT);
  EXPECT_NE(message().find("another context"), std::string::npos) << message();
  stoop_session* full[] = {sessions_[0], sessions_[3]};
  EXPECT_EQ(stoop_decode_batch(full, 2, fed, logits), STOOP_CONTEXT_FULL);
  EXPECT_NE(message().find("context of 64"), std::string::npos) << message();
  EXPECT_EQ(stoop_decode_batch(sessions_, 2, wrong, logits), STOOP_INVALID_ARGUMENT);
  EXPECT_NE(message().find("token id 50"), std::string::npos) << message();
  EXPECT_EQ(stoop_decode_batch(sessions_, 0, nullptr, nullptr), STOOP_OK);
  for (uint32_t i = 0; i < 3; ++i) EXPECT_EQ(stoop_session_position(sessions_[i]), 0u);
  EXPECT_EQ(stoop_session_position(sessions_[3]), kContext);
  stoop_session_destroy(stranger);
  stoop_context_destroy(other_context);
}

// Prompts, limits and stop tokens differ; one joins whenever another one leaves.
TEST_P(BatchTest, SequencesJoinAndLeaveWithoutDisturbingOthers) {
  constexpr size_t kPrompts = 12;
  Tokens prompts[kPrompts], ids[kPrompts], expected[kPrompts];
  stoop_generation generations[kPrompts];
  for (size_t i = 0; i < kPrompts; ++i) {
    prompts[i] = random_tokens(1 + random_() % 40);
    const uint32_t most = random_() % 30;
    generations[i] = request(prompts[i], most, ids[i]);
    expected[i] = expected_greedy(prompts[i], std::min<size_t>(most, kContext - prompts[i].size() + 1));
    auto eos = std::find(expected[i].begin(), expected[i].end(), 47u);
    if (eos != expected[i].end()) expected[i].erase(eos + 1, expected[i].end());
  }
  size_t owner[kBatch], next = 0;
  std::fill(owner, owner + kBatch, kPrompts);
  uint32_t running = 0;
  do {
    for (uint32_t place = 0; place < kBatch && next < kPrompts; ++place) {
      // A generation that is over has as many ids as expected.
      if (owner[place] < kPrompts && ids[owner[place]].size() < expected[owner[place]].size()) continue;
      ASSERT_EQ(stoop_session_truncate(sessions_[place], 0), STOOP_OK);
      owner[place] = next;
      ASSERT_EQ(stoop_batch_add(batch_, sessions_[place], samplers_[place], &generations[next++]), STOOP_OK)
          << message();
    }
    ASSERT_EQ(stoop_batch_step(batch_, &running), STOOP_OK);
  } while (running || next < kPrompts);
  for (size_t i = 0; i < kPrompts; ++i) {
    EXPECT_EQ(ids[i], expected[i]) << i;
    EXPECT_EQ(generations[i].generated_tokens, expected[i].size());
    const bool stopped = !expected[i].empty() && expected[i].back() == 47;
    EXPECT_EQ(generations[i].finish, stopped ? STOOP_FINISH_EOS : STOOP_FINISH_LENGTH);
  }
}

TEST_P(BatchTest, SampledTokensAreThoseOfTheSequenceAlone) {
  Tokens prompts[kBatch], alone[kBatch], together[kBatch];
  stoop_sampler* drawing[kBatch];
  stoop_generation generations[kBatch];
  for (uint32_t i = 0; i < kBatch; ++i) {
    prompts[i] = random_tokens(1 + random_() % 20);
    drawing[i] = sampler(3.0f, 100 + i);
    stoop_generation generation = request(prompts[i], 25, alone[i]);
    generation.ignore_eos = 1;
    ASSERT_EQ(stoop_generate(sessions_[i], drawing[i], &generation), STOOP_OK);
    ASSERT_EQ(stoop_session_truncate(sessions_[i], 0), STOOP_OK);
  }
  for (uint32_t i = 0; i < kBatch; ++i) {
    generations[i] = request(prompts[i], 25, together[i]);
    generations[i].ignore_eos = 1;
    ASSERT_EQ(stoop_batch_add(batch_, sessions_[i], drawing[i], &generations[i]), STOOP_OK);
  }
  for (uint32_t running = 1; running;) ASSERT_EQ(stoop_batch_step(batch_, &running), STOOP_OK);
  for (uint32_t i = 0; i < kBatch; ++i) {
    EXPECT_EQ(alone[i].size(), 25u);
    EXPECT_EQ(alone[i], together[i]) << i;
    stoop_sampler_destroy(drawing[i]);
  }
}

TEST_P(BatchTest, WhoTakesPartAlreadyIsRefusedAndTheOthersGoOn) {
  Tokens prompt = {1, 2, 3}, ids, other;
  stoop_generation generation = request(prompt, 20, ids), second = request(prompt, 5, other);
  generation.ignore_eos = 1;
  ASSERT_EQ(stoop_batch_add(batch_, sessions_[0], samplers_[0], &generation), STOOP_OK);
  EXPECT_EQ(stoop_batch_add(batch_, sessions_[0], samplers_[1], &second), STOOP_INVALID_ARGUMENT);
  EXPECT_NE(message().find("the session takes part"), std::string::npos) << message();
  EXPECT_EQ(stoop_batch_add(batch_, sessions_[1], samplers_[0], &second), STOOP_INVALID_ARGUMENT);
  EXPECT_NE(message().find("the sampler takes part"), std::string::npos) << message();
  Tokens empty, too_long = random_tokens(kContext + 1);
  stoop_generation bad = request(empty, 5, other);
  EXPECT_EQ(stoop_batch_add(batch_, sessions_[1], samplers_[1], &bad), STOOP_INVALID_ARGUMENT);
  bad = request(too_long, 5, other);
  EXPECT_EQ(stoop_batch_add(batch_, sessions_[1], samplers_[1], &bad), STOOP_CONTEXT_FULL);
  EXPECT_EQ(stoop_session_position(sessions_[1]), 0u);
  for (uint32_t running = 1; running;) ASSERT_EQ(stoop_batch_step(batch_, &running), STOOP_OK);
  EXPECT_EQ(ids, expected_greedy(prompt, 20));
  EXPECT_TRUE(other.empty());
}

TEST_P(BatchTest, OneCancelsAndTheOthersGoOn) {
  Tokens prompts[2] = {random_tokens(5), random_tokens(9)}, ids[2];
  stoop_generation generations[2];
  int calls = 0;
  for (uint32_t i = 0; i < 2; ++i) {
    generations[i] = request(prompts[i], 20, ids[i]);
    generations[i].ignore_eos = 1;
  }
  generations[0].user = &calls;
  generations[0].on_token = [](void* user, const stoop_token_event*) {
    return ++*static_cast<int*>(user) == 4 ? 1 : 0;
  };
  for (uint32_t i = 0; i < 2; ++i)
    ASSERT_EQ(stoop_batch_add(batch_, sessions_[i], samplers_[i], &generations[i]), STOOP_OK);
  for (uint32_t running = 1; running;) ASSERT_EQ(stoop_batch_step(batch_, &running), STOOP_OK);
  EXPECT_EQ(generations[0].finish, STOOP_FINISH_CANCELLED);
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(ids[1], expected_greedy(prompts[1], 20));
}

// Behind one token no logit is a number: who meets it, in a prompt or by choosing it, ends there and alone.
TEST_P(BatchTest, NoNumbersEndTheirOwnSequence) {
  Tokens prompts[kBatch], ids[kBatch], expected[kBatch];
  for (uint32_t i = 0; i < kBatch; ++i) {
    prompts[i] = random_tokens(2 + random_() % 20);
    expected[i] = expected_greedy(prompts[i], 25);
  }
  const uint32_t wrong = expected[1][6];
  prompts[2].back() = wrong;
  size_t numbers[kBatch];
  for (uint32_t i = 0; i < kBatch; ++i) {
    expected[i] = expected_greedy(prompts[i], 25);
    const auto first = std::find(expected[i].begin(), expected[i].end(), wrong);
    numbers[i] = prompts[i].back() == wrong ? 0 : first == expected[i].end() ? 25 : first - expected[i].begin() + 1;
    expected[i].resize(numbers[i]);
  }
  OwnImage own;
  for (uint32_t v = 0; v < kVocab; ++v) {
    const int32_t none = INT32_MIN;
    memcpy(&own.payload[(wrong * kVocab + v) * sizeof none], &none, sizeof none);
  }
  end();
  start(own.image);
  stoop_generation generations[kBatch];
  for (uint32_t i = 0; i < kBatch; ++i) {
    generations[i] = request(prompts[i], 25, ids[i]);
    generations[i].ignore_eos = 1;
    ASSERT_EQ(stoop_batch_add(batch_, sessions_[i], samplers_[i], &generations[i]), STOOP_OK) << message();
  }
  EXPECT_EQ(generations[2].finish, STOOP_FINISH_BAD_NUMERICS);
  EXPECT_EQ(message(), "none of the 48 logits behind token " + std::to_string(prompts[2].size()) + " is a number");
  for (uint32_t running = 1; running;) ASSERT_EQ(stoop_batch_step(batch_, &running), STOOP_OK) << message();
  for (uint32_t i = 0; i < kBatch; ++i) {
    EXPECT_EQ(ids[i], expected[i]) << i;
    EXPECT_EQ(generations[i].generated_tokens, numbers[i]);
    EXPECT_EQ(generations[i].finish, numbers[i] < 25 ? STOOP_FINISH_BAD_NUMERICS : STOOP_FINISH_LENGTH) << i;
  }
  // Alone: the same tokens, and the call says what is wrong.
  ids[1].clear();
  ASSERT_EQ(stoop_session_truncate(sessions_[1], 0), STOOP_OK);
  generations[1] = request(prompts[1], 25, ids[1]);
  generations[1].ignore_eos = 1;
  EXPECT_EQ(stoop_generate(sessions_[1], samplers_[1], &generations[1]), STOOP_BAD_NUMERICS);
  EXPECT_EQ(ids[1], expected[1]);
}

INSTANTIATE_TEST_SUITE_P(Threads, BatchTest, testing::Values(1, 2, 5));

}  // namespace
}  // namespace stoop::toy

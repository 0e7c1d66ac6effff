// Sessions and generation on the toy program, through the C interface: each way of cutting tokens into
// steps must give the oracle's logits.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "runtime/core/context.h"
#include "test/runtime/generate/toy_tokens.h"

namespace stoop::toy {
namespace {

class SessionTest : public testing::TestWithParam<uint32_t> {
 protected:
  void SetUp() override {
    context_ = load(GetParam());
    ASSERT_NE(context_, nullptr);
    ASSERT_EQ(stoop_session_create(context_, &session_), STOOP_OK);
    stoop_sampling sampling{};
    sampling.struct_size = sizeof sampling;
    stoop_sampling_defaults(context_, &sampling);
    ASSERT_EQ(stoop_sampler_create(context_, &sampling, &sampler_), STOOP_OK);
  }
  void TearDown() override {
    stoop_sampler_destroy(sampler_);
    stoop_session_destroy(session_);
    stoop_context_destroy(context_);
  }
  Tokens random_tokens(size_t count) { return toy::random_tokens(random_, count); }
  stoop_generation request(const std::vector<uint32_t>& prompt, uint32_t most) {
    stoop_generation generation{};
    generation.struct_size = sizeof generation;
    generation.prompt = prompt.data();
    generation.prompt_tokens = prompt.size();
    generation.max_tokens = most;
    generation.on_token = [](void* user, const stoop_token_event* event) {
      if (event->logits) static_cast<std::vector<uint32_t>*>(user)->push_back(event->token);
      return 0;
    };
    generation.user = &ids_;
    return generation;
  }

  std::mt19937 random_{51};
  stoop_context* context_ = nullptr;
  stoop_session* session_ = nullptr;
  stoop_sampler* sampler_ = nullptr;
  std::vector<uint32_t> ids_;
};

TEST_P(SessionTest, AnyCutGivesTheSameLogits) {
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<uint32_t> tokens = random_tokens(1 + random_() % kContext);
    ASSERT_EQ(stoop_session_truncate(session_, 0), STOOP_OK);
    for (size_t at = 0; at < tokens.size();) {
      size_t count = std::min<size_t>(1 + random_() % 40, tokens.size() - at);
      const float* logits = nullptr;
      ASSERT_EQ(stoop_session_append(session_, &tokens[at], count, &logits), STOOP_OK);
      at += count;
      ASSERT_EQ(stoop_session_position(session_), at);
      expect_equal(logits, {tokens.begin(), tokens.begin() + static_cast<long>(at)});
    }
  }
}

TEST_P(SessionTest, EveryPromptLengthUpToTheContext) {
  for (size_t length = 1; length <= kContext; ++length) {
    std::vector<uint32_t> tokens = random_tokens(length);
    ASSERT_EQ(stoop_session_truncate(session_, 0), STOOP_OK);
    const float* logits = nullptr;
    ASSERT_EQ(stoop_session_append(session_, tokens.data(), length, &logits), STOOP_OK);
    expect_equal(logits, tokens);
  }
}

TEST_P(SessionTest, ScoreReportsTheRowsBehindTheSkippedOnes) {
  for (int trial = 0; trial < 100; ++trial) {
    std::vector<uint32_t> tokens = random_tokens(1 + random_() % kContext);
    size_t skip = random_() % (tokens.size() + 1);
    struct Seen {
      const std::vector<uint32_t>& tokens;
      uint64_t next;
    } seen{tokens, skip};
    ASSERT_EQ(stoop_session_truncate(session_, 0), STOOP_OK);
    ASSERT_EQ(stoop_session_score(
                  session_, tokens.data(), tokens.size(), skip,
                  [](void* user, uint64_t row, const float* logits) {
                    Seen& seen = *static_cast<Seen*>(user);
                    EXPECT_EQ(row, seen.next++);
                    expect_equal(logits, {seen.tokens.begin(),
                                          seen.tokens.begin() + static_cast<long>(row) + 1});
                    return 0;
                  },
                  &seen),
              STOOP_OK);
    EXPECT_EQ(seen.next, tokens.size());
  }
}

TEST_P(SessionTest, TwoSessionsDoNotDisturbEachOther) {
  stoop_session* other = nullptr;
  ASSERT_EQ(stoop_session_create(context_, &other), STOOP_OK);
  std::vector<uint32_t> mine = random_tokens(40), theirs = random_tokens(40);
  for (size_t at = 0; at < 40; at += 5) {
    std::vector<uint32_t> const* const both[] = {&mine, &theirs};
    for (const std::vector<uint32_t>* tokens : both) {
      const float* logits = nullptr;
      stoop_session* session = tokens == &mine ? session_ : other;
      ASSERT_EQ(stoop_session_append(session, &(*tokens)[at], 5, &logits), STOOP_OK);
      expect_equal(logits, {tokens->begin(), tokens->begin() + static_cast<long>(at) + 5});
    }
  }
  stoop_session *third = nullptr, *fourth = nullptr, *fifth = nullptr;
  ASSERT_EQ(stoop_session_create(context_, &third), STOOP_OK);
  ASSERT_EQ(stoop_session_create(context_, &fourth), STOOP_OK);
  EXPECT_EQ(stoop_session_create(context_, &fifth), STOOP_CONTEXT_FULL);
  EXPECT_NE(std::string(stoop_context_message(context_)).find("all 4 sequences"), std::string::npos);
  stoop_session_destroy(other);
  EXPECT_EQ(stoop_session_create(context_, &fifth), STOOP_OK);
  for (stoop_session* session : {third, fourth, fifth}) stoop_session_destroy(session);
}

TEST_P(SessionTest, GoingBackForgetsWhatFollowed) {
  std::vector<uint32_t> tokens = random_tokens(30);
  ASSERT_EQ(stoop_session_append(session_, tokens.data(), 30, nullptr), STOOP_OK);
  ASSERT_EQ(stoop_session_truncate(session_, 12), STOOP_OK);
  tokens.resize(12);
  tokens.push_back(7);
  const float* logits = nullptr;
  ASSERT_EQ(stoop_session_append(session_, &tokens[12], 1, &logits), STOOP_OK);
  expect_equal(logits, tokens);
  EXPECT_EQ(stoop_session_truncate(session_, 14), STOOP_INVALID_ARGUMENT);
}

TEST_P(SessionTest, TooManyTokensAndWrongIdsFeedNothing) {
  std::vector<uint32_t> tokens = random_tokens(kContext + 1);
  EXPECT_EQ(stoop_session_append(session_, tokens.data(), tokens.size(), nullptr), STOOP_CONTEXT_FULL);
  std::string message = stoop_context_message(context_);
  EXPECT_NE(message.find("65 tokens"), std::string::npos) << message;
  EXPECT_NE(message.find("context of 64"), std::string::npos) << message;
  tokens = {1, 2, kVocab};
  EXPECT_EQ(stoop_session_append(session_, tokens.data(), 3, nullptr), STOOP_INVALID_ARGUMENT);
  EXPECT_EQ(stoop_session_position(session_), 0u);
}

TEST_P(SessionTest, GreedyGenerationEqualsTheOracle) {
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<uint32_t> prompt = random_tokens(1 + random_() % 30);
    std::vector<uint32_t> expected = expected_greedy(prompt, 20);
    auto eos = std::find(expected.begin(), expected.end(), 47u);
    bool stops = eos != expected.end();
    ids_.clear();
    ASSERT_EQ(stoop_session_truncate(session_, 0), STOOP_OK);
    stoop_generation generation = request(prompt, 20);
    ASSERT_EQ(stoop_generate(session_, sampler_, &generation), STOOP_OK);
    EXPECT_EQ(generation.finish, stops ? STOOP_FINISH_EOS : STOOP_FINISH_LENGTH);
    EXPECT_EQ(ids_, std::vector<uint32_t>(expected.begin(), stops ? eos + 1 : expected.end()));
    EXPECT_EQ(generation.generated_tokens, ids_.size());

    ids_.clear();
    ASSERT_EQ(stoop_session_truncate(session_, 0), STOOP_OK);
    generation = request(prompt, 20);
    generation.ignore_eos = 1;
    ASSERT_EQ(stoop_generate(session_, sampler_, &generation), STOOP_OK);
    EXPECT_EQ(ids_, expected);
    EXPECT_EQ(generation.finish, STOOP_FINISH_LENGTH);

    uint32_t other_eos[] = {expected[9]};
    size_t first = static_cast<size_t>(std::find(expected.begin(), expected.end(), expected[9]) -
                                       expected.begin());
    ids_.clear();
    ASSERT_EQ(stoop_session_truncate(session_, 0), STOOP_OK);
    generation = request(prompt, 20);
    generation.eos = other_eos;
    generation.num_eos = 1;
    ASSERT_EQ(stoop_generate(session_, sampler_, &generation), STOOP_OK);
    EXPECT_EQ(generation.finish, STOOP_FINISH_EOS);
    EXPECT_EQ(ids_.size(), first + 1);
  }
}

TEST_P(SessionTest, GenerationEndsWithTheContext) {
  std::vector<uint32_t> prompt = random_tokens(kContext - 3);
  stoop_generation generation = request(prompt, 1000);
  generation.ignore_eos = 1;
  ASSERT_EQ(stoop_generate(session_, sampler_, &generation), STOOP_OK);
  EXPECT_EQ(generation.finish, STOOP_FINISH_LENGTH);
  // The token that fills the context is fed; the one chosen behind it needs no room.
  EXPECT_EQ(ids_, expected_greedy(prompt, 4));
  EXPECT_EQ(stoop_session_position(session_), kContext);
}

TEST_P(SessionTest, CallbackCancels) {
  std::vector<uint32_t> prompt = {1, 2, 3};
  stoop_generation generation = request(prompt, 30);
  generation.ignore_eos = 1;
  int calls = 0;
  generation.user = &calls;
  generation.on_token = [](void* user, const stoop_token_event*) {
    return ++*static_cast<int*>(user) == 5 ? 1 : 0;
  };
  ASSERT_EQ(stoop_generate(session_, sampler_, &generation), STOOP_OK);
  EXPECT_EQ(generation.finish, STOOP_FINISH_CANCELLED);
  EXPECT_EQ(calls, 5);
}

TEST_P(SessionTest, EmptyPromptAndStopStringsWithoutATokenizerAreRefused) {
  stoop_generation generation = request({}, 5);
  EXPECT_EQ(stoop_generate(session_, sampler_, &generation), STOOP_INVALID_ARGUMENT);
  std::vector<uint32_t> prompt = {1};
  generation = request(prompt, 5);
  const char* stops[] = {"x"};
  generation.stop_strings = stops;
  generation.num_stop_strings = 1;
  EXPECT_EQ(stoop_generate(session_, sampler_, &generation), STOOP_NO_TOKENIZER);
}

// Id n is the letter 'a' + n mod 26, but for 'b', which is a whole word; the end of a stream is a '$'.
class LetterStream final : public rt::TextStream {
 public:
  uint64_t push(uint32_t id, const char** piece) override { return give(letters(id), piece); }
  uint64_t finish(const char** piece) override { return give("$", piece); }
  static std::string letters(uint32_t id) {
    return id % 26 == 1 ? "word" : std::string(1, static_cast<char>('a' + id % 26));
  }

 private:
  uint64_t give(const std::string& text, const char** piece) {
    text_ = text;
    *piece = text_.data();
    return text_.size();
  }
  std::string text_;
};

class LetterCodec final : public rt::TextCodec {
 public:
  stoop_status encode(const char*, uint64_t, uint32_t*, uint64_t, uint64_t*, rt::Message&) override {
    return STOOP_INTERNAL;
  }
  stoop_status decode(const uint32_t*, uint64_t, char*, uint64_t, uint64_t*, rt::Message&) override {
    return STOOP_INTERNAL;
  }
  uint64_t longest_piece() const override { return 16; }
  stoop_status open_stream(rt::TextStream** out, rt::Message&) const override {
    *out = new LetterStream();
    return STOOP_OK;
  }
};

TEST_P(SessionTest, StopStringsEndTheTextWhereverTheyStart) {
  context_->codec = new LetterCodec();
  int stopped = 0;
  for (int trial = 0; trial < 100; ++trial) {
    std::vector<uint32_t> prompt = random_tokens(1 + random_() % 20);
    std::vector<uint32_t> expected = expected_greedy(prompt, 30);
    std::string whole;
    for (uint32_t id : expected) whole += LetterStream::letters(id);
    size_t from = random_() % whole.size();
    std::string stop = whole.substr(from, 1 + random_() % 6);
    if (trial % 4 == 0) stop += "~";  // never comes: all that was held back must appear
    std::string never = "zzzzzz";
    const char* stops[] = {never.c_str(), stop.c_str()};
    std::string text;
    stoop_generation generation = request(prompt, 30);
    generation.ignore_eos = 1;
    generation.stop_strings = stops;
    generation.num_stop_strings = 2;
    generation.user = &text;
    generation.on_token = [](void* user, const stoop_token_event* event) {
      static_cast<std::string*>(user)->append(event->text, event->text_bytes);
      return 0;
    };
    ASSERT_EQ(stoop_session_truncate(session_, 0), STOOP_OK);
    ASSERT_EQ(stoop_generate(session_, sampler_, &generation), STOOP_OK);
    size_t place = whole.find(stop);
    if (place == std::string::npos) {
      EXPECT_EQ(generation.finish, STOOP_FINISH_LENGTH);
      EXPECT_EQ(text, whole + "$");
      continue;
    }
    ++stopped;
    EXPECT_EQ(generation.finish, STOOP_FINISH_STRING);
    EXPECT_EQ(generation.stop_index, 1u);
    EXPECT_EQ(text, whole.substr(0, place));
  }
  EXPECT_GT(stopped, 50);
}

INSTANTIATE_TEST_SUITE_P(Threads, SessionTest, testing::Values(1, 2, 5));

TEST(Context, DamagedPayloadGivesNoToken) {
  OwnImage own;
  own.payload[5000] ^= 1;
  stoop_load_options options{};
  options.struct_size = sizeof options;
  char message[256];
  for (uint32_t flags : {0u, uint32_t{STOOP_LOAD_NO_VERIFY}}) {
    options.flags = flags;
    stoop_context* context = nullptr;
    stoop_session* session = nullptr;
    stoop_sampler* sampler = nullptr;
    ASSERT_EQ(stoop_context_create(&own.image, &options, &context, message, sizeof message), STOOP_OK);
    ASSERT_EQ(stoop_session_create(context, &session), STOOP_OK);
    stoop_sampling sampling{};
    sampling.struct_size = sizeof sampling;
    stoop_sampling_defaults(context, &sampling);
    ASSERT_EQ(stoop_sampler_create(context, &sampling, &sampler), STOOP_OK);
    int calls = 0;
    uint32_t prompt[] = {1, 2};
    stoop_generation generation{};
    generation.struct_size = sizeof generation;
    generation.prompt = prompt;
    generation.prompt_tokens = 2;
    generation.max_tokens = 3;
    generation.user = &calls;
    generation.on_token = [](void* user, const stoop_token_event*) {
      ++*static_cast<int*>(user);
      return 0;
    };
    EXPECT_EQ(stoop_generate(session, sampler, &generation), flags ? STOOP_OK : STOOP_BAD_PROGRAM);
    EXPECT_EQ(calls > 0, flags != 0);
    EXPECT_EQ(stoop_context_verify(context), flags ? STOOP_OK : STOOP_BAD_PROGRAM);
    stoop_sampler_destroy(sampler);
    stoop_session_destroy(session);
    stoop_context_destroy(context);
  }
}

TEST(Context, TextOnlyTakesNoMemoryAndRunsNothing) {
  stoop_load_options options{};
  options.struct_size = sizeof options;
  options.flags = STOOP_LOAD_TEXT_ONLY;
  stoop_context* context = nullptr;
  char message[256];
  ASSERT_EQ(stoop_context_create(&image(), &options, &context, message, sizeof message), STOOP_OK);
  stoop_context_info info{};
  info.struct_size = sizeof info;
  stoop_context_info_get(context, &info);
  EXPECT_EQ(info.allocated_bytes, 0u);
  EXPECT_EQ(info.level, nullptr);
  EXPECT_EQ(std::string(info.manifest, info.manifest_bytes),
            "{\"schema_version\":1,\"model\":{\"name\":\"toy\"}}");
  stoop_session* session = nullptr;
  EXPECT_EQ(stoop_session_create(context, &session), STOOP_INVALID_ARGUMENT);
  uint64_t count = 0;
  EXPECT_EQ(stoop_tokenize(context, "x", 1, nullptr, 0, &count), STOOP_NO_TOKENIZER);
  stoop_context_destroy(context);
}

TEST(Context, MoreThreadsThanPlannedAreRefused) {
  stoop_load_options options{};
  options.struct_size = sizeof options;
  options.threads = 9;
  stoop_context* context = nullptr;
  char message[256];
  EXPECT_EQ(stoop_context_create(&image(), &options, &context, message, sizeof message),
            STOOP_INVALID_ARGUMENT);
  EXPECT_NE(std::string(message).find("9 threads"), std::string::npos) << message;
}

}  // namespace
}  // namespace stoop::toy

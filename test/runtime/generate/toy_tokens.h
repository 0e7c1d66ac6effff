// The toy program loaded, tokens for it and the logits that it has to give for them.
#ifndef STOOP_TEST_RUNTIME_GENERATE_TOY_TOKENS_H_
#define STOOP_TEST_RUNTIME_GENERATE_TOY_TOKENS_H_

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "test/runtime/toy/toy_program.h"

namespace stoop::toy {

using Tokens = std::vector<uint32_t>;

inline stoop_context* load(uint32_t threads, const stoop_image& program = image()) {
  stoop_load_options options{};
  options.struct_size = sizeof options;
  options.threads = threads;
  options.flags = &program == &image() ? 0 : STOOP_LOAD_NO_VERIFY;  // a test has changed its payload
  char message[256] = "";
  stoop_context* context = nullptr;
  EXPECT_EQ(stoop_context_create(&program, &options, &context, message, sizeof message), STOOP_OK) << message;
  return context;
}

inline Tokens random_tokens(std::mt19937& random, size_t count) {
  Tokens tokens(count);
  for (uint32_t& token : tokens) token = random() % kVocab;
  return tokens;
}

inline void expect_equal(const float* logits, const Tokens& tokens) {
  std::vector<float> expected = expected_logits(tokens);
  for (uint32_t v = 0; v < kVocab; ++v) ASSERT_EQ(logits[v], expected[v]) << v;
}

}  // namespace stoop::toy

#endif  // STOOP_TEST_RUNTIME_GENERATE_TOY_TOKENS_H_

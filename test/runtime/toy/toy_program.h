// A hand-made program for the runtime's tests: a language model over 50 ids whose logits are exact small
// integers over 100, so that any wrong token, position, slot, chunk or row changes them.
//
// With h = sum over j <= p of (j + 1) * token[j], the logits at position p are
//   ((h * 31 + v * 17 + weight[token[p]][v]) mod 997) / 100,   v < 50,
// where token[j] is read from the KV cache and weight from the payload. Ids 48 and 49 are padding with
// the largest logits of all. A weight of INT32_MIN, which the payload has none of, gives no number.
#ifndef STOOP_TEST_RUNTIME_TOY_TOY_PROGRAM_H_
#define STOOP_TEST_RUNTIME_TOY_TOY_PROGRAM_H_

#include <cstdint>
#include <vector>

#include "stoop/runtime.h"

namespace stoop::toy {

constexpr uint32_t kVocab = 50, kIds = 48, kContext = 64, kBatch = 4;

// The program and a payload in memory; built on first use.
const stoop_image& image();

// The same with a payload of its own, which a test may damage, and with a tokenizer when `blob` is not empty.
struct OwnImage {
  explicit OwnImage(const std::vector<unsigned char>& blob = {});
  std::vector<unsigned char> payload;
  stoop_payload layout;
  stoop_program_desc program;
  stoop_image image;
};

// The logits behind `tokens`, computed plainly.
std::vector<float> expected_logits(const std::vector<uint32_t>& tokens);
// The greedy continuation of `tokens` by `count` ids.
std::vector<uint32_t> expected_greedy(std::vector<uint32_t> tokens, size_t count);

}  // namespace stoop::toy

#endif  // STOOP_TEST_RUNTIME_TOY_TOY_PROGRAM_H_

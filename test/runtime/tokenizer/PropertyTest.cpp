// Properties on random inputs: streams join to the one-shot text, any bytes encode, byte-complete
// vocabularies give the text back.
#include "test/runtime/tokenizer/TestSupport.h"

#include "runtime/tokenizer/unicode.h"

#include <gtest/gtest.h>
#include <random>

using namespace stoop;
using namespace stoop::test;

namespace {

class Property : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    t = importFolder(vectorsPath(GetParam()));
    ASSERT_TRUE(t);
  }

  std::unique_ptr<LoadedTokenizer> t;
  std::mt19937 random{20250817};
};

TEST_P(Property, StreamsJoinToTheDecodedText) {
  size_t ids = t->tokenizer.size();
  for (int round = 0; round < 2000; ++round) {
    Ids sequence(random() % 40);
    for (uint32_t &id : sequence)
      id = static_cast<uint32_t>(random() % (random() % 2 ? 300 : ids + 3));
    for (bool skipSpecial : {false, true}) {
      rt::stream_decoder decoder(t->tokenizer, skipSpecial);
      std::string joined;
      for (uint32_t id : sequence) {
        std::string increment = decoder.push(id);
        ASSERT_TRUE(rt::is_utf8(increment));
        joined += increment;
      }
      joined += decoder.finish();
      ASSERT_EQ(joined, t->tokenizer.decode(sequence, skipSpecial));
      ASSERT_EQ(decoder.finish(), "") << "the decoder is reset";
    }
  }
}

TEST_P(Property, AnyBytesEncode) {
  for (int round = 0; round < 4000; ++round) {
    std::string bytes(random() % 60, '\0');
    for (char &byte : bytes)
      byte = static_cast<char>(random() % 4 ? random() : "<|> \n'\xE2\x82"[random() % 8]);
    std::string replaced;
    ASSERT_EQ(rt::append_lossy(replaced, bytes, true), bytes.size());
    ASSERT_TRUE(rt::is_utf8(replaced));
    for (bool specialsAsText : {false, true}) {
      Ids ids = t->encode(bytes, false, specialsAsText);
      ASSERT_EQ(ids, t->encode(replaced, false, specialsAsText));
      for (uint32_t id : ids)
        ASSERT_TRUE(t->tokenizer.has_token(id)) << id;
    }
  }
}

TEST_P(Property, EveryTokenIsFoundByItsText) {
  size_t found = 0;
  for (uint32_t id = 0; id < t->tokenizer.size(); ++id) {
    if (!t->tokenizer.has_token(id))
      continue;
    ASSERT_EQ(t->tokenizer.token_to_id(t->tokenizer.token(id)), id);
    ++found;
  }
  EXPECT_GE(found, 1000u);
  EXPECT_FALSE(t->tokenizer.has_token(static_cast<uint32_t>(t->tokenizer.size())));
  EXPECT_FALSE(t->tokenizer.token_to_id("no such token"));
}

// add_special_tokens puts the same ids around every text, and failing calls leave the ids alone.
TEST_P(Property, SpecialTokensSurroundTheText) {
  Ids empty = t->encode("", true), with = t->encode("Hello", true),
      without = t->encode("Hello", false);
  ASSERT_GE(with.size(), empty.size());
  EXPECT_EQ(with.size() - without.size(), empty.size());
  EXPECT_EQ(empty.size(), GetParam() == "llama3" ? 1u : 0u);
  Ids appended = {7};
  ASSERT_TRUE(t->tokenizer.encode("Hello", {}, appended));
  EXPECT_EQ(appended.size(), with.size() + 1) << "encode() appends";
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, Property, testing::ValuesIn(recordedTokenizers),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

} // namespace

// Single pre-tokenizers and normalizers as recorded, and the character classes code point by code
// point.
#include "test/runtime/tokenizer/TestSupport.h"

#include "runtime/tokenizer/unicode.h"

#include <gtest/gtest.h>
#include <random>

using namespace stoop;
using namespace stoop::test;
using nlohmann::json;

namespace {

TEST(TokenizerComponents, Recorded) {
  size_t preTokenizers = 0, normalizers = 0;
  for (const json &line : readJsonLines(vectorsPath("components.jsonl"))) {
    json root = smallTokenizer();
    bool isNormalizer = line.contains("normalizer");
    (isNormalizer ? normalizers : preTokenizers)++;
    root["pre_tokenizer"] = isNormalizer ? json() : line["pre_tokenizer"];
    root["normalizer"] = isNormalizer ? line["normalizer"] : json();
    SCOPED_TRACE(isNormalizer ? line["normalizer"].dump() : line["pre_tokenizer"].dump());
    std::unique_ptr<LoadedTokenizer> t = importFiles({.tokenizer_json = root.dump()});
    ASSERT_TRUE(t);
    for (const json &testCase : line["cases"]) {
      SCOPED_TRACE(testCase.dump());
      std::string text = testCase[0].get<std::string>(), error;
      if (isNormalizer) {
        std::string normalized;
        ASSERT_TRUE(t->tokenizer.normalize(text, normalized, &error)) << error;
        ASSERT_EQ(normalized, testCase[1].get<std::string>());
        continue;
      }
      std::vector<std::string> pieces;
      ASSERT_TRUE(t->tokenizer.pre_tokenize(text, pieces, &error)) << error;
      ASSERT_EQ(pieces, testCase[1].get<std::vector<std::string>>());
    }
  }
  EXPECT_EQ(preTokenizers + normalizers, 100u);
  EXPECT_GE(normalizers, 10u);
}

// The known regexes have a matcher of their own; written so that the importer does not know
// them, they run in the regex engine, which must cut every text in the same way.
TEST(TokenizerComponents, MatchersAgreeWithTheRegexEngine) {
  const std::string patterns[] = {
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"([0-9][0-9][0-9])"};
  const std::vector<std::string> alphabet = {
      "a",      "S",      "s",      "t",          "l",         "L",      "v",
      "e",      "E",      "'",      "'",          " ",         " ",      "\n",
      "\r",     "\t",     "1",      "2",          "\u00b2",    "\u0663", "!",
      ".",      "\u017f", "\u00e9", "\u65e5",     "\u0301",    "\u2028", "\u00a0",
      "\u3000", "\u180e", "\ufeff", "\U0001F600", "\U00011F02"};
  std::mt19937 random(7);
  for (const std::string &pattern : patterns) {
    json root = smallTokenizer();
    root["pre_tokenizer"] = {{"type", "Split"},
                             {"pattern", {{"Regex", pattern}}},
                             {"behavior", "Isolated"},
                             {"invert", false}};
    std::unique_ptr<LoadedTokenizer> matcher = importFiles({.tokenizer_json = root.dump()});
    root["pre_tokenizer"]["pattern"]["Regex"] = "(?:" + pattern + ")";
    std::unique_ptr<LoadedTokenizer> engine = importFiles({.tokenizer_json = root.dump()});
    ASSERT_TRUE(matcher && engine);
    EXPECT_FALSE(matcher->import.needs_regex_engine);
    EXPECT_TRUE(engine->import.needs_regex_engine);
    for (int round = 0; round < 3000; ++round) {
      std::string text;
      for (size_t length = random() % 20; length > 0; --length)
        text += alphabet[random() % alphabet.size()];
      std::vector<std::string> expected, actual;
      ASSERT_TRUE(engine->tokenizer.pre_tokenize(text, expected));
      ASSERT_TRUE(matcher->tokenizer.pre_tokenize(text, actual));
      ASSERT_EQ(actual, expected) << pattern << "\n" << json(text).dump();
    }
  }
}

TEST(TokenizerComponents, CharacterClasses) {
  json classes = json::parse(readFile(vectorsPath("classes.json")));
  const std::pair<const char *, rt::char_property> names[] = {
      {"regex_L", rt::char_letter},
      {"regex_N", rt::char_number},
      {"regex_s", rt::char_space},
      {"added_token_space", rt::char_space},
      {"punctuation_pre_tokenizer", rt::char_punctuation},
      {"digits_pre_tokenizer", rt::char_digit},
      {"added_token_word", rt::char_word}};
  for (const auto &[name, property] : names) {
    std::vector<bool> expected(0x110000, false);
    for (const json &range : classes[name])
      for (uint32_t c = range[0]; c <= range[1].get<uint32_t>(); ++c)
        expected[c] = true;
    for (uint32_t c = 0; c < expected.size(); ++c)
      ASSERT_EQ((rt::char_properties(c) & property) != 0, expected[c])
          << name << " U+" << std::hex << c;
  }
  EXPECT_EQ(rt::char_properties(0x110000), 0);
}

TEST(TokenizerComponents, ByteAlphabetIsABijection) {
  for (int byte = 0; byte < 256; ++byte)
    EXPECT_EQ(rt::alphabet_to_byte(rt::byte_to_alphabet(static_cast<uint8_t>(byte))), byte);
  int members = 0;
  for (uint32_t c = 0; c < 0x110000; ++c)
    members += rt::alphabet_to_byte(c) >= 0;
  EXPECT_EQ(members, 256);
}

} // namespace

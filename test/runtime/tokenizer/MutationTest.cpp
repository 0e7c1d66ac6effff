// Damaged inputs: every mutated blob or file either is refused with a message or gives a tokenizer
// that works. Nothing may crash, read out of bounds (run under the asan preset for that) or loop.
#include "test/runtime/tokenizer/TestSupport.h"

#include "runtime/tokenizer/blob_format.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace stoop;
using namespace stoop::test;

namespace {

constexpr std::string_view sampleText =
    "Hello abc<s> '  12345\n\n\u00e9 <|endoftext|>>>TITLE<<x \xff\xe2\x82";

void useTokenizer(const rt::tokenizer &tokenizer) {
  Ids ids;
  std::string error;
  bool encoded = tokenizer.encode(sampleText, {}, ids, &error);
  EXPECT_TRUE(encoded || !error.empty());
  ids.push_back(0xFFFFFFFF);
  for (uint32_t id = 0; id < 300; id += 7)
    ids.push_back(id);
  rt::stream_decoder decoder(tokenizer, true);
  std::string joined;
  for (uint32_t id : ids)
    joined += decoder.push(id);
  joined += decoder.finish();
  EXPECT_EQ(joined, tokenizer.decode(ids, true));
}

// A few edits of random kinds: bits, bytes, 32-bit words at aligned places, truncation, repetition.
template <typename Bytes> void mutate(Bytes &bytes, std::mt19937 &random) {
  for (size_t edits = 1 + random() % 4; edits > 0 && !bytes.empty(); --edits) {
    size_t at = random() % (random() % 2 ? bytes.size() : std::min<size_t>(bytes.size(), 400));
    switch (random() % 5) {
    case 0:
      bytes[at] ^= static_cast<char>(1 << random() % 8);
      break;
    case 1:
      bytes[at] = static_cast<char>(random());
      break;
    case 2: {
      const uint32_t words[] = {0,
                                1,
                                0xFFFFFFFF,
                                0x7FFFFFFF,
                                0x80000000,
                                static_cast<uint32_t>(bytes.size()),
                                static_cast<uint32_t>(random())};
      if (at / 4 * 4 + 4 <= bytes.size())
        std::memcpy(&bytes[at / 4 * 4], &words[random() % 7], 4);
      break;
    }
    case 3:
      if (random() % 8 == 0)
        bytes.resize(at);
      break;
    case 4: {
      size_t count = std::min<size_t>(random() % 64, bytes.size() - at);
      std::memmove(&bytes[random() % (bytes.size() - count + 1)], &bytes[at], count);
      break;
    }
    }
  }
}

TEST(TokenizerMutation, Blob) {
  nlohmann::json root = smallTokenizer();
  root["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", "x+"}}}, {"content", "y"}};
  std::vector<std::unique_ptr<LoadedTokenizer>> sources;
  sources.push_back(importFiles({.tokenizer_json = root.dump()}));
  sources.push_back(importFolder(vectorsPath("falcon3")));
  std::mt19937 random(11);
  size_t refused = 0, loaded = 0;
  for (int round = 0; round < 6000; ++round) {
    ASSERT_TRUE(sources[0] && sources[1]);
    // The large one is copied less often: it costs 20 times as much.
    std::vector<uint8_t> bytes = sources[round % 10 == 0]->import.blob;
    mutate(bytes, random);
    rt::tokenizer tokenizer;
    std::string error;
    if (tokenizer.load(bytes.data(), bytes.size(), &error)) {
      ++loaded;
      useTokenizer(tokenizer);
    } else {
      ++refused;
      ASSERT_FALSE(error.empty());
    }
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(loaded, 200u);
}

TEST(TokenizerMutation, EveryTruncationOfABlobIsRefused) {
  std::unique_ptr<LoadedTokenizer> source =
      importFiles({.tokenizer_json = smallTokenizer().dump()});
  ASSERT_TRUE(source);
  const std::vector<uint8_t> &blob = source->import.blob;
  for (size_t size = 0; size < blob.size(); size += 1 + size / 64) {
    std::vector<uint8_t> bytes(blob.begin(), blob.begin() + static_cast<long>(size));
    rt::tokenizer tokenizer;
    std::string error;
    ASSERT_FALSE(tokenizer.load(bytes.data(), bytes.size(), &error)) << size;
    ASSERT_NE(error.find("tokenizer blob"), std::string::npos) << error;
  }
}

// Values that are wrong in one field of the header are all refused by name.
TEST(TokenizerMutation, HeaderFields) {
  std::unique_ptr<LoadedTokenizer> source =
      importFiles({.tokenizer_json = smallTokenizer().dump()});
  ASSERT_TRUE(source);
  auto errorAfter = [&](auto edit) {
    std::vector<uint8_t> bytes = source->import.blob;
    edit(*reinterpret_cast<rt::blob::header *>(bytes.data()));
    rt::tokenizer tokenizer;
    std::string error;
    EXPECT_FALSE(tokenizer.load(bytes.data(), bytes.size(), &error));
    return error;
  };
  using rt::blob::header;
  EXPECT_NE(errorAfter([](header &h) { h.magic ^= 1; }).find("magic"), std::string::npos);
  EXPECT_NE(errorAfter([](header &h) { h.version = 9; }).find("version: 9"), std::string::npos);
  EXPECT_NE(errorAfter([](header &h) { h.num_ids = 1u << 30; }).find("1073741824"),
            std::string::npos);
  EXPECT_NE(errorAfter([](header &h) {
              h.sections[rt::blob::merge_slots].offset = 1u << 30;
            }).find("merge_slots"),
            std::string::npos);
  EXPECT_NE(errorAfter([](header &h) {
              h.sections[rt::blob::vocab_slots].bytes = 0;
            }).find("vocab_slots"),
            std::string::npos);
}

TEST(TokenizerMutation, TokenizerJson) {
  nlohmann::json root = smallTokenizer();
  root["normalizer"] =
      nlohmann::json::parse(R"({"type": "Sequence", "normalizers": [{"type": "NFC"},
      {"type": "Replace", "pattern": {"Regex": "q+"}, "content": "k"}, {"type": "Prepend", "prepend": "_"}]})");
  root["post_processor"] = nlohmann::json::parse(R"({"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [258], "tokens": ["<s>"]}}})");
  nlohmann::json model = root["model"];
  root.erase(
      "model"); // behind the rest, so that most edits hit the structure and not the vocabulary
  std::string head = root.dump();
  const std::string text = head.substr(0, head.size() - 1) + ",\"model\":" + model.dump() + "}";
  ASSERT_TRUE(importFiles({.tokenizer_json = text}));
  std::mt19937 random(12);
  size_t refused = 0, imported = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = text;
    mutate(bytes, random);
    rt::tokenizer_import import;
    std::string error;
    if (!rt::import_tokenizer(rt::tokenizer_files{.tokenizer_json = bytes}, &import, &error)) {
      ++refused;
      ASSERT_FALSE(error.empty());
      continue;
    }
    ++imported;
    rt::tokenizer tokenizer;
    ASSERT_TRUE(tokenizer.load(import.blob.data(), import.blob.size(), &error)) << error;
    useTokenizer(tokenizer);
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(imported, 20u);
}

} // namespace

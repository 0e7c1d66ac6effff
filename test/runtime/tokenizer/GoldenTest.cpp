// Every recorded encoding, decoding and stream of the reference library, equal id for id and byte
// for byte.
#include "test/runtime/tokenizer/TestSupport.h"

#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;
using nlohmann::json;

namespace {

std::vector<std::string> streamOf(const rt::tokenizer &tokenizer, const Ids &ids,
                                  bool skipSpecial) {
  rt::stream_decoder decoder(tokenizer, skipSpecial);
  std::vector<std::string> increments;
  for (uint32_t id : ids)
    increments.push_back(decoder.push(id));
  increments.push_back(decoder.finish());
  return increments;
}

std::string fromHex(const std::string &hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

// One line of golden.jsonl or, with `hex`, of invalid_utf8.jsonl.
void checkEncoding(const LoadedTokenizer &t, const json &line) {
  std::string input = line.contains("hex") ? fromHex(line["hex"]) : line["text"].get<std::string>();
  Ids ids = line["ids"].get<Ids>(), plain = line["ids_no_special"].get<Ids>();
  ASSERT_EQ(t.encode(input), ids);
  ASSERT_EQ(t.encode(input, false), plain);
  ASSERT_EQ(t.encode(input, false, true), line.contains("ids_specials_as_text")
                                              ? line["ids_specials_as_text"].get<Ids>()
                                              : plain);
  ASSERT_EQ(t.tokenizer.decode(ids, false), line["decoded"].get<std::string>());
  ASSERT_EQ(t.tokenizer.decode(ids, true), line["decoded_skip_special"].get<std::string>());
  ASSERT_EQ(streamOf(t.tokenizer, ids, false), line["stream"].get<std::vector<std::string>>());
}

void checkDecoding(const LoadedTokenizer &t, const json &line) {
  Ids ids = line["ids"].get<Ids>();
  ASSERT_EQ(t.tokenizer.decode(ids, false), line["decoded"].get<std::string>());
  ASSERT_EQ(t.tokenizer.decode(ids, true), line["decoded_skip_special"].get<std::string>());
  ASSERT_EQ(streamOf(t.tokenizer, ids, false), line["stream"].get<std::vector<std::string>>());
  ASSERT_EQ(streamOf(t.tokenizer, ids, true),
            line["stream_skip_special"].get<std::vector<std::string>>());
}

class Recorded : public testing::TestWithParam<std::string> {
protected:
  // Runs `check` on each line of a file and stops at the first difference.
  template <typename Check>
  void forEachLine(const std::string &tokenizer, const std::string &file, size_t expected,
                   Check check) {
    std::unique_ptr<LoadedTokenizer> t = importFolder(vectorsPath(tokenizer));
    ASSERT_TRUE(t);
    std::vector<json> lines = readJsonLines(vectorsPath(file));
    EXPECT_GE(lines.size(), expected);
    for (const json &line : lines) {
      SCOPED_TRACE(file + ": " + line.dump().substr(0, 400));
      check(*t, line);
      if (HasFatalFailure())
        return;
    }
  }
};

TEST_P(Recorded, Golden) {
  forEachLine(GetParam(), GetParam() + "/golden.jsonl", 700, checkEncoding);
}
TEST_P(Recorded, InvalidUtf8) {
  forEachLine(GetParam(), GetParam() + "/invalid_utf8.jsonl", 150, checkEncoding);
}
TEST_P(Recorded, Decode) {
  forEachLine(GetParam(), GetParam() + "/decode.jsonl", 160, checkDecoding);
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, Recorded, testing::ValuesIn(recordedTokenizers),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

using RecordedFiles = Recorded;

// vocab.json and merges.txt are the same tokenizer as gpt2/tokenizer.json.
TEST_P(RecordedFiles, SameAsTokenizerJson) {
  forEachLine("gpt2-files", GetParam(), 150,
              GetParam() == "gpt2/decode.jsonl" ? checkDecoding : checkEncoding);
}

INSTANTIATE_TEST_SUITE_P(Gpt2, RecordedFiles,
                         testing::Values("gpt2/golden.jsonl", "gpt2/invalid_utf8.jsonl",
                                         "gpt2/decode.jsonl"),
                         [](const auto &info) { return "file" + std::to_string(info.index); });

} // namespace

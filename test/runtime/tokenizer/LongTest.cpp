// Long texts: the recorded ones by count and digest, and inputs of 4 MB that only an algorithm
// close to linear time gets through.
#include "test/runtime/tokenizer/TestSupport.h"

#include <gtest/gtest.h>
#include <llvm/ADT/StringExtras.h>
#include <llvm/Support/SHA256.h>

using namespace stoop;
using namespace stoop::test;
using nlohmann::json;

namespace {

std::string repeat(const std::string &unit, size_t times) {
  std::string text;
  text.reserve(unit.size() * times);
  for (size_t i = 0; i < times; ++i)
    text += unit;
  return text;
}

std::string digest(const Ids &ids) {
  std::vector<uint8_t> bytes;
  for (uint32_t id : ids)
    for (int shift = 0; shift < 32; shift += 8)
      bytes.push_back(static_cast<uint8_t>(id >> shift));
  return llvm::toHex(llvm::SHA256::hash(bytes), true);
}

class Long : public testing::TestWithParam<std::string> {};

TEST_P(Long, Recorded) {
  std::unique_ptr<LoadedTokenizer> t = importFolder(vectorsPath(GetParam()));
  ASSERT_TRUE(t);
  for (const json &line : readJsonLines(vectorsPath(GetParam() + "/long.jsonl"))) {
    SCOPED_TRACE(line["unit"].dump());
    Ids ids = t->encode(repeat(line["unit"], line["times"]), false);
    ASSERT_EQ(ids.size(), line["count"].get<size_t>());
    ASSERT_EQ(Ids(ids.begin(), ids.begin() + static_cast<long>(std::min<size_t>(16, ids.size()))),
              line["head"].get<Ids>());
    ASSERT_EQ(digest(ids), line["sha256_u32le"].get<std::string>());
  }
}

// A quadratic step would need 10^13 operations on the 4 MB and 10^11 on the shorter runs.
TEST_P(Long, Runs) {
  std::unique_ptr<LoadedTokenizer> t = importFolder(vectorsPath(GetParam()));
  ASSERT_TRUE(t);
  size_t megabyte = size_t{1} << 20;
  size_t letters = GetParam() == "falcon" ? 4 * megabyte : megabyte / 4;
  size_t spaces = GetParam() == "llama3" ? 4 * megabyte : megabyte / 4;
  const std::pair<std::string, size_t> runs[] = {{"a", letters},
                                                 {" ", spaces},
                                                 {"\n", megabyte / 4},
                                                 {"<|", megabyte / 4},
                                                 {"\u0301", megabyte / 4}};
  for (const auto &[unit, bytes] : runs) {
    std::string text = repeat(unit, bytes / unit.size());
    Ids ids = t->encode(text, false);
    EXPECT_GE(ids.size(), text.size() / 4096);
    EXPECT_EQ(t->tokenizer.decode(ids, false), text) << unit;
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, Long, testing::ValuesIn(recordedTokenizers),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

} // namespace

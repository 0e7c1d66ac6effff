// What the importer accepts, and the message with which it refuses everything else.
#include "test/runtime/tokenizer/TestSupport.h"

#include <filesystem>
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;
using nlohmann::json;

namespace {

// Imports the small tokenizer after an edit at a JSON pointer.
std::string errorWith(const char *pointer, const json &value) {
  json root = smallTokenizer();
  root[json::json_pointer(pointer)] = value;
  return importError({.tokenizer_json = root.dump()});
}

std::unique_ptr<LoadedTokenizer> smallWith(const char *pointer, const json &value) {
  json root = smallTokenizer();
  root[json::json_pointer(pointer)] = value;
  return importFiles({.tokenizer_json = root.dump()});
}

TEST(TokenizerImport, EveryCheckpoint) {
  size_t count = 0;
  std::vector<std::filesystem::path> folders = {std::filesystem::path(STOOP_SOURCE_DIR) /
                                                "examples/falcon-tiny/model"};
  for (const auto &entry : std::filesystem::directory_iterator(
           std::filesystem::path(STOOP_SOURCE_DIR) / "test/checkpoints"))
    if (entry.is_directory())
      folders.push_back(entry.path());
  for (const std::filesystem::path &folder : folders) {
    if (!rt::has_tokenizer(folder))
      continue;
    SCOPED_TRACE(folder);
    std::unique_ptr<LoadedTokenizer> t = importFolder(folder);
    ASSERT_TRUE(t);
    EXPECT_FALSE(t->import.needs_regex_engine);
    ASSERT_TRUE(t->import.eos_id);
    EXPECT_EQ(t->tokenizer.token(*t->import.eos_id), "<|endoftext|>");
    EXPECT_TRUE(t->tokenizer.is_special(*t->import.eos_id));
    EXPECT_EQ(t->tokenizer.size(), t->import.num_ids);
    // The recorded prompts were encoded by the reference.
    json expected = json::parse(readFile(folder / "expected.json"));
    ASSERT_FALSE(expected["generations"].empty());
    for (const json &generation : expected["generations"])
      EXPECT_EQ(t->encode(generation["prompt"].get<std::string>()),
                generation["prompt_ids"].get<Ids>());
    ++count;
  }
  EXPECT_GE(count, 13u);
}

TEST(TokenizerImport, SmallTokenizerWorks) {
  std::unique_ptr<LoadedTokenizer> t = importFiles({.tokenizer_json = smallTokenizer().dump()});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->encode("abcab<s>"), (Ids{257, 256, 258}));
  EXPECT_EQ(t->encode("<s>", true, true), (Ids{'<', 's', '>'}));
}

TEST(TokenizerImport, RefusesComponentsByName) {
  const std::tuple<const char *, json, std::vector<const char *>> cases[] = {
      {"/version", "2.0", {"tokenizer.json.version", "\"2.0\"", "\"1.0\""}},
      {"/extra", 1, {"tokenizer.json.extra"}},
      {"/model/type", "Unigram", {"model.type", "Unigram", "BPE"}},
      {"/model/type", 7, {"model.type", "7"}},
      {"/model/dropout", 0.5, {"model.dropout", "0.5"}},
      {"/model/unk_token", "<unk>", {"model.unk_token", "<unk>"}},
      {"/model/byte_fallback", true, {"model.byte_fallback", "true"}},
      {"/model/fuse_unk", true, {"model.fuse_unk"}},
      {"/model/continuing_subword_prefix", "##", {"continuing_subword_prefix", "##"}},
      {"/model/end_of_word_suffix", "</w>", {"end_of_word_suffix", "</w>"}},
      {"/model/ignore_merges", 1, {"ignore_merges", "true or false"}},
      {"/model/surprise", json(), {"model.surprise"}},
      {"/model/vocab", json::array(), {"model.vocab"}},
      {"/model/vocab/zz", 3, {"same id 3"}},
      {"/model/vocab/zz", -3, {"-3"}},
      {"/model/vocab/zz", 1u << 30, {"1073741824", "limit"}},
      {"/model/merges", {{"a b c"}}, {"merges[0]"}},
      {"/model/merges", {"a zz"}, {"\"zz\"", "vocabulary lacks"}},
      {"/normalizer", {{"type", "BertNormalizer"}}, {"normalizer.type", "BertNormalizer", "NFKC"}},
      {"/normalizer", {{"type", "NFC"}, {"odd", 1}}, {"normalizer.odd"}},
      {"/pre_tokenizer", {{"type", "Metaspace"}}, {"pre_tokenizer.type", "Metaspace", "ByteLevel"}},
      {"/pre_tokenizer",
       {{"type", "Sequence"}, {"pretokenizers", {{{"type", "Whitespace"}}}}},
       {"pretokenizers[0].type", "Whitespace"}},
      {"/pre_tokenizer",
       {{"type", "Split"}, {"pattern", {{"Regex", "("}}}, {"behavior", "Isolated"}},
       {"\"(\"", "regular expression"}},
      {"/pre_tokenizer",
       {{"type", "Split"}, {"pattern", {{"Regex", "a"}}}, {"behavior", "Odd"}},
       {"behavior", "Odd", "Contiguous"}},
      {"/pre_tokenizer",
       {{"type", "Split"}, {"pattern", {{"Glob", "a"}}}, {"behavior", "Isolated"}},
       {"pattern"}},
      {"/post_processor",
       {{"type", "BertProcessing"}},
       {"post_processor.type", "BertProcessing", "TemplateProcessing"}},
      {"/decoder", {{"type", "WordPiece"}}, {"decoder.type", "WordPiece", "ByteLevel"}},
      {"/decoder", json(), {"decoder is null"}},
      {"/added_tokens/0/id", 300, {"added_tokens[0]", "300", "258"}},
      {"/added_tokens/0/odd", 300, {"added_tokens[0].odd"}},
      {"/added_tokens/0/special", "yes", {"special", "yes"}},
  };
  for (const auto &[pointer, value, parts] : cases) {
    std::string error = errorWith(pointer, value);
    for (const char *part : parts)
      EXPECT_NE(error.find(part), std::string::npos)
          << pointer << ": " << error << "\nlacks: " << part;
  }
}

TEST(TokenizerImport, RefusesMissingAndRepeatedKeys) {
  json root = smallTokenizer();
  root["model"].erase("merges");
  EXPECT_NE(importError({.tokenizer_json = root.dump()}).find("model.merges is missing"),
            std::string::npos);
  std::string text = smallTokenizer().dump();
  EXPECT_NE(importError({.tokenizer_json = "{\"version\":\"1.0\"," + text.substr(1)})
                .find("\"version\" occurs twice"),
            std::string::npos);
  EXPECT_NE(importError({.tokenizer_json = text.substr(0, 100)}).find("tokenizer.json: "),
            std::string::npos);
  EXPECT_NE(importError({}).find("--no-tokenizer"), std::string::npos);
  std::string nested = "{\"type\":\"NFC\"}";
  for (int depth = 0; depth < 40; ++depth)
    nested = "{\"type\":\"Sequence\",\"normalizers\":[" + nested + "]}";
  EXPECT_NE(errorWith("/normalizer", json::parse(nested)).find("nested deeper"), std::string::npos);
}

TEST(TokenizerImport, TruncationAndPaddingAreNoted) {
  std::unique_ptr<LoadedTokenizer> t = smallWith("/truncation", {{"max_length", 8}});
  ASSERT_TRUE(t);
  ASSERT_EQ(t->import.notes.size(), 1u);
  EXPECT_NE(t->import.notes[0].find("truncation"), std::string::npos);
}

TEST(TokenizerImport, TemplatesNest) {
  auto item = [](const char *kind, const char *id) {
    return json{{kind, {{"id", id}, {"type_id", 0}}}};
  };
  json wrap = {
      {"type", "TemplateProcessing"},
      {"pair", json::array()},
      {"single", {item("SpecialToken", "<s>"), item("Sequence", "A"), item("SpecialToken", "ab")}},
      {"special_tokens",
       {{"<s>", {{"id", "<s>"}, {"ids", {258}}, {"tokens", {"<s>"}}}},
        {"ab", {{"id", "ab"}, {"ids", {256}}, {"tokens", {"ab"}}}}}}};
  std::unique_ptr<LoadedTokenizer> t =
      smallWith("/post_processor",
                {{"type", "Sequence"}, {"processors", {{{"type", "ByteLevel"}}, wrap, wrap}}});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->encode("c"), (Ids{258, 258, 'c', 256, 256}));
  EXPECT_EQ(t->encode("c", false), (Ids{'c'}));
  wrap["special_tokens"]["ab"]["ids"] = {255};
  EXPECT_NE(errorWith("/post_processor", wrap).find("disagrees"), std::string::npos);
  wrap["single"] = {item("SpecialToken", "<s>")};
  EXPECT_NE(errorWith("/post_processor", wrap).find("single"), std::string::npos);
}

// A pair listed twice has the rank of its last line.
TEST(TokenizerImport, LaterMergeOfAPairWins) {
  json root = smallTokenizer();
  root["model"]["vocab"]["bc"] = 259;
  root["added_tokens"] = json::array();
  root["model"]["vocab"]["<s>"] = 258;
  root["model"]["merges"] = {"a b", "b c", "a b"};
  std::unique_ptr<LoadedTokenizer> t = importFiles({.tokenizer_json = root.dump()});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->encode("abc"), (Ids{'a', 259}));
}

TEST(TokenizerImport, CatastrophicRegexIsAnErrorNotAHang) {
  std::unique_ptr<LoadedTokenizer> t =
      smallWith("/pre_tokenizer", {{"type", "Split"},
                                   {"pattern", {{"Regex", "(a*)*(a*)*(a*)*\\1b"}}},
                                   {"behavior", "Isolated"}});
  ASSERT_TRUE(t);
  Ids ids = {5};
  std::string error;
  if (!t->tokenizer.encode(std::string(3000, 'a'), {}, ids, &error)) {
    EXPECT_NE(error.find("regular expression"), std::string::npos) << error;
    EXPECT_EQ(ids, (Ids{5})) << "ids are unchanged on failure";
  }
}

} // namespace

// tokenizer_config.json, special_tokens_map.json, chat templates, and the vocab.json + merges.txt
// form.
#include "test/runtime/tokenizer/TestSupport.h"

#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;
using nlohmann::json;

namespace {

std::unique_ptr<LoadedTokenizer> smallWithConfig(const json &config, const json &map = json()) {
  rt::tokenizer_files files = {.tokenizer_json = smallTokenizer().dump(),
                               .tokenizer_config = config.dump()};
  if (!map.is_null())
    files.special_tokens_map = map.dump();
  return importFiles(files);
}

TEST(TokenizerConfig, SpecialTokensAsStringsAndObjects) {
  std::unique_ptr<LoadedTokenizer> t =
      smallWithConfig({{"eos_token", "<s>"},
                       {"pad_token", {{"__type", "AddedToken"}, {"content", "abc"}}},
                       {"bos_token", nullptr}},
                      {{"bos_token", "ab"}, {"eos_token", "abc"}});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->import.eos_id, 258u) << "tokenizer_config.json goes first";
  EXPECT_EQ(t->import.pad_id, 257u);
  EXPECT_EQ(t->import.bos_id, 256u);
  EXPECT_FALSE(t->import.unk_id);
  EXPECT_TRUE(t->tokenizer.is_special(257)) << "a named special token becomes an added token";
  EXPECT_EQ(t->import.special_tokens.size(), 3u);
  EXPECT_TRUE(t->import.warnings.empty());
}

TEST(TokenizerConfig, SpecialTokenOutsideTheVocabularyGetsANewId) {
  std::unique_ptr<LoadedTokenizer> t = smallWithConfig({{"pad_token", "<pad>"}});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->import.pad_id, 259u);
  EXPECT_EQ(t->encode("a<pad>"), (Ids{'a', 259}));
  ASSERT_EQ(t->import.warnings.size(), 1u);
  EXPECT_NE(t->import.warnings[0].find("<pad>"), std::string::npos);
}

TEST(TokenizerConfig, AddedTokensDecoderMerges) {
  json config;
  config["added_tokens_decoder"]["259"] = {
      {"content", "<x>"}, {"lstrip", true}, {"special", false}};
  config["added_tokens_decoder"]["258"] = {{"content", "<s>"}, {"special", true}};
  std::unique_ptr<LoadedTokenizer> t = smallWithConfig(config);
  ASSERT_TRUE(t);
  EXPECT_EQ(t->encode("a  <x>"), (Ids{'a', 259}));
  EXPECT_FALSE(t->tokenizer.is_special(259));
  config["added_tokens_decoder"]["300"] = {{"content", "<y>"}};
  EXPECT_NE(
      importError({.tokenizer_json = smallTokenizer().dump(), .tokenizer_config = config.dump()})
          .find("300"),
      std::string::npos);
  EXPECT_NE(
      importError({.tokenizer_json = smallTokenizer().dump(),
                   .tokenizer_config = R"({"added_tokens_decoder": {"x1": {"content": "a"}}})"})
          .find("added_tokens_decoder.x1"),
      std::string::npos);
}

TEST(TokenizerConfig, ChatTemplates) {
  EXPECT_EQ(smallWithConfig({{"chat_template", "T"}})->import.chat_template, "T");
  std::unique_ptr<LoadedTokenizer> t = smallWithConfig(
      {{"chat_template",
        {{{"name", "default"}, {"template", "D"}}, {{"name", "tool_use"}, {"template", "U"}}}}});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->import.chat_template, "D");
  ASSERT_EQ(t->import.named_chat_templates.size(), 1u);
  EXPECT_EQ(t->import.named_chat_templates[0],
            std::make_pair(std::string("tool_use"), std::string("U")));
  t = importFiles({.tokenizer_json = smallTokenizer().dump(),
                   .tokenizer_config = R"({"chat_template": "T"})",
                   .chat_template_jinja = "J"});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->import.chat_template, "J") << "the separate file wins";
  EXPECT_FALSE(smallWithConfig(json::object())->import.chat_template);
  EXPECT_TRUE(importFolder(vectorsPath("falcon3"))->import.chat_template);
}

TEST(TokenizerConfig, KeysWithoutEffectAreNoted) {
  std::unique_ptr<LoadedTokenizer> t = smallWithConfig({{"model_max_length", 1e30},
                                                        {"add_bos_token", true},
                                                        {"clean_up_tokenization_spaces", true}});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->import.notes.size(), 3u);
  EXPECT_EQ(t->encode("a"), (Ids{'a'}));
}

TEST(TokenizerConfig, Gpt2FilesFollowTheTokenizerClass) {
  json vocab = smallTokenizer()["model"]["vocab"];
  rt::tokenizer_files files = {
      .vocab_json = vocab.dump(),
      .merges_txt = "#version: 0.2\na b\r\nab c\n",
      .tokenizer_config =
          R"({"tokenizer_class": "GPT2Tokenizer", "add_bos_token": true, "add_prefix_space": true})"};
  std::unique_ptr<LoadedTokenizer> t = importFiles(files);
  ASSERT_TRUE(t);
  EXPECT_EQ(t->encode("abc"), (Ids{258, ' ', 257}))
      << "<|endoftext|> is added behind the vocabulary";
  files.tokenizer_config = R"({"tokenizer_class": "CLIPTokenizer"})";
  EXPECT_NE(importError(files).find("CLIPTokenizer"), std::string::npos);
  files.tokenizer_config.reset();
  files.merges_txt = "a b\na  b\n";
  EXPECT_NE(importError(files).find("merges.txt:2"), std::string::npos);
  files.merges_txt = "a b\n\n";
  EXPECT_NE(importError(files).find("merges.txt:2"), std::string::npos);
}

} // namespace

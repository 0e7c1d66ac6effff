// Reading vectors and importing tokenizers for the tests beside this file.
#include "test/runtime/tokenizer/TestSupport.h"

#include "runtime/tokenizer/unicode.h"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <sstream>

namespace stoop::test {

using nlohmann::json;

Ids LoadedTokenizer::encode(std::string_view text, bool addSpecial, bool specialsAsText) const {
  Ids ids;
  std::string error;
  EXPECT_TRUE(tokenizer.encode(text, {addSpecial, specialsAsText}, ids, &error)) << error;
  return ids;
}

std::string vectorsPath(const std::string &name) {
  return std::string(STOOP_SOURCE_DIR) + "/test/tokenizers/" + name;
}

template <typename Source>
static std::unique_ptr<LoadedTokenizer> importFrom(const Source &source) {
  auto result = std::make_unique<LoadedTokenizer>();
  std::string error;
  if (!rt::import_tokenizer(source, &result->import, &error)) {
    ADD_FAILURE() << error;
    return nullptr;
  }
  if (!result->tokenizer.load(result->import.blob.data(), result->import.blob.size(), &error)) {
    ADD_FAILURE() << error;
    return nullptr;
  }
  return result;
}

std::unique_ptr<LoadedTokenizer> importFolder(const std::string &folder) {
  return importFrom(folder);
}

std::unique_ptr<LoadedTokenizer> importFiles(const rt::tokenizer_files &files) {
  return importFrom(files);
}

std::string importError(const rt::tokenizer_files &files) {
  rt::tokenizer_import import;
  std::string error;
  EXPECT_FALSE(rt::import_tokenizer(files, &import, &error));
  return error;
}

json smallTokenizer() {
  json vocab;
  for (int byte = 0; byte < 256; ++byte) {
    std::string token;
    rt::append_char(token, rt::byte_to_alphabet(static_cast<uint8_t>(byte)));
    vocab[token] = byte;
  }
  vocab["ab"] = 256;
  vocab["abc"] = 257;
  json root = json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 258, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    "post_processor": null,
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
              "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
              "merges": ["a b", ["ab", "c"]]}})");
  root["model"]["vocab"] = vocab;
  return root;
}

std::string readFile(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<json> readJsonLines(const std::string &path) {
  std::vector<json> lines;
  std::istringstream in(readFile(path));
  for (std::string line; std::getline(in, line, '\n');)
    if (!line.empty())
      lines.push_back(json::parse(line));
  EXPECT_FALSE(lines.empty()) << path;
  return lines;
}

} // namespace stoop::test

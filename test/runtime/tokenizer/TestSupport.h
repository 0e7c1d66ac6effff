// What the tokenizer tests share: the recorded vectors, and tokenizers imported from checkpoint
// folders or from texts.
#ifndef STOOP_TEST_RUNTIME_TOKENIZER_TESTSUPPORT_H
#define STOOP_TEST_RUNTIME_TOKENIZER_TESTSUPPORT_H

#include "runtime/tokenizer/formats/hf_json.h"
#include "runtime/tokenizer/tokenizer.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace stoop::test {

using Ids = std::vector<uint32_t>;

/// An imported tokenizer with the memory it reads from.
struct LoadedTokenizer {
  rt::tokenizer_import import;
  rt::tokenizer tokenizer;

  Ids encode(std::string_view text, bool addSpecial = true, bool specialsAsText = false) const;
};

/// test/tokenizers/NAME.
std::string vectorsPath(const std::string &name);

/// Imports a folder; a failure is a test failure with the importer's message, and gives null.
std::unique_ptr<LoadedTokenizer> importFolder(const std::string &folder);

/// Imports texts in memory, same as importFolder().
std::unique_ptr<LoadedTokenizer> importFiles(const rt::tokenizer_files &files);

/// The message with which an import fails; a failure of the test where it succeeds.
std::string importError(const rt::tokenizer_files &files);

/// A small valid byte-level tokenizer.json: 256 byte tokens (ids 0-255), "ab" (256), "abc" (257),
/// one special token "<s>" (258). Tests edit it.
nlohmann::json smallTokenizer();

/// The file's lines as JSON; never empty (a failure of the test otherwise).
std::vector<nlohmann::json> readJsonLines(const std::string &path);
std::string readFile(const std::string &path);

/// Folders under test/tokenizers that have a tokenizer.json and recorded vectors.
inline const std::vector<std::string> recordedTokenizers = {"falcon", "falcon-strict", "gpt2",
                                                            "llama3", "qwen",          "falcon3"};

} // namespace stoop::test

#endif

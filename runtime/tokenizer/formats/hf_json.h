// Imports the tokenizer of a Hugging Face checkpoint: tokenizer.json, or vocab.json and merges.txt,
// with tokenizer_config.json, special_tokens_map.json and chat_template.jinja where they exist.
//
// Nothing is silently ignored: every key of tokenizer.json is used, has its default, has no
// influence on ids and text by the format's definition (then a note says so), or is refused by
// name.
#ifndef STOOP_RUNTIME_TOKENIZER_FORMATS_HF_JSON_H
#define STOOP_RUNTIME_TOKENIZER_FORMATS_HF_JSON_H

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace stoop::rt {

/// The texts of a checkpoint's tokenizer files; absent files are nullopt.
struct tokenizer_files {
  std::optional<std::string> tokenizer_json = {}, vocab_json = {}, merges_txt = {};
  std::optional<std::string> tokenizer_config = {}, special_tokens_map = {},
                             chat_template_jinja = {};
};

/// What an import gives.
struct tokenizer_import {
  /// The tokenizer as tokenizer::load() takes it. A program must keep it at least 8-byte aligned.
  std::vector<uint8_t> blob;
  /// Number of ids, as tokenizer::size().
  uint32_t num_ids = 0;
  /// A pattern needs the regex engine: link the program with `-u stoop_rt_regex_engine`.
  bool needs_regex_engine = false;
  /// Ids of the special tokens that tokenizer_config.json (first) or special_tokens_map.json names.
  std::optional<uint32_t> bos_id, eos_id, pad_id, unk_id;
  /// Those names and their tokens ("eos_token", "<|endoftext|>"), sorted: variables of a chat
  /// template.
  std::vector<std::pair<std::string, std::string>> special_tokens;
  /// chat_template.jinja, or else the string or the `default` template of tokenizer_config.json.
  std::optional<std::string> chat_template;
  /// The other named templates of tokenizer_config.json, such as `tool_use`.
  std::vector<std::pair<std::string, std::string>> named_chat_templates;
  /// What was read and has no effect; worth showing when asked for details.
  std::vector<std::string> notes;
  /// What the user should know.
  std::vector<std::string> warnings;
};

/// Whether a folder has a tokenizer to import at all.
bool has_tokenizer(const std::string& checkpoint_dir);

/// Reads the files of `checkpoint_dir` and imports them. On failure returns false and one message
/// in `error`, naming file, key, value and what is supported; `out` is unchanged.
bool import_tokenizer(const std::string& checkpoint_dir, tokenizer_import* out, std::string* error);

/// The same from texts in memory.
bool import_tokenizer(const tokenizer_files& files, tokenizer_import* out, std::string* error);

}  // namespace stoop::rt

#endif

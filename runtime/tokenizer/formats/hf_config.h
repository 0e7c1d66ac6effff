// tokenizer_config.json and special_tokens_map.json: more added tokens, names of special ones,
// templates.
#ifndef STOOP_RUNTIME_TOKENIZER_FORMATS_HF_CONFIG_H
#define STOOP_RUNTIME_TOKENIZER_FORMATS_HF_CONFIG_H

#include <map>
#include <string>
#include <vector>

#include "runtime/tokenizer/formats/description.h"
#include "runtime/tokenizer/formats/hf_json.h"

namespace stoop::rt::formats {

/// What the configuration files say.
struct tokenizer_config {
  std::string tokenizer_class;                                    ///< empty if not given
  std::map<std::string, added_token_description> special_tokens;  ///< by name: "eos_token", …
  std::vector<added_token_description> additional_special_tokens;
  std::vector<added_token_description> added_tokens;  ///< added_tokens_decoder, by id
  bool add_bos_token = false, add_eos_token = false, add_prefix_space = false;
};

/// Reads the files that exist; fills templates and notes of `out`. Throws import_error.
tokenizer_config read_config(const tokenizer_files& files, tokenizer_import& out);

/// Adds the configuration's tokens to the vocabulary, as the reference does when it loads a
/// checkpoint: added_tokens_decoder, then special tokens that are no added tokens yet.
void add_config_tokens(const tokenizer_config& config, tokenizer_description& description,
                       tokenizer_import& out);

/// Looks the named special tokens up and fills ids and names of `out`.
void resolve_special_tokens(const tokenizer_config& config,
                            const tokenizer_description& description, tokenizer_import& out);

/// Reads vocab.json and merges.txt (GPT-2) into `out`; throws import_error for other tokenizer
/// classes.
void read_gpt2_files(const tokenizer_files& files, tokenizer_config& config,
                     tokenizer_description& out);

}  // namespace stoop::rt::formats

#endif

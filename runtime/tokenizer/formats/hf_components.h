// The components of a tokenizer.json: each function reads one of its top-level values.
#ifndef STOOP_RUNTIME_TOKENIZER_FORMATS_HF_COMPONENTS_H
#define STOOP_RUNTIME_TOKENIZER_FORMATS_HF_COMPONENTS_H

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tokenizer/formats/description.h"

namespace stoop::rt::formats {

/// All of them throw import_error, naming the component and what is supported, where the value asks
/// for something unknown. `where` is its path ("tokenizer.json: normalizer"); null means no
/// component.
std::vector<step_description> read_normalizer(const nlohmann::json& value,
                                              const std::string& where);
std::vector<step_description> read_pre_tokenizer(const nlohmann::json& value,
                                                 const std::string& where);
/// Fills prefix_ids and suffix_ids; the vocabulary must be complete.
void read_post_processor(const nlohmann::json& value, const std::string& where,
                         tokenizer_description& out);
/// Accepts the byte-level decoder alone.
void check_decoder(const nlohmann::json& value, const std::string& where);
/// Fills the model's vocabulary, merges and flags.
void read_model(const nlohmann::json& value, const std::string& where, tokenizer_description& out);
/// One entry of added_tokens or added_tokens_decoder (which has no id inside).
added_token_description read_added_token(const nlohmann::json& value, const std::string& where);

/// Appends a merge; throws where the vocabulary lacks one of its tokens.
void add_merge(const std::string& left, const std::string& right, const std::string& where,
               tokenizer_description& out);

/// A ByteLevel pre-tokenizer.
step_description byte_level_step(bool add_prefix_space, bool use_regex);

}  // namespace stoop::rt::formats

#endif

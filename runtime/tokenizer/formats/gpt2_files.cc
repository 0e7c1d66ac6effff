// The older form of GPT-2 checkpoints: vocab.json is the model's vocabulary, merges.txt one merge a
// line, and the rest of the pipeline is what the tokenizer class stands for.
#include <string_view>

#include "runtime/tokenizer/formats/hf_components.h"
#include "runtime/tokenizer/formats/hf_config.h"
#include "runtime/tokenizer/formats/json_object.h"

namespace stoop::rt::formats {
namespace {

using nlohmann::json;

// Only lines that begin with "#version" are comments: "# #" is a merge.
void read_merges(std::string_view text, tokenizer_description& out) {
  size_t line_number = 0;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line_number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("#version")) continue;
    std::string where = "merges.txt:" + std::to_string(line_number);
    size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
      throw import_error(where + ": \"" + std::string(line.substr(0, 60)) +
                         "\"; expected two tokens with one space between");
    add_merge(std::string(line.substr(0, space)), std::string(line.substr(space + 1)), where, out);
  }
}

}  // namespace

void read_gpt2_files(const tokenizer_files& files, tokenizer_config& config,
                     tokenizer_description& out) {
  if (!config.tokenizer_class.empty() && config.tokenizer_class != "GPT2Tokenizer" &&
      config.tokenizer_class != "GPT2TokenizerFast")
    throw import_error("tokenizer_config.json: tokenizer_class is \"" + config.tokenizer_class +
                       "\"; supported for vocab.json and merges.txt: GPT2Tokenizer (save other "
                       "ones as tokenizer.json)");
  json vocab = parse_json("vocab.json", *files.vocab_json);
  json_object object(vocab, "vocab.json");
  for (const auto& [token, id] : vocab.items()) {
    if (!id.is_number_unsigned())
      throw import_error("vocab.json: id of " + quote_json(token) + " is " + quote_json(id) +
                         ", expected a number");
    out.vocab.add_model_token(token, id.get<uint64_t>(), "vocab.json");
  }
  read_merges(*files.merges_txt, out);
  out.pre_tokenizers.push_back(byte_level_step(config.add_prefix_space, true));
  for (const char* name : {"bos_token", "eos_token", "unk_token"})
    config.special_tokens.try_emplace(
        name, added_token_description{.content = "<|endoftext|>", .special = true});
}

}  // namespace stoop::rt::formats

// The order of an import: configuration, model and components, added tokens (they need the model's
// ids), post-processor (it needs theirs), blob. Exceptions end here.
#include "runtime/tokenizer/formats/hf_json.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "runtime/tokenizer/formats/blob_writer.h"
#include "runtime/tokenizer/formats/hf_components.h"
#include "runtime/tokenizer/formats/hf_config.h"
#include "runtime/tokenizer/formats/json_object.h"

namespace stoop::rt {
namespace {

using namespace formats;
using nlohmann::json;

const json& value_or_null(json_object& object, const char* key) {
  static const json null;
  const json* value = object.find(key);
  return value ? *value : null;
}

void read_tokenizer_json(const std::string& text, tokenizer_description& description,
                         tokenizer_import& out, json& root) {
  const std::string file = "tokenizer.json";
  root = parse_json(file, text);
  json_object object(root, file);
  object.require_default("version", {"\"1.0\""});
  for (const char* key : {"truncation", "padding"})
    if (const json* value = object.find(key); value && !value->is_null())
      out.notes.push_back(file + ": " + key +
                          " is not applied: the program takes texts as they are");
  read_model(object.at("model"), file + ": model", description);
  description.normalizers =
      read_normalizer(value_or_null(object, "normalizer"), file + ": normalizer");
  description.pre_tokenizers =
      read_pre_tokenizer(value_or_null(object, "pre_tokenizer"), file + ": pre_tokenizer");
  check_decoder(value_or_null(object, "decoder"), file + ": decoder");
  const json& added = value_or_null(object, "added_tokens");
  if (!added.is_null() && !added.is_array()) object.refuse("added_tokens", added, "an array");
  for (size_t i = 0; i < added.size(); ++i) {
    std::string where = file + ": added_tokens[" + std::to_string(i) + "]";
    added_token_description token = read_added_token(added[i], where);
    if (token.content.empty())
      out.notes.push_back(where + ": empty, as in the reference it never matches");
    else
      description.vocab.add_token(token, where);
  }
  object.find("post_processor");
  object.finish();
}

void import_files(const tokenizer_files& files, tokenizer_import& out) {
  tokenizer_config config = read_config(files, out);
  tokenizer_description description;
  json root;
  if (files.tokenizer_json) {
    read_tokenizer_json(*files.tokenizer_json, description, out, root);
    for (const char* key : {"add_bos_token", "add_eos_token"})
      if (std::string_view(key) == "add_bos_token" ? config.add_bos_token : config.add_eos_token)
        out.notes.push_back(std::string("tokenizer_config.json: ") + key +
                            " is left to the post_processor of tokenizer.json");
  } else if (files.vocab_json && files.merges_txt) {
    read_gpt2_files(files, config, description);
  } else {
    throw import_error(
        "no tokenizer: neither tokenizer.json nor vocab.json with merges.txt; --no-tokenizer "
        "compiles without");
  }
  add_config_tokens(config, description, out);
  if (root.is_object()) {
    json_object object(root, "tokenizer.json");
    read_post_processor(value_or_null(object, "post_processor"), "tokenizer.json: post_processor",
                        description);
  } else if (config.add_bos_token) {
    description.prefix_ids.push_back(
        *description.vocab.find(config.special_tokens.at("bos_token").content));
  }
  resolve_special_tokens(config, description, out);
  out.num_ids = description.vocab.num_ids();
  auto needs_engine = [](const step_description& step) {
    return step.pattern == blob::pattern_kind::regex;
  };
  out.needs_regex_engine =
      std::any_of(description.normalizers.begin(), description.normalizers.end(), needs_engine) ||
      std::any_of(description.pre_tokenizers.begin(), description.pre_tokenizers.end(),
                  needs_engine);
  out.blob = write_blob(description);
}

// The text of a file; nullopt where there is none.
std::optional<std::string> read_file(const std::filesystem::path& path) {
  std::error_code code;
  if (!std::filesystem::exists(path, code)) return std::nullopt;
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in) throw import_error(path.string() + " cannot be read");
  return text;
}

template <typename Import>
bool guarded(const std::string& prefix, tokenizer_import* out, std::string* error, Import import) {
  try {
    tokenizer_import fresh;
    import(fresh);
    *out = std::move(fresh);
    return true;
  } catch (const std::exception& e) {
    if (error) *error = prefix + e.what();
    return false;
  }
}

}  // namespace

bool has_tokenizer(const std::string& checkpoint_dir) {
  std::filesystem::path dir(checkpoint_dir);
  std::error_code code;
  return std::filesystem::exists(dir / "tokenizer.json", code) ||
         (std::filesystem::exists(dir / "vocab.json", code) &&
          std::filesystem::exists(dir / "merges.txt", code));
}

bool import_tokenizer(const tokenizer_files& files, tokenizer_import* out, std::string* error) {
  return guarded("", out, error, [&](tokenizer_import& fresh) { import_files(files, fresh); });
}

bool import_tokenizer(const std::string& checkpoint_dir, tokenizer_import* out,
                      std::string* error) {
  return guarded(checkpoint_dir + ": ", out, error, [&](tokenizer_import& fresh) {
    std::filesystem::path dir(checkpoint_dir);
    tokenizer_files files;
    files.tokenizer_json = read_file(dir / "tokenizer.json");
    files.vocab_json = read_file(dir / "vocab.json");
    files.merges_txt = read_file(dir / "merges.txt");
    files.tokenizer_config = read_file(dir / "tokenizer_config.json");
    files.special_tokens_map = read_file(dir / "special_tokens_map.json");
    files.chat_template_jinja = read_file(dir / "chat_template.jinja");
    import_files(files, fresh);
  });
}

}  // namespace stoop::rt

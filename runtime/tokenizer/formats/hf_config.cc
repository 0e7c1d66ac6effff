// Keys of the configuration that do not change ids or text are listed in one note; the file is
// metadata of many libraries, so unknown keys are noted as well instead of being refused.
#include "runtime/tokenizer/formats/hf_config.h"

#include <algorithm>
#include <charconv>

#include "runtime/tokenizer/formats/hf_components.h"
#include "runtime/tokenizer/formats/json_object.h"

namespace stoop::rt::formats {
namespace {

using nlohmann::json;

constexpr const char* special_names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                         "pad_token", "cls_token", "mask_token"};

// A special token's value: a string or an AddedToken object.
added_token_description read_special(const json& value, const std::string& where) {
  added_token_description token;
  if (value.is_string()) {
    token.content = value.get<std::string>();
  } else if (value.is_object()) {
    token = read_added_token(value, where);
    token.declared_id.reset();
  } else {
    throw import_error(where + " is " + quote_json(value) +
                       "; supported: a string, an object with \"content\", null");
  }
  token.special = true;
  return token;
}

void read_special_tokens(json_object& object, tokenizer_config& config) {
  for (const char* name : special_names) {
    const json* value = object.find(name);
    if (!value || value->is_null() || config.special_tokens.count(name)) continue;
    config.special_tokens[name] = read_special(*value, object.where() + ": " + name);
  }
  const json* list = object.find("additional_special_tokens");
  if (!list || list->is_null()) return;
  if (!list->is_array()) object.refuse("additional_special_tokens", *list, "an array");
  for (const json& value : *list)
    config.additional_special_tokens.push_back(
        read_special(value, object.where() + ": additional_special_tokens"));
}

void read_added_tokens(json_object& object, tokenizer_config& config) {
  const json* list = object.find("added_tokens_decoder");
  if (!list || list->is_null()) return;
  if (!list->is_object()) object.refuse("added_tokens_decoder", *list, "an object of id: token");
  for (const auto& [key, value] : list->items()) {
    std::string where = object.where() + ": added_tokens_decoder." + key;
    added_token_description token = read_added_token(value, where);
    uint32_t id = 0;
    auto [end, code] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (code != std::errc() || end != key.data() + key.size())
      throw import_error(where + ": the key is no id");
    token.declared_id = id;
    config.added_tokens.push_back(std::move(token));
  }
  std::sort(config.added_tokens.begin(), config.added_tokens.end(),
            [](const auto& a, const auto& b) { return *a.declared_id < *b.declared_id; });
}

void read_chat_template(json_object& object, tokenizer_import& out) {
  const json* value = object.find("chat_template");
  if (!value || value->is_null()) return;
  if (value->is_string()) {
    out.chat_template = value->get<std::string>();
    return;
  }
  if (!value->is_array())
    object.refuse("chat_template", *value, "a string, or an array of {name, template}");
  for (const json& entry : *value) {
    json_object named(entry, object.where() + ": chat_template");
    std::string name = named.get_string("name"), text = named.get_string("template");
    named.finish();
    if (name == "default")
      out.chat_template = text;
    else
      out.named_chat_templates.emplace_back(name, text);
  }
}

bool flag(json_object& object, const char* key) {
  const json* value = object.find(key);
  if (!value || value->is_null()) return false;
  return object.get_bool(key, false);
}

void read_tokenizer_config(const std::string& text, tokenizer_config& config,
                           tokenizer_import& out) {
  json root = parse_json("tokenizer_config.json", text);
  json_object object(root, "tokenizer_config.json");
  read_special_tokens(object, config);
  read_added_tokens(object, config);
  read_chat_template(object, out);
  if (const json* value = object.find("tokenizer_class"); value && value->is_string())
    config.tokenizer_class = value->get<std::string>();
  config.add_bos_token = flag(object, "add_bos_token");
  config.add_eos_token = flag(object, "add_eos_token");
  config.add_prefix_space = flag(object, "add_prefix_space");
  if (flag(object, "clean_up_tokenization_spaces"))
    out.notes.push_back(
        "tokenizer_config.json: clean_up_tokenization_spaces is not applied: text is decoded as it "
        "was generated");
  std::string unused;
  for (const auto& [key, value] : root.items())
    if (!object.was_read(key)) unused += (unused.empty() ? "" : ", ") + key;
  if (!unused.empty())
    out.notes.push_back("tokenizer_config.json: no influence on ids or text: " + unused);
}

}  // namespace

tokenizer_config read_config(const tokenizer_files& files, tokenizer_import& out) {
  tokenizer_config config;
  if (files.tokenizer_config) read_tokenizer_config(*files.tokenizer_config, config, out);
  if (files.special_tokens_map) {
    json root = parse_json("special_tokens_map.json", *files.special_tokens_map);
    json_object object(root, "special_tokens_map.json");
    read_special_tokens(object, config);
    for (const auto& [key, value] : root.items())
      if (!object.was_read(key))
        out.notes.push_back("special_tokens_map.json: no influence on ids or text: " + key);
  }
  if (files.chat_template_jinja) out.chat_template = *files.chat_template_jinja;
  return config;
}

void add_config_tokens(const tokenizer_config& config, tokenizer_description& description,
                       tokenizer_import& out) {
  for (const added_token_description& token : config.added_tokens)
    if (!token.content.empty())
      description.vocab.add_token(token, "tokenizer_config.json: added_tokens_decoder");
  auto add_special = [&](const added_token_description& token, const std::string& name) {
    if (token.content.empty() || description.vocab.is_added(token.content)) return;
    bool is_new = !description.vocab.find_in_model(token.content);
    description.vocab.add_token(token, "tokenizer_config.json: " + name);
    if (is_new)
      out.warnings.push_back("tokenizer_config.json: " + name + " \"" + token.content +
                             "\" is not in the vocabulary; it gets the new id " +
                             std::to_string(*description.vocab.find(token.content)));
  };
  for (const char* name : special_names)
    if (auto found = config.special_tokens.find(name); found != config.special_tokens.end())
      add_special(found->second, name);
  for (const added_token_description& token : config.additional_special_tokens)
    add_special(token, "additional_special_tokens");
}

void resolve_special_tokens(const tokenizer_config& config,
                            const tokenizer_description& description, tokenizer_import& out) {
  for (const auto& [name, token] : config.special_tokens) {
    out.special_tokens.emplace_back(name, token.content);
    std::optional<uint32_t> id = description.vocab.find(token.content);
    if (name == "bos_token") out.bos_id = id;
    if (name == "eos_token") out.eos_id = id;
    if (name == "pad_token") out.pad_id = id;
    if (name == "unk_token") out.unk_id = id;
  }
}

}  // namespace stoop::rt::formats

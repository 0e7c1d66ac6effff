// Sequences are flattened. Names and numbers of the components come from components.def.
#include "runtime/tokenizer/formats/hf_components.h"

#include <optional>

#include "runtime/tokenizer/formats/json_object.h"

namespace stoop::rt::formats {
namespace {

using nlohmann::json;

constexpr int max_depth = 16;  // of Sequences in Sequences

struct named_kind {
  std::string_view type;
  uint32_t kind;
};

constexpr named_kind normalizer_types[] = {
#define STOOP_NORMALIZER(name, number, type) {type, number},
#include "runtime/tokenizer/components.def"
};
constexpr named_kind pre_tokenizer_types[] = {
#define STOOP_PRE_TOKENIZER(name, number, type) {type, number},
#include "runtime/tokenizer/components.def"
};
constexpr named_kind model_types[] = {
#define STOOP_TOKENIZER_MODEL(name, number, type) {type, number},
#include "runtime/tokenizer/components.def"
};
constexpr struct {
  std::string_view regex;
  blob::pattern_kind kind;
} known_patterns[] = {
#define STOOP_PATTERN(name, number, regex) {regex, blob::pattern_kind::name},
#include "runtime/tokenizer/components.def"
};

template <size_t N>
uint32_t kind_of(const named_kind (&types)[N], json_object& object, const std::string& type) {
  std::string supported;
  for (const named_kind& known : types) {
    if (known.type == type) return known.kind;
    supported += std::string(known.type) + ", ";
  }
  object.refuse("type", type, supported + "Sequence");
}

blob::behavior read_behavior(json_object& object, const char* fallback) {
  constexpr std::pair<std::string_view, blob::behavior> names[] = {
      {"Removed", blob::behavior::removed},
      {"Isolated", blob::behavior::isolated},
      {"MergedWithPrevious", blob::behavior::merged_with_previous},
      {"MergedWithNext", blob::behavior::merged_with_next},
      {"Contiguous", blob::behavior::contiguous}};
  const json* value = object.find("behavior");
  std::string name = !value               ? fallback
                     : value->is_string() ? value->get<std::string>()
                                          : std::string();
  std::string supported;
  for (const auto& [known, behavior] : names) {
    if (known == name) return behavior;
    supported += (supported.empty() ? "" : ", ") + std::string(known);
  }
  object.refuse("behavior", *value, supported);
}

// {"String": s} or {"Regex": s} of a Split or Replace.
void read_pattern(json_object& object, step_description& step) {
  json_object pattern(object.at("pattern"), object.where() + ".pattern");
  bool is_regex = pattern.find("Regex") != nullptr;
  step.text = pattern.get_string(is_regex ? "Regex" : "String");
  pattern.finish();
  if (!is_regex && !step.text.empty()) {
    step.pattern = blob::pattern_kind::literal;
    return;
  }
  step.pattern = blob::pattern_kind::regex;  // an empty literal matches like an empty regex
  for (const auto& known : known_patterns)
    if (known.regex == step.text) step.pattern = known.kind;
}

step_description read_normalizer_step(uint32_t kind, json_object& object) {
  step_description step = {.kind = kind};
  switch (static_cast<blob::normalizer_kind>(kind)) {
    case blob::normalizer_kind::strip:
      step.flags = (object.get_bool("strip_left", true) ? blob::step_strip_left : 0u) |
                   (object.get_bool("strip_right", true) ? blob::step_strip_right : 0u);
      break;
    case blob::normalizer_kind::replace:
      read_pattern(object, step);
      step.content = object.get_string("content");
      break;
    case blob::normalizer_kind::prepend:
      step.text = object.get_string("prepend");
      break;
    default:
      break;
  }
  return step;
}

step_description read_pre_tokenizer_step(uint32_t kind, json_object& object) {
  step_description step = {.kind = kind};
  switch (static_cast<blob::pre_tokenizer_kind>(kind)) {
    case blob::pre_tokenizer_kind::byte_level:
      object.ignore("trim_offsets");  // moves offsets, never ids
      return byte_level_step(object.get_bool("add_prefix_space", true),
                             object.get_bool("use_regex", true));
    case blob::pre_tokenizer_kind::split:
      read_pattern(object, step);
      step.behavior = read_behavior(object, "");
      step.flags = object.get_bool("invert", false) ? blob::step_invert : 0u;
      break;
    case blob::pre_tokenizer_kind::digits:
      step.behavior = object.get_bool("individual_digits", false) ? blob::behavior::isolated
                                                                  : blob::behavior::contiguous;
      break;
    case blob::pre_tokenizer_kind::punctuation:
      step.behavior = read_behavior(object, "Isolated");
      break;
  }
  return step;
}

// Walks a component that may be a Sequence of others under `list_key`.
template <size_t N, typename Read>
void flatten(const json& value, const std::string& where, const char* list_key,
             const named_kind (&types)[N], Read read, std::vector<step_description>& out,
             int depth = 0) {
  if (value.is_null() && depth == 0) return;
  if (depth > max_depth)
    throw import_error(where + ": Sequences nested deeper than " + std::to_string(max_depth));
  json_object object(value, where);
  std::string type = object.get_string("type");
  if (type == "Sequence") {
    const json& list = object.at(list_key);
    if (!list.is_array()) object.refuse(list_key, list, "an array");
    for (size_t i = 0; i < list.size(); ++i)
      flatten(list[i], where + "." + list_key + "[" + std::to_string(i) + "]", list_key, types,
              read, out, depth + 1);
  } else {
    out.push_back(read(kind_of(types, object, type), object));
  }
  object.finish();
}

// The ids of one entry of special_tokens, checked against the vocabulary.
std::vector<uint32_t> read_template_ids(const json& value, const std::string& where,
                                        const tokenizer_description& out) {
  json_object token(value, where);
  token.ignore("id");
  const json& ids = token.at("ids");
  const json& names = token.at("tokens");
  if (!ids.is_array() || !names.is_array() || ids.size() != names.size())
    token.refuse("ids", ids, "an array, one id for each of tokens");
  std::vector<uint32_t> result;
  for (size_t i = 0; i < ids.size(); ++i) {
    std::optional<uint32_t> id =
        names[i].is_string() ? out.vocab.find(names[i].get<std::string>()) : std::nullopt;
    if (!id || ids[i] != *id)
      throw import_error(where + ": id " + quote_json(ids[i]) + " of token " +
                         quote_json(names[i]) + " disagrees with the vocabulary, where " +
                         (id ? "it has id " + std::to_string(*id) : std::string("it is missing")));
    result.push_back(*id);
  }
  token.finish();
  return result;
}

// One TemplateProcessing wraps what the processors before it made.
void read_template(json_object& object, tokenizer_description& out) {
  json_object tokens(object.at("special_tokens"), object.where() + ".special_tokens");
  object.ignore("pair");  // only for pairs of texts
  const json& single = object.at("single");
  if (!single.is_array()) object.refuse("single", single, "an array");
  std::vector<uint32_t> before, after;
  bool seen_text = false;
  for (size_t i = 0; i < single.size(); ++i) {
    json_object item(single[i], object.where() + ".single[" + std::to_string(i) + "]");
    const json* text = item.find("Sequence");
    const char* kind = text ? "Sequence" : "SpecialToken";
    json_object part(text ? *text : item.at(kind), item.where() + "." + kind);
    std::string name = part.get_string("id");
    part.ignore("type_id");  // segment numbers, no ids
    part.finish();
    item.finish();
    if (text) {
      if (name != "A" || seen_text) part.refuse("id", name, "\"A\", once");
      seen_text = true;
      continue;
    }
    std::vector<uint32_t> ids =
        read_template_ids(tokens.at(name), tokens.where() + "." + name, out);
    std::vector<uint32_t>& side = seen_text ? after : before;
    side.insert(side.end(), ids.begin(), ids.end());
  }
  if (!seen_text)
    object.refuse("single", single, "a template with the text, {\"Sequence\": {\"id\": \"A\"}}");
  out.prefix_ids.insert(out.prefix_ids.begin(), before.begin(), before.end());
  out.suffix_ids.insert(out.suffix_ids.end(), after.begin(), after.end());
}

void read_post_processor_at(const json& value, const std::string& where, tokenizer_description& out,
                            int depth) {
  if (value.is_null() && depth == 0) return;
  if (depth > max_depth)
    throw import_error(where + ": Sequences nested deeper than " + std::to_string(max_depth));
  json_object object(value, where);
  std::string type = object.get_string("type");
  if (type == "Sequence") {
    const json& list = object.at("processors");
    if (!list.is_array()) object.refuse("processors", list, "an array");
    for (size_t i = 0; i < list.size(); ++i)
      read_post_processor_at(list[i], where + ".processors[" + std::to_string(i) + "]", out,
                             depth + 1);
  } else if (type == "ByteLevel") {
    for (const char* key : {"add_prefix_space", "trim_offsets", "use_regex"})
      object.ignore(key);  // offsets alone
  } else if (type == "TemplateProcessing") {
    read_template(object, out);
  } else {
    object.refuse("type", type, "ByteLevel, TemplateProcessing, Sequence");
  }
  object.finish();
}

std::pair<std::string, std::string> split_merge(const json& merge, const std::string& where) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  if (merge.is_string()) {
    auto text = merge.get<std::string>();
    size_t space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos)
      return {text.substr(0, space), text.substr(space + 1)};
  }
  throw import_error(where + " is " + quote_json(merge) + "; supported: \"a b\" or [\"a\", \"b\"]");
}

}  // namespace

step_description byte_level_step(bool add_prefix_space, bool use_regex) {
  step_description step = {.kind = static_cast<uint32_t>(blob::pre_tokenizer_kind::byte_level)};
  step.flags = add_prefix_space ? blob::step_add_prefix_space : 0u;
  step.pattern = use_regex ? blob::pattern_kind::gpt2 : blob::pattern_kind::none;
  return step;
}

std::vector<step_description> read_normalizer(const json& value, const std::string& where) {
  std::vector<step_description> steps;
  flatten(value, where, "normalizers", normalizer_types, read_normalizer_step, steps);
  return steps;
}

std::vector<step_description> read_pre_tokenizer(const json& value, const std::string& where) {
  std::vector<step_description> steps;
  flatten(value, where, "pretokenizers", pre_tokenizer_types, read_pre_tokenizer_step, steps);
  return steps;
}

void read_post_processor(const json& value, const std::string& where, tokenizer_description& out) {
  read_post_processor_at(value, where, out, 0);
}

void check_decoder(const json& value, const std::string& where) {
  if (value.is_null()) throw import_error(where + " is null; supported: ByteLevel");
  json_object object(value, where);
  std::string type = object.get_string("type");
  if (type == "Sequence") {
    const json& list = object.at("decoders");
    if (!list.is_array() || list.size() != 1) object.refuse("decoders", list, "one ByteLevel");
    check_decoder(list[0], where + ".decoders[0]");
  } else if (type != "ByteLevel") {
    object.refuse("type", type, "ByteLevel");
  }
  for (const char* key : {"add_prefix_space", "trim_offsets", "use_regex"}) object.ignore(key);
  object.finish();
}

void add_merge(const std::string& left, const std::string& right, const std::string& where,
               tokenizer_description& out) {
  uint32_t ids[3];
  const std::string tokens[3] = {left, right, left + right};
  for (int i = 0; i < 3; ++i) {
    std::optional<uint32_t> id = out.vocab.find_in_model(tokens[i]);
    if (!id)
      throw import_error(where + ": merge \"" + left + " " + right + "\" names \"" + tokens[i] +
                         "\", which the vocabulary lacks");
    ids[i] = *id;
  }
  out.merges.push_back({ids[0], ids[1], ids[2]});
}

void read_model(const json& value, const std::string& where, tokenizer_description& out) {
  json_object model(value, where);
  if (const json* type = model.find("type")) {
    bool known = false;
    std::string supported;
    for (const named_kind& t : model_types) {
      known = known || *type == t.type;
      supported += (supported.empty() ? "" : ", ") + std::string(t.type);
    }
    if (!known) model.refuse("type", *type, supported);
  }
  model.require_default("dropout", {"0.0", "0"});
  model.require_default("unk_token", {});
  model.require_default("continuing_subword_prefix", {"\"\""});
  model.require_default("end_of_word_suffix", {"\"\""});
  model.require_default("fuse_unk", {"false"});
  model.require_default("byte_fallback", {"false"});
  out.ignore_merges = model.get_bool("ignore_merges", false);
  const json& vocab = model.at("vocab");
  if (!vocab.is_object()) model.refuse("vocab", vocab, "an object of token: id");
  for (const auto& [token, id] : vocab.items()) {
    if (!id.is_number_unsigned())
      throw import_error(where + ".vocab: id of " + quote_json(token) + " is " + quote_json(id) +
                         ", expected a number");
    out.vocab.add_model_token(token, id.get<uint64_t>(), where + ".vocab");
  }
  const json& merges = model.at("merges");
  if (!merges.is_array()) model.refuse("merges", merges, "an array");
  for (size_t i = 0; i < merges.size(); ++i) {
    std::string at = where + ".merges[" + std::to_string(i) + "]";
    auto [left, right] = split_merge(merges[i], at);
    add_merge(left, right, at, out);
  }
  model.finish();
}

added_token_description read_added_token(const json& value, const std::string& where) {
  json_object object(value, where);
  added_token_description token;
  token.content = object.get_string("content");
  if (const json* id = object.find("id")) {
    if (!id->is_number_unsigned() || id->get<uint64_t>() >= blob::max_ids)
      object.refuse("id", *id, "a number below " + std::to_string(blob::max_ids));
    token.declared_id = id->get<uint32_t>();
  }
  token.single_word = object.get_bool("single_word", false);
  token.lstrip = object.get_bool("lstrip", false);
  token.rstrip = object.get_bool("rstrip", false);
  token.special = object.get_bool("special", false);
  token.normalized = object.get_bool("normalized", !token.special);
  object.ignore("__type");
  object.finish();
  return token;
}

}  // namespace stoop::rt::formats

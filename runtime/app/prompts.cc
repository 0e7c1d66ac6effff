// Reading prompts: text, files, ids, JSON lines.
#include "runtime/app/prompts.h"

#include <nlohmann/json.hpp>

#include "runtime/app/input.h"

namespace stoop::app {
namespace {

using nlohmann::json;

std::string shown(const json& value) {
  const std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

class Reader {
 public:
  Reader(const Options& options, const Model& model) : options_(options), model_(model) {}

  std::vector<Prompt> read();

 private:
  Prompt from_text(std::string text) const;
  Prompt from_ids(std::vector<uint32_t> ids) const;
  Prompt from_json(const json& value) const;
  Prompt from_object(const json& object) const;
  std::vector<json> read_lines() const;
  void finish(Prompt& prompt) const;
  // Adds what `make` makes of each element; a failure says which element it was if there are several.
  template <typename List, typename Make>
  void add_all(const List& list, Make make);

  const Options& options_;
  const Model& model_;
  std::vector<Prompt> prompts_;
};

Prompt Reader::from_text(std::string text) const {
  if (!model_.program().model.has_tokenizer) {
    throw Failure(kExitBadInput,
                  "this model was compiled without a tokenizer: give token ids (--prompt-ids 1,2,3)");
  }
  Prompt prompt;
  prompt.ids = model_.tokenize(text);
  prompt.text = std::move(text);
  return prompt;
}

Prompt Reader::from_ids(std::vector<uint32_t> ids) const {
  Prompt prompt;
  model_.require_known(ids);
  prompt.text = model_.detokenize(ids);
  prompt.ids = std::move(ids);
  return prompt;
}

Prompt Reader::from_object(const json& object) const {
  Prompt prompt;
  const bool has_text = object.contains("prompt"), has_ids = object.contains("prompt_ids");
  if (has_text == has_ids)
    throw Failure(kExitBadInput, "one of the keys prompt and prompt_ids is needed: " + shown(object));
  const json& content = object[has_text ? "prompt" : "prompt_ids"];
  if (content.is_string() != has_text)
    throw Failure(kExitBadInput, "prompt is a text and prompt_ids a list of token ids: " + shown(object));
  prompt = from_json(content);
  for (const auto& [key, value] : object.items()) {
    if (key == "prompt" || key == "prompt_ids") continue;
    if (key == "seed" && value.is_number_unsigned())
      prompt.seed = value.get<uint64_t>();
    else if (key == "predict" && value.is_number_integer() && value >= -1 && value <= int64_t{1} << 32)
      prompt.predict = value.get<int64_t>();
    else if (key == "seed" || key == "predict")
      throw Failure(kExitBadInput, "key " + key + ": " + shown(value) + " is no number of its range");
    else
      throw Failure(kExitBadInput, "unknown key " + shown(key) + "; known are prompt, prompt_ids, seed and predict");
  }
  return prompt;
}

Prompt Reader::from_json(const json& value) const {
  if (value.is_string()) return from_text(value.get<std::string>());
  if (!value.is_array()) throw Failure(kExitBadInput, "no text and no list of token ids: " + shown(value));
  std::vector<uint32_t> ids;
  for (const json& id : value) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > UINT32_MAX)
      throw Failure(kExitBadInput, "entry " + std::to_string(ids.size()) + " is no token id: " + shown(id));
    ids.push_back(id.get<uint32_t>());
  }
  return from_ids(std::move(ids));
}

// A value a line, or one array of all prompts as `stoop evaluate` takes it.
std::vector<json> Reader::read_lines() const {
  const std::string text = read_file(options_.prompts_file);
  const std::string name = options_.prompts_file == "-" ? "stdin" : options_.prompts_file;
  const json whole = json::parse(text, nullptr, false);
  if (whole.is_array() && !whole.empty() && !whole[0].is_number()) return whole.get<std::vector<json>>();
  std::vector<json> values;
  size_t number = 0;
  for (size_t begin = 0, end; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    values.push_back(json::parse(line, nullptr, false));
    if (values.back().is_discarded())
      throw Failure(kExitBadInput, name + ": line " + std::to_string(number) + " is not JSON");
  }
  if (values.empty()) throw Failure(kExitBadInput, name + ": no prompt");
  return values;
}

void Reader::finish(Prompt& prompt) const {
  const stoop_model_info& facts = model_.program().model;
  if (prompt.ids.empty() && facts.bos >= 0) prompt.ids.push_back(static_cast<uint32_t>(facts.bos));
  if (prompt.ids.empty())
    throw Failure(kExitBadInput, "the prompt is empty and the model has no begin-of-text token");
  if (prompt.ids.size() > facts.max_positions) {
    throw Failure(kExitBadInput, "the prompt has " + std::to_string(prompt.ids.size()) +
                                     " tokens, but the compiled context is " +
                                     std::to_string(facts.max_positions) + " (--max-seq-len)");
  }
}

template <typename List, typename Make>
void Reader::add_all(const List& list, Make make) {
  for (const auto& element : list) {
    try {
      prompts_.push_back(make(element));
      finish(prompts_.back());
    } catch (const Failure& failure) {
      if (!options_.has_several_prompts() || failure.exit_code() == kExitInterrupted) throw;
      const size_t index = static_cast<size_t>(&element - &list[0]);
      throw Failure(failure.exit_code(), "prompt " + std::to_string(index) + ": " + failure.what());
    }
  }
}

std::vector<Prompt> Reader::read() {
  if (!options_.prompts_file.empty())
    add_all(read_lines(), [&](const json& value) { return value.is_object() ? from_object(value) : from_json(value); });
  add_all(options_.prompt_ids,
          [&](const std::string& ids) { return from_ids(parse_ids(ids == "-" ? read_file("-") : ids)); });
  add_all(options_.prompt_files, [&](const std::string& file) { return from_text(read_file(file)); });
  add_all(options_.prompts, [&](const std::string& text) {
    if (text == "-") return from_text(read_file("-"));
    return from_text(options_.escape ? expand_escapes(text) : text);
  });
  return std::move(prompts_);
}

}  // namespace

std::vector<Prompt> read_prompts(const Options& options, const Model& model) {
  return Reader(options, model).read();
}

}  // namespace stoop::app

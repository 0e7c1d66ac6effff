// Ids of added tokens, by the reference's rules (AddedVocabulary::add_tokens).
#include <algorithm>

#include "runtime/tokenizer/formats/description.h"

namespace stoop::rt::formats {

void vocabulary::add_model_token(const std::string& token, uint64_t id, const std::string& where) {
  if (id >= blob::max_ids)
    throw import_error(where + ": id " + std::to_string(id) + " of \"" + token +
                       "\" is too large, limit " + std::to_string(blob::max_ids - 1));
  auto id32 = static_cast<uint32_t>(id);
  auto [other, fresh] = model_ids_.emplace(id32, token);
  if (!fresh)
    throw import_error(where + ": \"" + other->second + "\" and \"" + token +
                       "\" have the same id " + std::to_string(id));
  if (!model_.emplace(token, id32).second)
    throw import_error(where + ": \"" + token + "\" occurs twice");
  num_ids_ = std::max(num_ids_, id32 + 1);
}

// The reference counts on from the largest added id once that lies behind the model's vocabulary,
// whose size is its number of entries.
uint32_t vocabulary::next_added_id() const {
  auto size = static_cast<uint32_t>(model_.size());
  if (added_.empty()) return size;
  return largest_added_ >= size || size == 0 ? largest_added_ + 1 : size;
}

void vocabulary::add_token(const added_token_description& token, const std::string& where) {
  if (auto found = added_index_.find(token.content); found != added_index_.end()) {
    added_entry& entry = added_[found->second];
    entry.token.special = entry.token.special || token.special;
    if (token.declared_id && *token.declared_id != entry.id)
      throw import_error(where + ": \"" + token.content + "\" is declared with id " +
                         std::to_string(*token.declared_id) + ", but has id " +
                         std::to_string(entry.id));
    return;
  }
  uint32_t id = find_in_model(token.content).value_or(next_added_id());
  if (token.declared_id && *token.declared_id != id)
    throw import_error(where + ": \"" + token.content + "\" is declared with id " +
                       std::to_string(*token.declared_id) +
                       ", but the reference tokenizer would give it " + std::to_string(id));
  if (!find_in_model(token.content) && model_ids_.count(id))
    throw import_error(where + ": \"" + token.content + "\" would get id " + std::to_string(id) +
                       ", which \"" + model_ids_.at(id) + "\" has");
  if (id >= blob::max_ids)
    throw import_error(where + ": id " + std::to_string(id) + " of \"" + token.content +
                       "\" is too large, limit " + std::to_string(blob::max_ids - 1));
  added_index_.emplace(token.content, added_.size());
  added_.push_back({token, id});
  largest_added_ = std::max(largest_added_, id);
  num_ids_ = std::max(num_ids_, id + 1);
}

std::optional<uint32_t> vocabulary::find_in_model(const std::string& token) const {
  auto found = model_.find(token);
  return found == model_.end() ? std::nullopt : std::optional<uint32_t>(found->second);
}

std::optional<uint32_t> vocabulary::find(const std::string& token) const {
  auto found = added_index_.find(token);
  return found == added_index_.end() ? find_in_model(token)
                                     : std::optional<uint32_t>(added_[found->second].id);
}

}  // namespace stoop::rt::formats

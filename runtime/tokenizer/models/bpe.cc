// Merging by a priority queue over a doubly linked list of symbols: always the pair of lowest rank,
// leftmost first. Entries that a later merge made stale are recognised by their rank and skipped.
#include "runtime/tokenizer/models/bpe.h"

#include <algorithm>
#include <functional>
#include <string>

#include "runtime/tokenizer/unicode.h"

namespace stoop::rt {
namespace {

constexpr uint32_t dead =
    blob::none - 1;  // the id of a symbol that was merged into its left neighbour

}  // namespace

void bpe_model::open(const blob_view& view) {
  view_ = &view;
  ignore_merges_ = view.header().model_flags & blob::ignore_merges;
  std::string character;
  for (uint32_t c = 0; c < short_characters_.size(); ++c) {
    character.clear();
    append_char(character, c);
    short_characters_[c] = find_in_model(character);
  }
}

uint32_t bpe_model::find_in_model(std::string_view token) const {
  std::optional<uint32_t> id = view_->find(token);
  return id && (view_->flags_of(*id) & blob::id_in_model) ? *id : blob::none;
}

void bpe_model::split_characters(std::string_view piece, scratch& work) const {
  work.symbols.clear();
  for (size_t at = 0; at < piece.size();) {
    utf8_char c = char_at(piece, at);
    uint32_t id = c.code_point < short_characters_.size() ? short_characters_[c.code_point]
                                                          : find_in_model(piece.substr(at, c.size));
    at += c.size;
    if (id == blob::none) continue;
    auto index = static_cast<uint32_t>(work.symbols.size());
    work.symbols.push_back({id, index - 1, index + 1});
  }
  if (!work.symbols.empty()) work.symbols.back().next = blob::none;
}

// Queues the merge of a symbol with its right neighbour: rank in the high half, position in the
// low.
void bpe_model::queue_pair(scratch& work, uint32_t left) const {
  const scratch::symbol& symbol = work.symbols[left];
  if (symbol.next == blob::none) return;
  if (const blob::merge_slot* slot = view_->find_merge(symbol.id, work.symbols[symbol.next].id)) {
    work.queue.push_back(uint64_t{slot->rank} << 32 | left);
    std::push_heap(work.queue.begin(), work.queue.end(), std::greater<>());
  }
}

void bpe_model::merge(scratch& work) const {
  while (!work.queue.empty()) {
    std::pop_heap(work.queue.begin(), work.queue.end(), std::greater<>());
    uint64_t entry = work.queue.back();
    work.queue.pop_back();
    auto left = static_cast<uint32_t>(entry);
    scratch::symbol& symbol = work.symbols[left];
    if (symbol.id == dead || symbol.next == blob::none) continue;
    scratch::symbol& right = work.symbols[symbol.next];
    const blob::merge_slot* slot = view_->find_merge(symbol.id, right.id);
    if (!slot || slot->rank != entry >> 32) continue;
    symbol.id = slot->result;
    symbol.next = right.next;
    right.id = dead;
    if (symbol.next != blob::none) work.symbols[symbol.next].previous = left;
    if (symbol.previous != blob::none) queue_pair(work, symbol.previous);
    queue_pair(work, left);
  }
}

void bpe_model::encode(std::string_view piece, scratch& work, std::vector<uint32_t>& ids) const {
  if (ignore_merges_) {
    uint32_t id = find_in_model(piece);
    if (id != blob::none) {
      ids.push_back(id);
      return;
    }
  }
  split_characters(piece, work);
  work.queue.clear();
  for (uint32_t i = 0; i + 1 < work.symbols.size(); ++i)
    if (const blob::merge_slot* slot =
            view_->find_merge(work.symbols[i].id, work.symbols[i + 1].id))
      work.queue.push_back(uint64_t{slot->rank} << 32 | i);
  std::make_heap(work.queue.begin(), work.queue.end(), std::greater<>());
  merge(work);
  if (work.symbols.empty()) return;
  for (uint32_t i = 0; i != blob::none; i = work.symbols[i].next) ids.push_back(work.symbols[i].id);
}

}  // namespace stoop::rt

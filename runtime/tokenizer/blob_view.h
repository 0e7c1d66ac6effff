// A validated, typed view of a tokenizer blob. After open() succeeded every index in the blob is
// within bounds, every hash table has an empty slot and every string of a step is UTF-8, so readers
// check nothing.
#ifndef STOOP_RUNTIME_TOKENIZER_BLOB_VIEW_H
#define STOOP_RUNTIME_TOKENIZER_BLOB_VIEW_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/tokenizer/blob_format.h"

namespace stoop::rt {

/// A trie of added tokens (blob_format.h).
struct trie_view {
  std::span<const blob::trie_node> nodes;
  std::span<const blob::trie_edge> edges;
};

/// Non-owning: the blob must stay mapped while the view is used.
class blob_view {
 public:
  /// Checks `data` (at least 8-byte aligned) and points the view at it. On failure returns false
  /// with a message that names the section, the limit and the value found.
  bool open(const void* data, size_t size, std::string* error);

  const blob::header& header() const { return *header_; }
  uint32_t num_ids() const { return header_->num_ids; }
  uint8_t flags_of(uint32_t id) const { return id < id_flags.size() ? id_flags[id] : 0; }

  /// The token of an id as the vocabulary writes it; empty for an id without one.
  std::string_view token(uint32_t id) const { return slice(token_offsets, token_bytes, id); }
  /// The bytes that an id decodes to; empty for an id without a token.
  std::string_view decoded(uint32_t id) const { return slice(decoded_offsets, decoded_bytes, id); }
  /// The id of a token, added or of the model.
  std::optional<uint32_t> find(std::string_view token) const;
  /// The merge of two ids, null if there is none.
  const blob::merge_slot* find_merge(uint32_t left, uint32_t right) const;
  /// The pattern or prepended string, and the replacement of a step.
  std::string_view text(const blob::step& s) const {
    return strings.substr(s.text_offset, s.text_bytes);
  }
  std::string_view content(const blob::step& s) const {
    return strings.substr(s.content_offset, s.content_bytes);
  }

  std::span<const uint8_t> id_flags;
  std::span<const blob::added_token> added_tokens;
  trie_view raw, normalized;
  std::span<const blob::step> normalizers, pre_tokenizers;
  std::span<const uint32_t> prefix_ids, suffix_ids;

 private:
  class checker;

  std::string_view slice(std::span<const uint32_t> offsets, std::string_view bytes,
                         uint32_t id) const {
    if (id >= num_ids()) return {};
    return bytes.substr(offsets[id], offsets[id + 1] - offsets[id]);
  }

  const blob::header* header_ = nullptr;
  std::span<const uint32_t> token_offsets, decoded_offsets, vocab_slots;
  std::span<const blob::merge_slot> merge_slots;
  std::string_view token_bytes, decoded_bytes, strings;
};

}  // namespace stoop::rt

#endif

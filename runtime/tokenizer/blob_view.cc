// Validation and look-up of a tokenizer blob. Linear in its size, with no allocation but the error
// text.
#include "runtime/tokenizer/blob_view.h"

#include "runtime/tokenizer/unicode.h"

namespace stoop::rt {
namespace {

bool known(blob::normalizer_kind kind) {
  switch (kind) {
#define STOOP_NORMALIZER(name, number, type) case blob::normalizer_kind::name:
#include "runtime/tokenizer/components.def"
    return true;
  }
  return false;
}

bool known(blob::pre_tokenizer_kind kind) {
  switch (kind) {
#define STOOP_PRE_TOKENIZER(name, number, type) case blob::pre_tokenizer_kind::name:
#include "runtime/tokenizer/components.def"
    return true;
  }
  return false;
}

bool known(blob::pattern_kind kind) {
  switch (kind) {
#define STOOP_PATTERN(name, number, regex) case blob::pattern_kind::name:
#include "runtime/tokenizer/components.def"
    case blob::pattern_kind::none:
    case blob::pattern_kind::literal:
    case blob::pattern_kind::regex:
      return true;
  }
  return false;
}

}  // namespace

// Resolves the sections of one blob; the first thing that is wrong stays in `error`.
class blob_view::checker {
 public:
  checker(blob_view& view, const char* data, size_t size, std::string* error)
      : view_(view), data_(data), size_(size), error_(error) {}

  bool run() {
    return check_header() && resolve_sections() &&
           check_offsets("token_offsets", view_.token_offsets, view_.token_bytes) &&
           check_offsets("decoded_offsets", view_.decoded_offsets, view_.decoded_bytes) &&
           check_vocabulary() && check_merges() && check_added_tokens() &&
           check_trie("raw trie", view_.raw) && check_trie("normalized trie", view_.normalized) &&
           check_steps() && check_ids("prefix_ids", view_.prefix_ids) &&
           check_ids("suffix_ids", view_.suffix_ids);
  }

 private:
  bool fail(std::string_view what) {
    if (error_) {
      *error_ = "tokenizer blob: ";
      error_->append(what);
    }
    return false;
  }

  bool fail(std::string_view what, uint64_t found, uint64_t limit) {
    std::string text(what);
    text += ": " + std::to_string(found) + ", limit " + std::to_string(limit);
    return fail(text);
  }

  bool check_header() {
    if (reinterpret_cast<uintptr_t>(data_) % 8 != 0) return fail("not aligned to 8 bytes");
    if (size_ < sizeof(blob::header))
      return fail("smaller than its header", size_, sizeof(blob::header));
    const auto& header = *reinterpret_cast<const blob::header*>(data_);
    if (header.magic != blob::magic) return fail("wrong magic number");
    if (header.version != blob::version)
      return fail("unknown version", header.version, blob::version);
    if (header.header_bytes != sizeof(blob::header))
      return fail("wrong header size", header.header_bytes, sizeof(blob::header));
    if (header.total_bytes != size_) return fail("wrong total size", header.total_bytes, size_);
    if (header.num_ids > blob::max_ids) return fail("too many ids", header.num_ids, blob::max_ids);
    if (header.model != static_cast<uint32_t>(blob::model_kind::bpe))
      return fail("unknown model", header.model, 1);
    if (header.model_flags & ~uint32_t{blob::ignore_merges})
      return fail("unknown model flags", header.model_flags, blob::ignore_merges);
    view_.header_ = &header;
    return true;
  }

  template <typename T>
  bool resolve(blob::section which, const char* name, std::span<const T>& out) {
    blob::extent at = view_.header_->sections[which];
    if (at.offset % 8 != 0 || at.offset > size_ || at.bytes > size_ - at.offset ||
        at.bytes % sizeof(T) != 0)
      return fail(std::string("section ") + name + " is out of bounds", at.offset + at.bytes,
                  size_);
    out = {reinterpret_cast<const T*>(data_ + at.offset),
           static_cast<size_t>(at.bytes / sizeof(T))};
    return true;
  }

  bool resolve(blob::section which, const char* name, std::string_view& out) {
    std::span<const char> chars;
    if (!resolve(which, name, chars)) return false;
    out = {chars.data(), chars.size()};
    return true;
  }

  bool resolve_sections() {
    return resolve(blob::token_offsets, "token_offsets", view_.token_offsets) &&
           resolve(blob::token_bytes, "token_bytes", view_.token_bytes) &&
           resolve(blob::decoded_offsets, "decoded_offsets", view_.decoded_offsets) &&
           resolve(blob::decoded_bytes, "decoded_bytes", view_.decoded_bytes) &&
           resolve(blob::id_flags, "id_flags", view_.id_flags) &&
           resolve(blob::vocab_slots, "vocab_slots", view_.vocab_slots) &&
           resolve(blob::merge_slots, "merge_slots", view_.merge_slots) &&
           resolve(blob::added_tokens, "added_tokens", view_.added_tokens) &&
           resolve(blob::raw_nodes, "raw_nodes", view_.raw.nodes) &&
           resolve(blob::raw_edges, "raw_edges", view_.raw.edges) &&
           resolve(blob::normalized_nodes, "normalized_nodes", view_.normalized.nodes) &&
           resolve(blob::normalized_edges, "normalized_edges", view_.normalized.edges) &&
           resolve(blob::normalizers, "normalizers", view_.normalizers) &&
           resolve(blob::pre_tokenizers, "pre_tokenizers", view_.pre_tokenizers) &&
           resolve(blob::strings, "strings", view_.strings) &&
           resolve(blob::prefix_ids, "prefix_ids", view_.prefix_ids) &&
           resolve(blob::suffix_ids, "suffix_ids", view_.suffix_ids);
  }

  bool check_offsets(const char* name, std::span<const uint32_t> offsets, std::string_view bytes) {
    if (offsets.size() != size_t{view_.num_ids()} + 1)
      return fail(name, offsets.size(), size_t{view_.num_ids()} + 1);
    uint32_t last = 0;
    for (uint32_t offset : offsets) {
      if (offset < last || offset > bytes.size()) return fail(name, offset, bytes.size());
      last = offset;
    }
    return true;
  }

  // A power of two with at least one empty slot: probing ends.
  template <typename T, typename Empty>
  bool check_table(const char* name, std::span<const T> slots, Empty is_empty) {
    if (slots.empty() || (slots.size() & (slots.size() - 1)) != 0)
      return fail(name, slots.size(), uint64_t{1} << 32);
    for (const T& slot : slots)
      if (is_empty(slot)) return true;
    return fail(std::string(name) + " has no empty slot");
  }

  bool check_ids(const char* name, std::span<const uint32_t> ids) {
    for (uint32_t id : ids)
      if (id >= view_.num_ids()) return fail(std::string("id in ") + name, id, view_.num_ids());
    return true;
  }

  bool check_vocabulary() {
    if (view_.id_flags.size() != view_.num_ids())
      return fail("id_flags", view_.id_flags.size(), view_.num_ids());
    for (uint32_t id : view_.vocab_slots)
      if (id != blob::none && id >= view_.num_ids())
        return fail("id in vocab_slots", id, view_.num_ids());
    return check_table("vocab_slots", view_.vocab_slots,
                       [](uint32_t id) { return id == blob::none; });
  }

  bool check_merges() {
    if (view_.merge_slots.empty()) return true;
    for (const blob::merge_slot& slot : view_.merge_slots)
      if (slot.left != blob::none && slot.result >= view_.num_ids())
        return fail("result in merge_slots", slot.result, view_.num_ids());
    return check_table("merge_slots", view_.merge_slots,
                       [](const blob::merge_slot& slot) { return slot.left == blob::none; });
  }

  bool check_added_tokens() {
    for (const blob::added_token& token : view_.added_tokens)
      if (token.id >= view_.num_ids()) return fail("id in added_tokens", token.id, view_.num_ids());
    return true;
  }

  bool check_trie(const char* name, const trie_view& trie) {
    size_t index = 0, used = 0;
    for (const blob::trie_node& node : trie.nodes) {
      if (node.first_edge != used || node.num_edges > trie.edges.size() - used)
        return fail(std::string(name) + " node's edges", uint64_t{node.first_edge} + node.num_edges,
                    trie.edges.size());
      if (node.token != blob::none && node.token >= view_.added_tokens.size())
        return fail(std::string(name) + " node's token", node.token, view_.added_tokens.size());
      for (const blob::trie_edge& edge : trie.edges.subspan(node.first_edge, node.num_edges))
        if (edge.node <= index || edge.node >= trie.nodes.size())
          return fail(std::string(name) + " edge", edge.node, trie.nodes.size());
      ++index;
      used += node.num_edges;
    }
    if (!trie.nodes.empty() && trie.nodes[0].token != blob::none)
      return fail(std::string(name) + " accepts the empty text");
    return true;
  }

  bool check_step(const blob::step& step) {
    if (step.text_offset > view_.strings.size() ||
        step.text_bytes > view_.strings.size() - step.text_offset)
      return fail("step text", uint64_t{step.text_offset} + step.text_bytes, view_.strings.size());
    if (step.content_offset > view_.strings.size() ||
        step.content_bytes > view_.strings.size() - step.content_offset)
      return fail("step content", uint64_t{step.content_offset} + step.content_bytes,
                  view_.strings.size());
    if (!is_utf8(view_.text(step)) || !is_utf8(view_.content(step)))
      return fail("step text is not UTF-8");
    if (step.behavior > static_cast<uint32_t>(blob::behavior::contiguous))
      return fail("step behavior", step.behavior, 4);
    if (!known(static_cast<blob::pattern_kind>(step.pattern)))
      return fail("unknown kind of pattern");
    return true;
  }

  // Sequences in files are short; the limits stop a damaged count from multiplying the work.
  bool check_steps() {
    constexpr size_t max_steps = 64;
    for (auto steps : {view_.normalizers, view_.pre_tokenizers}) {
      if (steps.size() > max_steps) return fail("steps", steps.size(), max_steps);
      for (const blob::step& step : steps)
        if (!check_step(step)) return false;
    }
    for (const blob::step& step : view_.normalizers)
      if (!known(static_cast<blob::normalizer_kind>(step.kind)))
        return fail("unknown kind of normalizer");
    for (const blob::step& step : view_.pre_tokenizers)
      if (!known(static_cast<blob::pre_tokenizer_kind>(step.kind)))
        return fail("unknown kind of pre-tokenizer");
    return true;
  }

  blob_view& view_;
  const char* data_;
  size_t size_;
  std::string* error_;
};

bool blob_view::open(const void* data, size_t size, std::string* error) {
  return checker(*this, static_cast<const char*>(data), size, error).run();
}

std::optional<uint32_t> blob_view::find(std::string_view token) const {
  size_t mask = vocab_slots.size() - 1;
  for (size_t at = blob::hash_token(token) & mask;; at = (at + 1) & mask) {
    uint32_t id = vocab_slots[at];
    if (id == blob::none) return std::nullopt;
    if (this->token(id) == token) return id;
  }
}

const blob::merge_slot* blob_view::find_merge(uint32_t left, uint32_t right) const {
  if (merge_slots.empty()) return nullptr;
  size_t mask = merge_slots.size() - 1;
  for (size_t at = blob::hash_pair(left, right) & mask;; at = (at + 1) & mask) {
    const blob::merge_slot& slot = merge_slots[at];
    if (slot.left == left && slot.right == right) return &slot;
    if (slot.left == blob::none) return nullptr;
  }
}

}  // namespace stoop::rt

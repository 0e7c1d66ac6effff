// Builds the sections in memory and lays them out behind the header. Hash tables are filled in
// order of ids and ranks, so the bytes do not depend on the order of a map.
#include "runtime/tokenizer/formats/blob_writer.h"

#include <bit>
#include <cstring>
#include <map>
#include <type_traits>

#include "runtime/tokenizer/tokenizer.h"
#include "runtime/tokenizer/unicode.h"

namespace stoop::rt::formats {
namespace {

// The bytes a token decodes to: those of the byte alphabet if all of its characters belong to it,
// its own otherwise.
std::string decoded_form(const std::string& token) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    utf8_char c = char_at(token, at);
    int byte = alphabet_to_byte(c.code_point);
    if (byte < 0) return token;
    bytes.push_back(static_cast<char>(byte));
    at += c.size;
  }
  return bytes;
}

// Normalized contents of the added tokens that are `normalized`, by id.
using normalized_contents = std::map<uint32_t, std::string>;

// Added tokens, special ones first. Of tokens with the same normalized content the first wins here; the
// reference leaves that to the order of a hash map.
std::vector<added_entry> matching_order(const vocabulary& vocab) {
  std::vector<added_entry> order;
  for (bool special : {true, false})
    for (const added_entry& entry : vocab.added())
      if (entry.token.special == special) order.push_back(entry);
  return order;
}

// A trie under construction: children by byte, in a vector so that nodes are numbered as they are
// made.
struct trie_builder {
  struct node {
    std::map<uint8_t, uint32_t> children;
    uint32_t token = blob::none;
  };
  std::vector<node> nodes = std::vector<node>(1);

  void add(const std::string& content, uint32_t token) {
    uint32_t at = 0;
    for (char c : content) {
      auto byte = static_cast<uint8_t>(c);
      if (!nodes[at].children.count(byte)) {
        nodes[at].children[byte] = static_cast<uint32_t>(nodes.size());
        nodes.emplace_back();
      }
      at = nodes[at].children[byte];
    }
    if (nodes[at].token == blob::none) nodes[at].token = token;
  }
};

class writer {
 public:
  explicit writer(const tokenizer_description& description) : description_(description) {}

  // The first round, with no normalized contents, leaves their trie empty.
  std::vector<uint8_t> run(const normalized_contents& normalized) {
    add_tokens(normalized);
    add_merges();
    add_tries(normalized);
    add_steps(blob::normalizers, description_.normalizers);
    add_steps(blob::pre_tokenizers, description_.pre_tokenizers);
    put(blob::strings, strings_.data(), strings_.size());
    put(blob::prefix_ids, description_.prefix_ids);
    put(blob::suffix_ids, description_.suffix_ids);
    return layout();
  }

 private:
  void put(blob::section which, const void* data, size_t bytes) {
    const auto* p = static_cast<const uint8_t*>(data);
    sections_[which].assign(p, p + bytes);
  }

  template <typename T>
  void put(blob::section which, const std::vector<T>& values) {
    static_assert(std::is_trivially_copyable_v<T>);
    put(which, values.data(), values.size() * sizeof(T));
  }

  // A `normalized` token decodes to its normalized content, as in the reference.
  void add_tokens(const normalized_contents& normalized) {
    uint32_t count = description_.vocab.num_ids();
    std::vector<std::string> tokens(count);
    std::vector<uint8_t> flags(count, 0);
    for (const auto& [token, id] : description_.vocab.model_tokens()) {
      tokens[id] = token;
      flags[id] |= blob::id_present | blob::id_in_model;
    }
    for (const added_entry& entry : description_.vocab.added()) {
      tokens[entry.id] = entry.token.content;
      flags[entry.id] |=
          blob::id_present | blob::id_added | (entry.token.special ? blob::id_special : 0);
    }
    std::vector<uint32_t> token_offsets = {0}, decoded_offsets = {0};
    std::string token_bytes, decoded_bytes;
    std::vector<uint32_t> slots(std::bit_ceil(size_t{count} * 2 + 2), blob::none);
    for (uint32_t id = 0; id < count; ++id) {
      token_bytes += tokens[id];
      auto replaced = normalized.find(id);
      decoded_bytes += decoded_form(replaced == normalized.end() ? tokens[id] : replaced->second);
      token_offsets.push_back(static_cast<uint32_t>(token_bytes.size()));
      decoded_offsets.push_back(static_cast<uint32_t>(decoded_bytes.size()));
      if (!(flags[id] & blob::id_present)) continue;
      size_t at = blob::hash_token(tokens[id]) & (slots.size() - 1);
      while (slots[at] != blob::none) at = (at + 1) & (slots.size() - 1);
      slots[at] = id;
    }
    if (token_bytes.size() > UINT32_MAX)
      throw import_error("vocabulary: " + std::to_string(token_bytes.size()) +
                         " bytes of tokens, limit 4294967295");
    put(blob::token_offsets, token_offsets);
    put(blob::token_bytes, token_bytes.data(), token_bytes.size());
    put(blob::decoded_offsets, decoded_offsets);
    put(blob::decoded_bytes, decoded_bytes.data(), decoded_bytes.size());
    put(blob::id_flags, flags);
    put(blob::vocab_slots, slots);
  }

  // Of a pair listed twice the later rank wins.
  void add_merges() {
    const auto& merges = description_.merges;
    if (merges.empty()) return;
    std::vector<blob::merge_slot> slots(std::bit_ceil(merges.size() * 2),
                                        {blob::none, blob::none, 0, 0});
    for (uint32_t rank = 0; rank < merges.size(); ++rank) {
      const merge_description& m = merges[rank];
      size_t at = blob::hash_pair(m.left, m.right) & (slots.size() - 1);
      while (slots[at].left != blob::none &&
             (slots[at].left != m.left || slots[at].right != m.right))
        at = (at + 1) & (slots.size() - 1);
      slots[at] = {m.left, m.right, rank, m.result};
    }
    put(blob::merge_slots, slots);
  }

  void add_tries(const normalized_contents& contents) {
    std::vector<blob::added_token> tokens;
    trie_builder raw, normalized;
    for (const added_entry& entry : matching_order(description_.vocab)) {
      auto index = static_cast<uint32_t>(tokens.size());
      const added_token_description& t = entry.token;
      tokens.push_back({entry.id, (t.single_word ? blob::added_single_word : 0u) |
                                      (t.lstrip ? blob::added_lstrip : 0u) |
                                      (t.rstrip ? blob::added_rstrip : 0u) |
                                      (t.special ? blob::added_special : 0u)});
      if (!t.normalized)
        raw.add(t.content, index);
      else if (auto found = contents.find(entry.id); found != contents.end())
        normalized.add(found->second, index);
    }
    put(blob::added_tokens, tokens);
    put_trie(raw, blob::raw_nodes, blob::raw_edges);
    put_trie(normalized, blob::normalized_nodes, blob::normalized_edges);
  }

  void put_trie(const trie_builder& trie, blob::section nodes_section,
                blob::section edges_section) {
    std::vector<blob::trie_node> nodes;
    std::vector<blob::trie_edge> edges;
    for (const trie_builder::node& node : trie.nodes) {
      nodes.push_back({static_cast<uint32_t>(edges.size()),
                       static_cast<uint32_t>(node.children.size()), node.token});
      for (const auto& [byte, child] : node.children) edges.push_back({byte, child});
    }
    put(nodes_section, nodes);
    put(edges_section, edges);
  }

  uint32_t add_string(const std::string& text) {
    auto offset = static_cast<uint32_t>(strings_.size());
    strings_ += text;
    return offset;
  }

  void add_steps(blob::section which, const std::vector<step_description>& steps) {
    std::vector<blob::step> out;
    for (const step_description& s : steps) {
      uint32_t text = add_string(s.text), content = add_string(s.content);
      out.push_back({s.kind, s.flags, static_cast<uint32_t>(s.behavior),
                     static_cast<uint32_t>(s.pattern), text, static_cast<uint32_t>(s.text.size()),
                     content, static_cast<uint32_t>(s.content.size())});
    }
    put(which, out);
  }

  std::vector<uint8_t> layout() {
    blob::header header = {};
    header.magic = blob::magic;
    header.version = blob::version;
    header.header_bytes = sizeof(header);
    header.model = static_cast<uint32_t>(blob::model_kind::bpe);
    header.model_flags = description_.ignore_merges ? uint32_t{blob::ignore_merges} : 0;
    header.num_ids = description_.vocab.num_ids();
    uint64_t offset = sizeof(header);
    for (uint32_t i = 0; i < blob::num_sections; ++i) {
      header.sections[i] = {offset, sections_[i].size()};
      offset += (sections_[i].size() + 7) / 8 * 8;
    }
    header.total_bytes = offset;
    std::vector<uint8_t> out(offset, 0);
    std::memcpy(out.data(), &header, sizeof(header));
    for (uint32_t i = 0; i < blob::num_sections; ++i)
      if (!sections_[i].empty())
        std::memcpy(out.data() + header.sections[i].offset, sections_[i].data(),
                    sections_[i].size());
    return out;
  }

  const tokenizer_description& description_;
  std::vector<uint8_t> sections_[blob::num_sections];
  std::string strings_;
};

}  // namespace

std::vector<uint8_t> write_blob(const tokenizer_description& description) {
  normalized_contents normalized;
  std::vector<uint8_t> draft = writer(description).run(normalized);
  tokenizer loaded;
  std::string error;
  if (!loaded.load(draft.data(), draft.size(), &error)) throw import_error(error);
  for (const added_entry& entry : description.vocab.added()) {
    if (!entry.token.normalized) continue;
    std::string& content = normalized[entry.id];
    if (!loaded.normalize(entry.token.content, content, &error)) throw import_error(error);
    if (content.empty())
      throw import_error("added token \"" + entry.token.content + "\" is empty once normalized");
  }
  std::vector<uint8_t> blob = writer(description).run(normalized);
  if (!loaded.load(blob.data(), blob.size(), &error)) throw import_error(error);
  return blob;
}

}  // namespace stoop::rt::formats

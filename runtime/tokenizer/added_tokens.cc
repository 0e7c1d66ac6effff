// Trie search for added tokens, with the flags applied in the reference's order: special,
// single_word, lstrip, rstrip. Time is linear in the text times the longest token.
#include "runtime/tokenizer/added_tokens.h"

#include <algorithm>

#include "runtime/tokenizer/unicode.h"

namespace stoop::rt {
namespace {

// Where the character in front of `at` begins; `at` itself must be above `floor`.
size_t previous_char(std::string_view text, size_t at, size_t floor) {
  size_t begin = at - 1;
  while (begin > floor && at - begin < 4 && (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80)
    --begin;
  return begin;
}

bool has(std::string_view text, size_t at, uint8_t property) {
  return char_properties(char_at(text, at).code_point) & property;
}

bool touches_word(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && has(text, previous_char(text, begin, 0), char_word)) return true;
  return end < text.size() && has(text, end, char_word);
}

}  // namespace

void added_token_matcher::open(const trie_view& trie, std::span<const blob::added_token> tokens) {
  trie_ = trie;
  tokens_ = tokens;
  root_.fill(0);
  if (trie.nodes.empty()) return;
  const blob::trie_node& root = trie.nodes[0];
  for (const blob::trie_edge& edge : trie.edges.subspan(root.first_edge, root.num_edges))
    root_[edge.byte & 0xFF] = edge.node;
}

added_token_matcher::match added_token_matcher::longest_at(std::string_view text, size_t at) const {
  match best = {at, blob::none};
  uint32_t node = root_[static_cast<uint8_t>(text[at])];
  while (node != 0) {
    const blob::trie_node& n = trie_.nodes[node];
    ++at;
    if (n.token != blob::none) best = {at, n.token};
    if (at == text.size()) break;
    uint32_t byte = static_cast<uint8_t>(text[at]);
    auto edges = trie_.edges.subspan(n.first_edge, n.num_edges);
    auto edge = std::lower_bound(edges.begin(), edges.end(), byte,
                                 [](const blob::trie_edge& e, uint32_t b) { return e.byte < b; });
    node = edge != edges.end() && edge->byte == byte ? edge->node : 0;
  }
  return best;
}

void added_token_matcher::split(std::string_view text, bool specials_as_text,
                                std::vector<text_part>& parts) const {
  size_t done = 0;  // end of what `parts` covers
  size_t spaces_begin = 0,
         spaces_end = 0;  // the last run that rstrip crossed, so that no run is read twice
  for (size_t at = 0; at < text.size();) {
    match found = longest_at(text, at);
    if (found.token == blob::none) {
      ++at;
      continue;
    }
    size_t begin = at, end = found.end;
    at = found.end;
    const blob::added_token& token = tokens_[found.token];
    if (specials_as_text && (token.flags & blob::added_special)) continue;
    if ((token.flags & blob::added_single_word) && touches_word(text, begin, end)) continue;
    if (token.flags & blob::added_lstrip) {
      while (begin > done) {
        size_t previous = previous_char(text, begin, done);
        if (!has(text, previous, char_space)) break;
        begin = previous;
      }
      begin = std::max(begin, done);
    }
    if (token.flags & blob::added_rstrip) {
      if (end < spaces_begin || end >= spaces_end) {
        spaces_begin = spaces_end = end;
        while (spaces_end < text.size() && has(text, spaces_end, char_space))
          spaces_end += char_at(text, spaces_end).size;
      }
      end = std::max(end, spaces_end);
    }
    if (done < begin) parts.push_back({done, begin, blob::none});
    parts.push_back({begin, end, token.id});
    done = end;
  }
  if (done < text.size()) parts.push_back({done, text.size(), blob::none});
}

}  // namespace stoop::rt

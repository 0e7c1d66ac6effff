// Added tokens: literal strings that are cut out of a text before anything else looks at it.
#ifndef STOOP_RUNTIME_TOKENIZER_ADDED_TOKENS_H
#define STOOP_RUNTIME_TOKENIZER_ADDED_TOKENS_H

#include <array>
#include <string_view>
#include <vector>

#include "runtime/tokenizer/blob_view.h"

namespace stoop::rt {

/// A stretch of text: an added token (`id`) or, with id == blob::none, ordinary text.
struct text_part {
  size_t begin, end;
  uint32_t id;
};

/// Finds the tokens of one trie, leftmost-longest and non-overlapping. Immutable after open().
class added_token_matcher {
 public:
  /// Points at a validated blob's trie and added tokens; both must outlive the matcher.
  void open(const trie_view& trie, std::span<const blob::added_token> tokens);

  /// Cuts `text` into tokens and the rest. A token next to a word character is no match where it is
  /// `single_word`; `lstrip` and `rstrip` take the white space around it along. A special token is
  /// ordinary text when `specials_as_text`; as in the reference it then still hides shorter tokens
  /// inside of it. Empty text gives no part.
  void split(std::string_view text, bool specials_as_text, std::vector<text_part>& parts) const;

 private:
  struct match {
    size_t end;
    uint32_t token;  // blob::none: no match
  };
  match longest_at(std::string_view text, size_t at) const;

  trie_view trie_;
  std::span<const blob::added_token> tokens_;
  std::array<uint32_t, 256> root_ = {};  // child of the root by byte; 0: none
};

}  // namespace stoop::rt

#endif

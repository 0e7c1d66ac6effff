// Finding a step's pattern in a text: hand-written matchers for the known regexes, literal search,
// or the regex engine. All of them give the matches of an ordered (Perl-like) leftmost search.
#ifndef STOOP_RUNTIME_TOKENIZER_PATTERNS_H
#define STOOP_RUNTIME_TOKENIZER_PATTERNS_H

#include <string>
#include <string_view>
#include <vector>

#include "runtime/tokenizer/blob_format.h"
#include "runtime/tokenizer/regex_engine.h"

namespace stoop::rt {

/// A stretch of a text and whether the pattern matched it.
struct segment {
  size_t begin, end;
  bool is_match;
};

/// A step's pattern, ready to search. Movable, owns its compiled regex.
class pattern {
 public:
  pattern() = default;
  pattern(pattern&& other) noexcept { *this = static_cast<pattern&&>(other); }
  pattern& operator=(pattern&& other) noexcept;
  ~pattern();

  /// `text` (the literal or the regex) must outlive the pattern. False and a message where the
  /// regex does not compile or this binary has no regex engine.
  bool open(blob::pattern_kind kind, std::string_view text, std::string* error);

  /// Covers `text` with alternating segments, matches and what lies between them, in order. Empty
  /// matches occur. An empty text is one empty segment. False and a message past the engine's
  /// limit.
  bool find(std::string_view text, std::vector<segment>& out, std::string* error) const;

 private:
  bool find_ranges(std::string_view text, std::vector<text_range>& out, std::string* error) const;

  blob::pattern_kind kind_ = blob::pattern_kind::none;
  std::string_view text_;
  void* regex_ = nullptr;
};

/// Segments of single characters with (any of) the char_property bits `wanted`, and the text
/// between.
void find_characters(std::string_view text, uint8_t wanted, std::vector<segment>& out);

/// Applies a split behavior to alternating segments, in place; `is_match` of the result is
/// meaningless. Dropped segments are gone.
void apply_behavior(blob::behavior behavior, bool invert, std::vector<segment>& segments);

}  // namespace stoop::rt

#endif

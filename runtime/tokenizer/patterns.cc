// Matchers of the known regexes, each linear in the text: no alternative is retried over the same
// run of characters more than once.
#include "runtime/tokenizer/patterns.h"

#include <algorithm>
#include <utility>

#include "runtime/tokenizer/unicode.h"

namespace stoop::rt {
namespace {

// The character at a position together with its classes; `size` 0 at the end of the text.
struct classified {
  uint32_t code_point = 0;
  uint32_t size = 0;
  uint8_t properties = 0;

  bool is(uint8_t wanted) const { return properties & wanted; }
  // [^\s\p{L}\p{N}]
  bool is_other() const { return size != 0 && !is(char_letter | char_number | char_space); }
  bool is_newline() const { return code_point == '\r' || code_point == '\n'; }
};

classified look(std::string_view text, size_t at) {
  if (at >= text.size()) return {};
  utf8_char c = char_at(text, at);
  return {c.code_point, c.size, char_properties(c.code_point)};
}

size_t skip_class(std::string_view text, size_t at, uint8_t wanted) {
  for (classified c = look(text, at); c.size && c.is(wanted); c = look(text, at)) at += c.size;
  return at;
}

size_t skip_others(std::string_view text, size_t at) {
  for (classified c = look(text, at); c.is_other(); c = look(text, at)) at += c.size;
  return at;
}

// 's|'t|'re|'ve|'m|'ll|'d at an apostrophe: its length, or 0. Ignoring case, U+017F counts as an s.
size_t contraction(std::string_view text, size_t at, bool ignore_case) {
  std::string_view rest = text.substr(at, 3);
  auto letter = [&](size_t i) {
    char c = i < rest.size() ? rest[i] : '\0';
    return ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  };
  char first = letter(1), second = letter(2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if ((first == 'r' || first == 'v') && second == 'e') return 3;
  if (first == 'l' && second == 'l') return 3;
  return ignore_case && rest == "'\u017F" ? 3 : 0;
}

// \s+(?!\S)|\s+ at a space: the run without its last character where something follows it.
size_t spaces_before_word(std::string_view text, size_t at) {
  size_t end = at, last = at;
  for (classified c = look(text, at); c.size && c.is(char_space); c = look(text, end)) {
    last = end;
    end += c.size;
  }
  return end == text.size() || last == at ? end : last;
}

size_t match_gpt2(std::string_view text, size_t at) {
  if (text[at] == '\'')
    if (size_t length = contraction(text, at, false)) return at + length;
  size_t word = at + (text[at] == ' ' ? 1 : 0);
  classified c = look(text, word);
  if (c.is(char_letter)) return skip_class(text, word, char_letter);
  if (c.is(char_number)) return skip_class(text, word, char_number);
  if (c.is_other()) return skip_others(text, word);
  return spaces_before_word(text, at);
}

// \s*[\r\n]+ at a space: to behind the last newline of the run of spaces; `at` where it has none.
size_t through_last_newline(std::string_view text, size_t at) {
  size_t end = at;
  for (classified c = look(text, at); c.size && c.is(char_space); c = look(text, at)) {
    at += c.size;
    if (c.is_newline()) end = at;
  }
  return end;
}

// The Llama-3 pattern; Qwen2's differs in taking one number character at a time.
size_t match_llama3(std::string_view text, size_t at, int max_numbers) {
  if (text[at] == '\'')
    if (size_t length = contraction(text, at, true)) return at + length;
  classified c = look(text, at);
  if (c.is(char_letter)) return skip_class(text, at, char_letter);
  size_t behind = at + c.size;
  if (!c.is_newline() && !c.is(char_number) && look(text, behind).is(char_letter))
    return skip_class(text, behind, char_letter);
  if (c.is(char_number)) {
    for (int i = 0; i < max_numbers && c.is(char_number); ++i, c = look(text, at)) at += c.size;
    return at;
  }
  size_t others = at + (c.code_point == ' ' ? 1 : 0);
  if (look(text, others).is_other()) {
    others = skip_others(text, others);
    while (others < text.size() && (text[others] == '\r' || text[others] == '\n')) ++others;
    return others;
  }
  if (size_t end = through_last_newline(text, at); end != at) return end;
  return spaces_before_word(text, at);
}

// Matchers of patterns that match somewhere at every position: the matches tile the text.
template <typename Match>
void tile(std::string_view text, std::vector<text_range>& out, Match match) {
  for (size_t at = 0; at < text.size();) {
    size_t end = match(text, at);
    out.push_back({at, end});
    at = end;
  }
}

void find_three_digits(std::string_view text, std::vector<text_range>& out) {
  size_t digits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    digits = text[i] >= '0' && text[i] <= '9' ? digits + 1 : 0;
    if (digits != 3) continue;
    out.push_back({i - 2, i + 1});
    digits = 0;
  }
}

void find_literal(std::string_view text, std::string_view literal, std::vector<text_range>& out) {
  if (literal.empty()) return;
  for (size_t at = text.find(literal); at != std::string_view::npos;
       at = text.find(literal, at + literal.size()))
    out.push_back({at, at + literal.size()});
}

// Joins each match with the segment in front of it (in iteration order) unless that is a match as
// well.
template <typename Iterator, typename Extend>
Iterator merge_matches(Iterator begin, Iterator end, Extend extend) {
  Iterator out = begin;
  bool previous = false;
  for (Iterator it = begin; it != end; ++it) {
    bool is_match = it->is_match;
    if (is_match && !previous && out != begin)
      extend(*(out - 1), *it);
    else
      *out++ = *it;
    previous = is_match;
  }
  return out;
}

}  // namespace

pattern& pattern::operator=(pattern&& other) noexcept {
  std::swap(kind_, other.kind_);
  std::swap(text_, other.text_);
  std::swap(regex_, other.regex_);
  return *this;
}

pattern::~pattern() {
  if (regex_) stoop_rt_regex_engine()->destroy(regex_);
}

bool pattern::open(blob::pattern_kind kind, std::string_view text, std::string* error) {
  kind_ = kind;
  text_ = text;
  if (kind != blob::pattern_kind::regex) return true;
  std::string why = "this binary has no regex engine";
  if (stoop_rt_regex_engine) regex_ = stoop_rt_regex_engine()->compile(text, &why);
  if (regex_) return true;
  if (error) *error = "tokenizer: regular expression \"" + std::string(text) + "\": " + why;
  return false;
}

bool pattern::find_ranges(std::string_view text, std::vector<text_range>& out,
                          std::string* error) const {
  switch (kind_) {
    case blob::pattern_kind::none:
      return true;
    case blob::pattern_kind::gpt2:
      tile(text, out, match_gpt2);
      return true;
    case blob::pattern_kind::llama3:
      tile(text, out, [](std::string_view t, size_t at) { return match_llama3(t, at, 3); });
      return true;
    case blob::pattern_kind::qwen2:
      tile(text, out, [](std::string_view t, size_t at) { return match_llama3(t, at, 1); });
      return true;
    case blob::pattern_kind::three_digits:
      find_three_digits(text, out);
      return true;
    case blob::pattern_kind::literal:
      find_literal(text, text_, out);
      return true;
    case blob::pattern_kind::regex:
      return stoop_rt_regex_engine()->find_all(regex_, text, out, error);
  }
  return true;
}

bool pattern::find(std::string_view text, std::vector<segment>& out, std::string* error) const {
  out.clear();
  if (text.empty()) {
    out.push_back({0, 0, false});
    return true;
  }
  std::vector<text_range> ranges;
  if (!find_ranges(text, ranges, error)) {
    if (error) *error = "tokenizer: regular expression \"" + std::string(text_) + "\": " + *error;
    return false;
  }
  out.reserve(ranges.size() + 1);
  size_t last = 0;
  for (const text_range& range : ranges) {
    if (last != range.begin) out.push_back({last, range.begin, false});
    out.push_back({range.begin, range.end, true});
    last = range.end;
  }
  if (last != text.size()) out.push_back({last, text.size(), false});
  return true;
}

void find_characters(std::string_view text, uint8_t wanted, std::vector<segment>& out) {
  out.clear();
  size_t last = 0;
  for (size_t at = 0; at < text.size();) {
    classified c = look(text, at);
    if (c.is(wanted)) {
      if (last < at) out.push_back({last, at, false});
      out.push_back({at, at + c.size, true});
      last = at + c.size;
    }
    at += c.size;
  }
  if (last < text.size()) out.push_back({last, text.size(), false});
}

void apply_behavior(blob::behavior behavior, bool invert, std::vector<segment>& segments) {
  if (invert)
    for (segment& s : segments) s.is_match = !s.is_match;
  switch (behavior) {
    case blob::behavior::isolated:
      return;
    case blob::behavior::removed:
      std::erase_if(segments, [](const segment& s) { return s.is_match; });
      return;
    case blob::behavior::merged_with_previous: {
      auto end = merge_matches(segments.begin(), segments.end(),
                               [](segment& kept, const segment& s) { kept.end = s.end; });
      segments.erase(end, segments.end());
      return;
    }
    case blob::behavior::merged_with_next: {
      auto end = merge_matches(segments.rbegin(), segments.rend(),
                               [](segment& kept, const segment& s) { kept.begin = s.begin; });
      segments.erase(segments.begin(), end.base());
      return;
    }
    case blob::behavior::contiguous: {
      size_t kept = 0;
      bool previous = false;
      for (const segment& s : segments) {
        if (s.is_match == previous && kept > 0)
          segments[kept - 1].end = s.end;
        else
          segments[kept++] = s;
        previous = s.is_match;
      }
      segments.resize(kept);
      return;
    }
  }
}

}  // namespace stoop::rt

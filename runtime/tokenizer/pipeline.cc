// Each step sees the text as the previous one left it: behind ByteLevel that is the byte alphabet,
// so a Digits step there looks at characters such as U+00B2 that stand for single bytes.
#include "runtime/tokenizer/pipeline.h"

#include <utility>

#include "runtime/tokenizer/normal_forms.h"
#include "runtime/tokenizer/unicode.h"

namespace stoop::rt {
namespace {

bool open_patterns(const blob_view& view, std::span<const blob::step> steps,
                   std::vector<pattern>& out, std::string* error) {
  out.clear();
  for (const blob::step& step : steps) {
    out.emplace_back();
    if (!out.back().open(static_cast<blob::pattern_kind>(step.pattern), view.text(step), error))
      return false;
  }
  return true;
}

void append_alphabet(std::string& out, std::string_view bytes) {
  for (char byte : bytes) append_char(out, byte_to_alphabet(static_cast<uint8_t>(byte)));
}

std::string strip(const std::string& text, uint32_t flags) {
  size_t begin = 0, end = text.size();
  auto is_space = [&](size_t at) {
    return char_properties(char_at(text, at).code_point) & char_space;
  };
  if (flags & blob::step_strip_left)
    while (begin < end && is_space(begin)) begin += char_at(text, begin).size;
  if (flags & blob::step_strip_right) {
    size_t kept = begin;
    for (size_t at = begin; at < end; at += char_at(text, at).size)
      if (!is_space(at)) kept = at + char_at(text, at).size;
    end = kept;
  }
  return text.substr(begin, end - begin);
}

}  // namespace

bool normalizer_chain::open(const blob_view& view, std::string* error) {
  view_ = &view;
  return open_patterns(view, view.normalizers, patterns_, error);
}

bool normalizer_chain::replace(const blob::step& step, const pattern& what, std::string& text,
                               std::string* error) const {
  std::vector<segment> segments;
  if (!what.find(text, segments, error)) return false;
  std::string out;
  for (const segment& s : segments) {
    if (s.is_match)
      out += view_->content(step);
    else
      out.append(text, s.begin, s.end - s.begin);
  }
  text = std::move(out);
  return true;
}

bool normalizer_chain::apply(std::string& text, std::string* error) const {
  for (size_t i = 0; i < view_->normalizers.size(); ++i) {
    const blob::step& step = view_->normalizers[i];
    switch (static_cast<blob::normalizer_kind>(step.kind)) {
      case blob::normalizer_kind::nfc:
        text = normal_form(text, false, true);
        break;
      case blob::normalizer_kind::nfd:
        text = normal_form(text, false, false);
        break;
      case blob::normalizer_kind::nfkc:
        text = normal_form(text, true, true);
        break;
      case blob::normalizer_kind::nfkd:
        text = normal_form(text, true, false);
        break;
      case blob::normalizer_kind::lowercase:
        text = lower_case(text);
        break;
      case blob::normalizer_kind::strip:
        text = strip(text, step.flags);
        break;
      case blob::normalizer_kind::strip_accents:
        text = strip_marks(text);
        break;
      case blob::normalizer_kind::replace:
        if (!replace(step, patterns_[i], text, error)) return false;
        break;
      case blob::normalizer_kind::prepend:
        if (!text.empty()) text.insert(0, view_->text(step));
        break;
      case blob::normalizer_kind::byte_level_text: {
        std::string out;
        append_alphabet(out, text);
        text = std::move(out);
        break;
      }
    }
  }
  return true;
}

bool pre_tokenizer_chain::open(const blob_view& view, std::string* error) {
  view_ = &view;
  return open_patterns(view, view.pre_tokenizers, patterns_, error);
}

bool pre_tokenizer_chain::apply_split(const blob::step& step, const pattern& what, pieces& out,
                                      std::string* error) const {
  std::vector<text_range> ranges;
  std::vector<segment> segments;
  for (const text_range& range : out.ranges) {
    std::string_view piece =
        std::string_view(out.text).substr(range.begin, range.end - range.begin);
    switch (static_cast<blob::pre_tokenizer_kind>(step.kind)) {
      case blob::pre_tokenizer_kind::digits:
        find_characters(piece, char_digit, segments);
        break;
      case blob::pre_tokenizer_kind::punctuation:
        find_characters(piece, char_punctuation, segments);
        break;
      default:
        if (!what.find(piece, segments, error)) return false;
    }
    apply_behavior(static_cast<blob::behavior>(step.behavior), step.flags & blob::step_invert,
                   segments);
    for (const segment& s : segments)
      if (s.begin != s.end) ranges.push_back({range.begin + s.begin, range.begin + s.end});
  }
  out.ranges = std::move(ranges);
  return true;
}

bool pre_tokenizer_chain::apply_byte_level(const blob::step& step, const pattern& what, pieces& out,
                                           std::string* error) const {
  pieces mapped;
  mapped.text.reserve(out.text.size() + out.text.size() / 4);
  mapped.ranges.reserve(out.ranges.size());
  std::vector<segment> segments;
  std::string prefixed;
  for (const text_range& range : out.ranges) {
    std::string_view piece =
        std::string_view(out.text).substr(range.begin, range.end - range.begin);
    if ((step.flags & blob::step_add_prefix_space) && piece.front() != ' ') {
      prefixed.assign(1, ' ');
      prefixed += piece;
      piece = prefixed;
    }
    if (!what.find(piece, segments, error)) return false;
    for (const segment& s : segments) {
      size_t begin = mapped.text.size();
      append_alphabet(mapped.text, piece.substr(s.begin, s.end - s.begin));
      mapped.ranges.push_back({begin, mapped.text.size()});
    }
  }
  out = std::move(mapped);
  return true;
}

bool pre_tokenizer_chain::apply(std::string_view text, pieces& out, std::string* error) const {
  out.text.assign(text);
  out.ranges.clear();
  if (!text.empty()) out.ranges.push_back({0, text.size()});
  for (size_t i = 0; i < view_->pre_tokenizers.size(); ++i) {
    const blob::step& step = view_->pre_tokenizers[i];
    bool is_byte_level =
        static_cast<blob::pre_tokenizer_kind>(step.kind) == blob::pre_tokenizer_kind::byte_level;
    bool done = is_byte_level ? apply_byte_level(step, patterns_[i], out, error)
                              : apply_split(step, patterns_[i], out, error);
    if (!done) return false;
  }
  return true;
}

}  // namespace stoop::rt

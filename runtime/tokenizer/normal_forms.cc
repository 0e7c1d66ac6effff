// Normal forms by the algorithm of the Unicode standard, chapter 3.11: full decomposition,
// canonical ordering, composition of each starter with the marks that are not blocked. Hangul is
// arithmetic.
#include "runtime/tokenizer/normal_forms.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "runtime/tokenizer/unicode.h"
#include "runtime/tokenizer/unicode_tables.h"

namespace stoop::rt {
namespace {

constexpr uint32_t syllable_base = 0xAC00, lead_base = 0x1100, vowel_base = 0x1161,
                   tail_base = 0x11A7;
constexpr uint32_t leads = 19, vowels = 21, tails = 28, syllables = leads * vowels * tails;

struct ranked_char {
  uint32_t code_point;
  uint8_t combining_class;
};

uint8_t combining_class(uint32_t c) {
  if (c < 0x300) return 0;
  auto* begin = std::begin(tables::combining_last);
  auto* run = std::lower_bound(begin, std::end(tables::combining_last), c);
  if (run == std::end(tables::combining_last) || tables::combining_first[run - begin] > c) return 0;
  return tables::combining_class_of[run - begin];
}

template <size_t N>
uint32_t find_ref(const uint32_t (&keys)[N], const uint32_t (&refs)[N], uint32_t c) {
  const uint32_t* key = std::lower_bound(keys, keys + N, c);
  return key != keys + N && *key == c ? refs[key - keys] : 0;
}

void decompose(uint32_t c, bool compatibility, std::vector<ranked_char>& out) {
  if (c < 0xA0) {
    out.push_back({c, 0});
    return;
  }
  if (c - syllable_base < syllables) {
    uint32_t index = c - syllable_base;
    out.push_back({lead_base + index / (vowels * tails), 0});
    out.push_back({vowel_base + index % (vowels * tails) / tails, 0});
    if (index % tails) out.push_back({tail_base + index % tails, 0});
    return;
  }
  uint32_t ref = compatibility ? find_ref(tables::nfkd_keys, tables::nfkd_refs, c)
                               : find_ref(tables::nfd_keys, tables::nfd_refs, c);
  if (ref == 0) {
    out.push_back({c, combining_class(c)});
    return;
  }
  for (uint32_t i = 0; i < (ref & 0xFF); ++i) {
    uint32_t part = tables::decomposition_pool[(ref >> 8) + i];
    out.push_back({part, combining_class(part)});
  }
}

// Sorts every run of non-starters by combining class; equal classes keep their order. A counting
// sort, since a run may be as long as the text and std::stable_sort would allocate through
// exceptions.
void order_marks(std::vector<ranked_char>& chars) {
  std::vector<ranked_char> run;
  for (size_t i = 0; i < chars.size();) {
    if (chars[i].combining_class == 0) {
      ++i;
      continue;
    }
    size_t end = i + 1;
    while (end < chars.size() && chars[end].combining_class != 0) ++end;
    if (end - i > 1) {
      size_t starts[257] = {};
      for (size_t k = i; k < end; ++k) ++starts[chars[k].combining_class + 1];
      for (size_t k = 1; k < 257; ++k) starts[k] += starts[k - 1];
      run.assign(chars.begin() + static_cast<ptrdiff_t>(i),
                 chars.begin() + static_cast<ptrdiff_t>(end));
      for (const ranked_char& c : run) chars[i + starts[c.combining_class]++] = c;
    }
    i = end;
  }
}

// The composition of two characters, 0 if there is none.
uint32_t compose_pair(uint32_t a, uint32_t b) {
  if (a - lead_base < leads && b - vowel_base < vowels)
    return syllable_base + ((a - lead_base) * vowels + (b - vowel_base)) * tails;
  if (a - syllable_base < syllables && (a - syllable_base) % tails == 0 &&
      b - tail_base - 1 < tails - 1)
    return a + (b - tail_base);
  uint64_t key = uint64_t{a} << 32 | b;
  auto* begin = std::begin(tables::composition_keys);
  auto* found = std::lower_bound(begin, std::end(tables::composition_keys), key);
  if (found == std::end(tables::composition_keys) || *found != key) return 0;
  return tables::composition_values[found - begin];
}

void compose_all(std::vector<ranked_char>& chars) {
  size_t out = 0, starter = SIZE_MAX;
  uint8_t last_class = 0;  // of the last kept character behind the starter
  for (const ranked_char& c : chars) {
    bool adjacent = starter != SIZE_MAX && starter + 1 == out;
    bool blocked = !adjacent && last_class >= c.combining_class;
    if (starter != SIZE_MAX && !blocked) {
      if (uint32_t composed = compose_pair(chars[starter].code_point, c.code_point)) {
        chars[starter].code_point = composed;
        continue;
      }
    }
    if (c.combining_class == 0) starter = out;
    last_class = c.combining_class;
    chars[out++] = c;
  }
  chars.resize(out);
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

}  // namespace

std::string normal_form(std::string_view text, bool compatibility, bool compose) {
  if (is_ascii(text)) return std::string(text);
  std::vector<ranked_char> chars;
  chars.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    utf8_char c = char_at(text, at);
    decompose(c.code_point, compatibility, chars);
    at += c.size;
  }
  order_marks(chars);
  if (compose) compose_all(chars);
  std::string out;
  out.reserve(text.size());
  for (const ranked_char& c : chars) append_char(out, c.code_point);
  return out;
}

std::string lower_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    utf8_char c = char_at(text, at);
    at += c.size;
    if (c.code_point == 0x130) {
      out += "i\u0307";
      continue;
    }
    uint32_t lower = find_ref(tables::lowercase_keys, tables::lowercase_values, c.code_point);
    append_char(out, lower ? lower : c.code_point);
  }
  return out;
}

std::string strip_marks(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    utf8_char c = char_at(text, at);
    if (!(char_properties(c.code_point) & char_mark)) out.append(text, at, c.size);
    at += c.size;
  }
  return out;
}

}  // namespace stoop::rt

// UTF-8 decoding by Unicode's table 3-7 (well-formed byte sequences), so that truncated, overlong
// and surrogate forms are cut into the same maximal subparts as in the reference; class look-up in
// a three-stage table.
#include "runtime/tokenizer/unicode.h"

#include "runtime/tokenizer/unicode_tables.h"

namespace stoop::rt {
namespace {

// A sequence begun by some lead byte: its length and the range of the second byte; all later ones
// are 80..BF. length 0: no sequence begins so.
struct lead_info {
  uint8_t length, low, high;
};

constexpr lead_info lead_of(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// What begins at `p`: `size` bytes that are one character, one maximal ill-formed subpart, or (cut
// off by `end`) the beginning of a character.
struct scan_result {
  uint32_t size;
  enum { complete, ill_formed, incomplete } kind;
};

scan_result scan(const uint8_t* p, const uint8_t* end) {
  lead_info lead = lead_of(*p);
  if (lead.length == 0) return {1, scan_result::ill_formed};
  for (uint32_t i = 1; i < lead.length; ++i) {
    if (p + i == end) return {i, scan_result::incomplete};
    uint8_t low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xBF;
    if (p[i] < low || p[i] > high) return {i, scan_result::ill_formed};
  }
  return {lead.length, scan_result::complete};
}

// The first two bytes of an encoded surrogate, at the very end. They cannot become a character, yet
// the reference's stream waits for the third byte before it replaces all of them.
bool is_half_surrogate(const uint8_t* p, const uint8_t* end) {
  return end - p == 2 && p[0] == 0xED && p[1] >= 0xA0 && p[1] <= 0xBF;
}

uint32_t code_point_of(const uint8_t* p, uint32_t size) {
  if (size == 1) return *p;
  uint32_t value = *p & (0x7Fu >> size);
  for (uint32_t i = 1; i < size; ++i) value = value << 6 | (p[i] & 0x3F);
  return value;
}

}  // namespace

uint8_t char_properties(uint32_t code_point) {
  if (code_point > 0x10FFFF) return 0;
  uint32_t row = tables::property_top[code_point >> 12];
  uint32_t block = tables::property_rows[row * 64 + (code_point >> 6 & 63)];
  return tables::property_blocks[block * 64 + (code_point & 63)];
}

utf8_char char_at(std::string_view text, size_t at) {
  const auto* p = reinterpret_cast<const uint8_t*>(text.data()) + at;
  if (*p < 0x80) return {*p, 1};
  scan_result found = scan(p, p + (text.size() - at));
  if (found.kind != scan_result::complete) return {replacement_char, 1};
  return {code_point_of(p, found.size), found.size};
}

void append_char(std::string& out, uint32_t c) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = replacement_char;
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
    return;
  }
  char buffer[4];
  size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (size_t i = size - 1; i > 0; --i, c >>= 6) buffer[i] = static_cast<char>(0x80 | (c & 0x3F));
  buffer[0] = static_cast<char>((0xF00 >> size & 0xFF) | c);
  out.append(buffer, size);
}

size_t append_lossy(std::string& out, std::string_view bytes, bool at_end) {
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
  const auto* end = p + bytes.size();
  const auto* well_formed = p;  // start of the stretch that can be copied as it is
  auto flush = [&] {
    out.append(reinterpret_cast<const char*>(well_formed), static_cast<size_t>(p - well_formed));
  };
  while (p < end) {
    scan_result found = *p < 0x80 ? scan_result{1, scan_result::complete} : scan(p, end);
    if (found.kind == scan_result::complete) {
      p += found.size;
      continue;
    }
    flush();
    well_formed = p;
    if (!at_end && (found.kind == scan_result::incomplete || is_half_surrogate(p, end))) break;
    append_char(out, replacement_char);
    p += found.size;
    well_formed = p;
  }
  flush();
  return static_cast<size_t>(p - reinterpret_cast<const uint8_t*>(bytes.data()));
}

bool is_utf8(std::string_view bytes) {
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
  const auto* end = p + bytes.size();
  while (p < end) {
    scan_result found = *p < 0x80 ? scan_result{1, scan_result::complete} : scan(p, end);
    if (found.kind != scan_result::complete) return false;
    p += found.size;
  }
  return true;
}

uint32_t byte_to_alphabet(uint8_t byte) {
  if (byte <= 0x20) return 0x100u + byte;
  if (byte >= 0x7F && byte <= 0xA0) return 0x100u + 33 + (byte - 0x7F);
  if (byte == 0xAD) return 0x100u + 67;
  return byte;
}

int alphabet_to_byte(uint32_t c) {
  if (c > 0x20 && c < 0x7F) return static_cast<int>(c);
  if (c > 0xA0 && c <= 0xFF && c != 0xAD) return static_cast<int>(c);
  if (c < 0x100 || c > 0x100 + 67) return -1;
  uint32_t n = c - 0x100;
  if (n <= 0x20) return static_cast<int>(n);
  return n == 67 ? 0xAD : static_cast<int>(n - 33 + 0x7F);
}

}  // namespace stoop::rt

// Characters: UTF-8 in and out, the character classes of the reference tokenizer, the byte
// alphabet. All of it is stateless and allocates nothing but the strings it appends to.
#ifndef STOOP_RUNTIME_TOKENIZER_UNICODE_H
#define STOOP_RUNTIME_TOKENIZER_UNICODE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace stoop::rt {

constexpr uint32_t replacement_char = 0xFFFD;

/// Bits of char_properties(). Each class has the Unicode version that the reference uses for it
/// (test/tokenizers/classes.json), so `char_number` and `char_digit` differ in recent characters.
enum char_property : uint8_t {
  char_letter = 1,       ///< regex \p{L}
  char_number = 2,       ///< regex \p{N}
  char_space = 4,        ///< regex \s; also what lstrip, rstrip and Strip remove
  char_punctuation = 8,  ///< the Punctuation pre-tokenizer
  char_digit = 16,       ///< the Digits pre-tokenizer
  char_word = 32,        ///< a word character next to a `single_word` added token
  char_mark = 64         ///< a combining mark, removed by StripAccents
};

/// The classes of a code point (0 above U+10FFFF).
uint8_t char_properties(uint32_t code_point);

/// One character of a text: its code point and its length in bytes.
struct utf8_char {
  uint32_t code_point;
  uint32_t size;
};

/// The character at `at`, which must be below `text.size()`. An ill-formed byte counts as one
/// U+FFFD of one byte, so a loop over any bytes ends.
utf8_char char_at(std::string_view text, size_t at);

/// Appends the UTF-8 form of a code point (U+FFFD when it is not a scalar value).
void append_char(std::string& out, uint32_t code_point);

/// Appends `bytes` as text: each maximal ill-formed subpart becomes one U+FFFD as soon as it is
/// known to be ill-formed. An incomplete sequence at the end, or two bytes of an encoded surrogate,
/// are left alone unless `at_end`. Returns the bytes consumed; at most 3 remain.
size_t append_lossy(std::string& out, std::string_view bytes, bool at_end);

/// Whether all of `bytes` is well-formed UTF-8.
bool is_utf8(std::string_view bytes);

/// The character that stands for a byte in byte-level vocabularies: printable Latin-1 for itself,
/// the other 68 bytes, in order, U+0100 upwards.
uint32_t byte_to_alphabet(uint8_t byte);

/// Inverse of byte_to_alphabet; -1 for a character outside the alphabet.
int alphabet_to_byte(uint32_t code_point);

}  // namespace stoop::rt

#endif

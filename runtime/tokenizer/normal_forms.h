// Unicode normal forms, lower case and accent stripping, with the data of the reference library
// (decompositions of Unicode 9, lower-case letters of Unicode 17).
#ifndef STOOP_RUNTIME_TOKENIZER_NORMAL_FORMS_H
#define STOOP_RUNTIME_TOKENIZER_NORMAL_FORMS_H

#include <string>
#include <string_view>

namespace stoop::rt {

/// NFD or, with `compatibility`, NFKD; `compose` turns them into NFC and NFKC.
std::string normal_form(std::string_view text, bool compatibility, bool compose);

/// Character-wise lower case: no context rules, U+0130 becomes "i" and U+0307.
std::string lower_case(std::string_view text);

/// Removes combining marks (general category M); composed letters keep their accents.
std::string strip_marks(std::string_view text);

}  // namespace stoop::rt

#endif

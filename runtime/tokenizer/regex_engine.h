// The seam between the tokenizer and a general regex engine. Only tokenizers with a pattern outside
// components.def need one; a binary whose tokenizer has none leaves regex_onig.cc and Oniguruma
// out.
#ifndef STOOP_RUNTIME_TOKENIZER_REGEX_ENGINE_H
#define STOOP_RUNTIME_TOKENIZER_REGEX_ENGINE_H

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace stoop::rt {

/// A match: bytes [begin, end) of the text.
struct text_range {
  size_t begin, end;
};

/// A table of functions; compiled patterns may be used from several threads at once.
struct regex_engine {
  /// Compiles a UTF-8 pattern in Oniguruma's default syntax; null and a message on a syntax error.
  void* (*compile)(std::string_view pattern, std::string* error);
  /// Frees what compile() returned.
  void (*destroy)(void* pattern);
  /// Appends all matches in UTF-8 `text`, left to right; an empty match right behind the previous
  /// one is skipped by a character. False and a message where matching needs more steps than the
  /// limit.
  bool (*find_all)(void* pattern, std::string_view text, std::vector<text_range>& matches,
                   std::string* error);
};

}  // namespace stoop::rt

/// The engine of this binary; a null address where none is linked in (force it in with
/// `-u stoop_rt_regex_engine`).
extern "C" [[gnu::weak]] const stoop::rt::regex_engine* stoop_rt_regex_engine();

#endif

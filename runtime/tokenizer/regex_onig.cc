// The regex engine: Oniguruma with its default syntax and UTF-8, as the reference library uses it.
#include <oniguruma.h>

#include "runtime/tokenizer/regex_engine.h"
#include "runtime/tokenizer/unicode.h"

namespace stoop::rt {
namespace {

// Backtracking steps of one search. Ordinary patterns stay below a few per byte; the limit turns
// a catastrophic pattern into an error.
constexpr unsigned long max_retries = 200'000'000;

const OnigUChar* bytes_of(const char* p) { return reinterpret_cast<const OnigUChar*>(p); }

void set_error(std::string* error, int code, OnigErrorInfo* info) {
  if (!error) return;
  OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
  int length = info ? onig_error_code_to_str(text, code, info) : onig_error_code_to_str(text, code);
  error->assign(reinterpret_cast<const char*>(text), static_cast<size_t>(length));
}

void* compile(std::string_view pattern, std::string* error) {
  OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
  onig_initialize(encodings, 1);
  OnigRegex regex = nullptr;
  OnigErrorInfo info;
  const OnigUChar* begin = bytes_of(pattern.data());
  int code = onig_new(&regex, begin, begin + pattern.size(), ONIG_OPTION_NONE, ONIG_ENCODING_UTF8,
                      ONIG_SYNTAX_DEFAULT, &info);
  if (code == ONIG_NORMAL) return regex;
  set_error(error, code, &info);
  return nullptr;
}

void destroy(void* pattern) { onig_free(static_cast<OnigRegex>(pattern)); }

bool find_all(void* pattern, std::string_view text, std::vector<text_range>& matches,
              std::string* error) {
  const OnigUChar* begin = bytes_of(text.data());
  const OnigUChar* end = begin + text.size();
  OnigRegion* region = onig_region_new();
  OnigMatchParam* limits = onig_new_match_param();
  onig_initialize_match_param(limits);
  onig_set_retry_limit_in_match_of_match_param(limits, max_retries);
  onig_set_retry_limit_in_search_of_match_param(limits, max_retries);
  int code = ONIG_MISMATCH;
  for (size_t from = 0; from <= text.size();) {
    code = onig_search_with_param(static_cast<OnigRegex>(pattern), begin, end, begin + from, end,
                                  region, ONIG_OPTION_NONE, limits);
    if (code < 0) break;
    text_range found = {static_cast<size_t>(region->beg[0]), static_cast<size_t>(region->end[0])};
    bool behind_last = !matches.empty() && found.end == matches.back().end;
    if (found.begin == found.end && behind_last) {
      from += from < text.size() ? char_at(text, from).size : 1;
      continue;
    }
    matches.push_back(found);
    from = found.end;
  }
  onig_free_match_param(limits);
  onig_region_free(region, 1);
  if (code >= 0 || code == ONIG_MISMATCH) return true;
  set_error(error, code, nullptr);
  return false;
}

constexpr regex_engine engine = {compile, destroy, find_all};

}  // namespace
}  // namespace stoop::rt

extern "C" [[gnu::visibility("default")]] const stoop::rt::regex_engine* stoop_rt_regex_engine() {
  return &stoop::rt::engine;
}

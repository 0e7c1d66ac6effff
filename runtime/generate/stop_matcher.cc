// Stop strings are few and short, so each piece is searched plainly.
#include "runtime/generate/stop_matcher.h"

namespace stoop::rt {

stoop_status StopMatcher::create(Memory& memory, const char* const* strings, uint32_t count,
                                 uint64_t piece_bytes, Message& message) {
  uint64_t longest = 0;
  for (uint32_t i = 0; i < count; ++i) {
    uint64_t length = strlen(strings[i]);
    if (length == 0) return fail(message, STOOP_INVALID_ARGUMENT, "stop string %u is empty", i + 1);
    if (length > longest) longest = length;
  }
  strings_ = strings;
  count_ = count;
  bytes_ = released_ = 0;
  return text_.create(memory, longest + piece_bytes + 1, "the buffer for stop strings", message);
}

bool StopMatcher::feed(const char* piece, uint64_t bytes) {
  memmove(text_.data(), text_.data() + released_, bytes_ - released_);
  bytes_ -= released_;
  released_ = 0;
  memcpy(text_.data() + bytes_, piece, bytes);
  bytes_ += bytes;
  for (uint64_t start = 0; start < bytes_; ++start) {
    for (uint32_t i = 0; i < count_; ++i) {
      uint64_t length = strlen(strings_[i]);
      if (length > bytes_ - start || memcmp(text_.data() + start, strings_[i], length) != 0) continue;
      matched_ = i;
      bytes_ = released_ = start;
      return true;
    }
  }
  uint64_t start = 0;
  while (start < bytes_ && held_tail(start) == 0) ++start;
  released_ = start;
  return false;
}

// Length of the text from `from` on if a stop string starts with all of it; else 0.
uint64_t StopMatcher::held_tail(uint64_t from) const {
  uint64_t length = bytes_ - from;
  for (uint32_t i = 0; i < count_; ++i) {
    if (strlen(strings_[i]) > length && memcmp(text_.data() + from, strings_[i], length) == 0)
      return length;
  }
  return 0;
}

void StopMatcher::finish() {
  memmove(text_.data(), text_.data() + released_, bytes_ - released_);
  bytes_ -= released_;
  released_ = bytes_;
}

}  // namespace stoop::rt

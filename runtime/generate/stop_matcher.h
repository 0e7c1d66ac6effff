// Finds stop strings in a stream of text pieces and holds back what may still become one.
// Invariant: text that was released never contains the start of a stop string that is found later.
#ifndef STOOP_RUNTIME_GENERATE_STOP_MATCHER_H_
#define STOOP_RUNTIME_GENERATE_STOP_MATCHER_H_

#include "runtime/core/memory.h"

namespace stoop::rt {

class StopMatcher {
 public:
  // `strings` are borrowed, `count` may be 0; an empty one is an error. `piece_bytes` is the longest
  // piece that feed() will be given.
  stoop_status create(Memory& memory, const char* const* strings, uint32_t count,
                      uint64_t piece_bytes, Message& message);

  // Appends a piece. Afterwards released() is the text that may be shown; when a stop string was
  // completed (the earliest start wins, then the lower index), it is the text in front of it and the
  // result is true.
  bool feed(const char* piece, uint64_t bytes);

  // No more text follows: released() is what was still held back.
  void finish();

  const char* released() const { return text_.data(); }
  uint64_t released_bytes() const { return released_; }
  uint32_t matched() const { return matched_; }

 private:
  uint64_t held_tail(uint64_t from) const;

  const char* const* strings_ = nullptr;
  uint32_t count_ = 0, matched_ = 0;
  Array<char> text_;  // what feed() released last, then what is held back
  uint64_t bytes_ = 0, released_ = 0;
};

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_GENERATE_STOP_MATCHER_H_

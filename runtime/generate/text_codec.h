// Text to ids and back: the runtime's seam to the tokenizer.
// Invariant: nothing thrown by the tokenizer's containers passes this interface.
#ifndef STOOP_RUNTIME_GENERATE_TEXT_CODEC_H_
#define STOOP_RUNTIME_GENERATE_TEXT_CODEC_H_

#include "runtime/core/memory.h"

namespace stoop::rt {

class TextCodec {
 public:
  // Opens the tokenizer in `blob`, which stays mapped. `*out` is the caller's to delete.
  static stoop_status create(const void* blob, uint64_t bytes, TextCodec** out, Message& message);
  virtual ~TextCodec() = default;

  // Text to ids without special tokens added; `*count` may exceed `capacity`, nothing more is written.
  virtual stoop_status encode(const char* text, uint64_t bytes, uint32_t* ids, uint64_t capacity,
                              uint64_t* count, Message& message) = 0;
  // Ids to valid UTF-8; `*bytes` may exceed `capacity`.
  virtual stoop_status decode(const uint32_t* ids, uint64_t count, char* text, uint64_t capacity,
                              uint64_t* bytes, Message& message) = 0;

  // The longest piece that stream_push and stream_finish can give.
  virtual uint64_t longest_piece() const = 0;
  // Starts a stream of ids that continues a text. May allocate; push and finish do not.
  virtual void stream_reset() = 0;
  // Adds an id; `*piece` is the whole characters that are now certain, valid until the next call.
  virtual uint64_t stream_push(uint32_t id, const char** piece) = 0;
  // What is left of an unfinished character, as replacement characters.
  virtual uint64_t stream_finish(const char** piece) = 0;
};

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_GENERATE_TEXT_CODEC_H_

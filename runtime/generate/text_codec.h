// Text to ids and back: the runtime's seam to the tokenizer.
// Invariant: nothing thrown by the tokenizer's containers passes this interface.
#ifndef STOOP_RUNTIME_GENERATE_TEXT_CODEC_H_
#define STOOP_RUNTIME_GENERATE_TEXT_CODEC_H_

#include "runtime/core/memory.h"

namespace stoop::rt {

// The text of ids that come one by one and continue a text. Adding allocates nothing.
class TextStream {
 public:
  virtual ~TextStream() = default;
  // Adds an id; `*piece` is the whole characters that are now certain, valid until the next call.
  virtual uint64_t push(uint32_t id, const char** piece) = 0;
  // What is left of an unfinished character, as replacement characters.
  virtual uint64_t finish(const char** piece) = 0;
};

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

  // The longest piece that a stream can give.
  virtual uint64_t longest_piece() const = 0;
  // A new stream, which the codec outlives; `*out` is the caller's to delete.
  virtual stoop_status open_stream(TextStream** out, Message& message) const = 0;
};

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_GENERATE_TEXT_CODEC_H_

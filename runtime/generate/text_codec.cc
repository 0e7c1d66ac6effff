// The tokenizer behind the codec's interface. This file alone of the runtime's core is compiled with
// exceptions: it catches what the containers inside the tokenizer throw when memory is short.
#include "runtime/generate/text_codec.h"

#include <algorithm>
#include <new>
#include <string>
#include <vector>

#include "runtime/tokenizer/tokenizer.h"

namespace stoop::rt {
namespace {

// Runs `body`, which returns a status, and turns a lack of memory into one.
template <typename Body>
stoop_status guarded(Message& message, Body body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail(message, STOOP_OUT_OF_MEMORY, "out of memory in the tokenizer");
  } catch (...) {
    return fail(message, STOOP_INTERNAL, "the tokenizer failed");
  }
}

// Special tokens in the middle of a text are shown; the one that ends it never becomes text.
constexpr bool kSkipSpecial = false;

class Stream final : public TextStream {
 public:
  Stream(const tokenizer& source, uint32_t longest_id, uint64_t longest_piece)
      : stream_(source, kSkipSpecial) {
    piece_.reserve(longest_piece);
    // The longest token once, so that the decoder's own buffer has its final size.
    stream_.push(longest_id, piece_);
    stream_.finish(piece_);
  }
  uint64_t push(uint32_t id, const char** piece) override {
    piece_.clear();
    stream_.push(id, piece_);
    *piece = piece_.data();
    return piece_.size();
  }
  uint64_t finish(const char** piece) override {
    piece_.clear();
    stream_.finish(piece_);
    *piece = piece_.data();
    return piece_.size();
  }

 private:
  stream_decoder stream_;
  std::string piece_;
};

class Codec final : public TextCodec {
 public:
  stoop_status open(const void* blob, uint64_t bytes, Message& message) {
    std::string error;
    if (!tokenizer_.load(blob, bytes, &error))
      return fail(message, STOOP_BAD_PROGRAM, "the tokenizer is damaged: %s", error.c_str());
    for (uint32_t id = 0; id < tokenizer_.size(); ++id)
      if (tokenizer_.decoded_bytes(id).size() > tokenizer_.decoded_bytes(longest_id_).size())
        longest_id_ = id;
    return STOOP_OK;
  }

  stoop_status encode(const char* text, uint64_t bytes, uint32_t* ids, uint64_t capacity,
                      uint64_t* count, Message& message) override {
    return guarded(message, [&] {
      std::vector<uint32_t> found;
      std::string error;
      encode_options options;
      options.add_special_tokens = false;
      if (!tokenizer_.encode({text, bytes}, options, found, &error))
        return fail(message, STOOP_INVALID_ARGUMENT, "cannot tokenize the text: %s", error.c_str());
      *count = found.size();
      std::copy_n(found.begin(), std::min<uint64_t>(capacity, found.size()), ids);
      return STOOP_OK;
    });
  }

  stoop_status decode(const uint32_t* ids, uint64_t count, char* text, uint64_t capacity,
                      uint64_t* bytes, Message& message) override {
    return guarded(message, [&] {
      std::string decoded = tokenizer_.decode({ids, count}, kSkipSpecial);
      *bytes = decoded.size();
      std::copy_n(decoded.begin(), std::min<uint64_t>(capacity, decoded.size()), text);
      return STOOP_OK;
    });
  }

  // Each byte of a token, and of a character begun before it, may become a replacement character of
  // three.
  uint64_t longest_piece() const override {
    return 3 * (tokenizer_.decoded_bytes(longest_id_).size() + 4);
  }
  stoop_status open_stream(TextStream** out, Message& message) const override {
    *out = nullptr;
    return guarded(message, [&] {
      *out = new Stream(tokenizer_, longest_id_, longest_piece());
      return STOOP_OK;
    });
  }

 private:
  tokenizer tokenizer_;
  uint32_t longest_id_ = 0;
};

}  // namespace

stoop_status TextCodec::create(const void* blob, uint64_t bytes, TextCodec** out,
                               Message& message) {
  *out = nullptr;
  return guarded(message, [&] {
    Codec* codec = new Codec();
    stoop_status status = codec->open(blob, bytes, message);
    if (status == STOOP_OK)
      *out = codec;
    else
      delete codec;
    return status;
  });
}

}  // namespace stoop::rt

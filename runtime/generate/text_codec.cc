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

class Codec final : public TextCodec {
 public:
  stoop_status open(const void* blob, uint64_t bytes, Message& message) {
    std::string error;
    if (!tokenizer_.load(blob, bytes, &error))
      return fail(message, STOOP_BAD_PROGRAM, "the tokenizer is damaged: %s", error.c_str());
    for (uint32_t id = 0; id < tokenizer_.size(); ++id)
      longest_ = std::max<uint64_t>(longest_, tokenizer_.decoded_bytes(id).size());
    // Each byte of a token may become a replacement character of three.
    piece_.reserve(longest_piece());
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

  uint64_t longest_piece() const override { return 3 * (longest_ + 4); }
  void stream_reset() override { stream_.finish(); }
  uint64_t stream_push(uint32_t id, const char** piece) override {
    piece_.assign(stream_.push(id));
    *piece = piece_.data();
    return piece_.size();
  }
  uint64_t stream_finish(const char** piece) override {
    piece_.assign(stream_.finish());
    *piece = piece_.data();
    return piece_.size();
  }

 private:
  // Special tokens that a model generates are marks, not text.
  static constexpr bool kSkipSpecial = true;
  tokenizer tokenizer_;
  stream_decoder stream_{tokenizer_, kSkipSpecial};
  uint64_t longest_ = 0;
  std::string piece_;
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

// Stands in for text_codec.cc where the tokenizer library is not part of the build: models load when they
// carry no tokenizer.
#include "runtime/generate/text_codec.h"

namespace stoop::rt {

stoop_status TextCodec::create(const void*, uint64_t, TextCodec** out, Message& message) {
  *out = nullptr;
  return fail(message, STOOP_NO_TOKENIZER, "this runtime was built without its tokenizer");
}

}  // namespace stoop::rt

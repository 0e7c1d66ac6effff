// The held bytes are what append_lossy() leaves: the beginning of one character.
#include "runtime/tokenizer/stream_decoder.h"

#include "runtime/tokenizer/tokenizer.h"
#include "runtime/tokenizer/unicode.h"

namespace stoop::rt {

void stream_decoder::push(uint32_t id, std::string& out) {
  if (skip_special_ && source_->is_special(id)) return;
  held_ += source_->decoded_bytes(id);
  held_.erase(0, append_lossy(out, held_, false));
}

void stream_decoder::finish(std::string& out) {
  append_lossy(out, held_, true);
  held_.clear();
}

std::string stream_decoder::push(uint32_t id) {
  std::string out;
  push(id, out);
  return out;
}

std::string stream_decoder::finish() {
  std::string out;
  finish(out);
  return out;
}

}  // namespace stoop::rt

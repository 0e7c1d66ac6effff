// Incremental decoding: text that can be shown at once, id by id.
#ifndef STOOP_RUNTIME_TOKENIZER_STREAM_DECODER_H
#define STOOP_RUNTIME_TOKENIZER_STREAM_DECODER_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace stoop::rt {

class tokenizer;

/// Turns ids into text increments, each valid UTF-8. Complete characters come out at once; at most
/// 3 bytes of an incomplete one are held back; ill-formed bytes become U+FFFD as soon as they are
/// known to be. All increments joined equal tokenizer::decode() of the same ids.
class stream_decoder {
 public:
  /// `source` must outlive the decoder. With `skip_special`, special tokens give no text and leave
  /// the held bytes alone: the halves of a character around one join.
  explicit stream_decoder(const tokenizer& source, bool skip_special = false)
      : source_(&source), skip_special_(skip_special) {}

  /// Makes room for tokens of up to `bytes` bytes: push() into a string with room then allocates
  /// nothing.
  void reserve(size_t bytes) { held_.reserve(bytes + 3); }

  /// Appends the text that `id` completes; often nothing.
  void push(uint32_t id, std::string& out);
  /// Appends what is left at the end of the stream: U+FFFD for an incomplete character. Resets the
  /// decoder.
  void finish(std::string& out);

  /// The same as new strings.
  std::string push(uint32_t id);
  std::string finish();

 private:
  const tokenizer* source_;
  bool skip_special_;
  std::string held_;
};

}  // namespace stoop::rt

#endif

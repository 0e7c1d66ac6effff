// The tokenizer of an emitted program: text to token ids and back, from a blob in read-only memory.
#ifndef STOOP_RUNTIME_TOKENIZER_TOKENIZER_H
#define STOOP_RUNTIME_TOKENIZER_TOKENIZER_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tokenizer/stream_decoder.h"

namespace stoop::rt {

struct encode_options {
  /// Put the ids of the post-processor's template (often a begin-of-text token) around the text.
  bool add_special_tokens = true;
  /// Encode special tokens that occur in the text as ordinary text: the way for untrusted input.
  /// Added tokens that are not special match nevertheless, as in the reference.
  bool specials_as_text = false;
};

/// Immutable after load(): all const functions may run on several threads at once.
class tokenizer {
 public:
  /// Longest text that encode() takes, in bytes, before and after normalization.
  static constexpr size_t max_text_bytes = size_t{1} << 30;

  tokenizer();
  ~tokenizer();
  tokenizer(tokenizer&&) noexcept;
  tokenizer& operator=(tokenizer&&) noexcept;

  /// Validates a blob (blob_format.h; `data` at least 8-byte aligned) and points the tokenizer at
  /// it. The memory is not copied and must outlive the tokenizer. On failure returns false and a
  /// message in `error`.
  bool load(const void* data, size_t size, std::string* error);

  /// Appends the ids of `text` to `ids`. Ill-formed UTF-8 is replaced by U+FFFD first, one per
  /// maximal subpart. Fails (false, message in `error`, `ids` unchanged) for a text over
  /// max_text_bytes, or where a regex of the tokenizer exceeds the engine's limit.
  bool encode(std::string_view text, const encode_options& options, std::vector<uint32_t>& ids,
              std::string* error = nullptr) const;

  /// The text of some ids: their bytes joined, each maximal ill-formed subpart as U+FFFD. Ids
  /// without a token give nothing.
  std::string decode(std::span<const uint32_t> ids, bool skip_special) const;

  /// The raw bytes that one id decodes to (not always whole characters), for stop-string matching.
  std::string_view decoded_bytes(uint32_t id) const;

  /// The token as the vocabulary writes it (byte alphabet for byte-level models); empty without a
  /// token.
  std::string_view token(uint32_t id) const;

  /// The id of a token in the vocabulary's own spelling, or of an added token.
  std::optional<uint32_t> token_to_id(std::string_view token) const;

  bool is_special(uint32_t id) const;
  /// Whether some token has this id; ids of gaps and padding rows have none.
  bool has_token(uint32_t id) const;

  /// Number of ids: the largest one with a token, added tokens included, plus 1.
  size_t size() const;

  /// The normalizers alone, as encode() applies them to a text without added tokens.
  bool normalize(std::string_view text, std::string& out, std::string* error = nullptr) const;
  /// The pre-tokenizers alone: the pieces that the model would see.
  bool pre_tokenize(std::string_view text, std::vector<std::string>& out,
                    std::string* error = nullptr) const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace stoop::rt

#endif

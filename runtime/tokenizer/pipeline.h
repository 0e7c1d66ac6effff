// Normalizers and pre-tokenizers: the flattened sequences of steps that a text goes through between
// the added tokens and the model.
#ifndef STOOP_RUNTIME_TOKENIZER_PIPELINE_H
#define STOOP_RUNTIME_TOKENIZER_PIPELINE_H

#include <string>
#include <string_view>
#include <vector>

#include "runtime/tokenizer/blob_view.h"
#include "runtime/tokenizer/patterns.h"

namespace stoop::rt {

/// The normalizer steps of a tokenizer. Immutable after open().
class normalizer_chain {
 public:
  /// Prepares the blob's normalizers; false and a message where a regex does not compile.
  bool open(const blob_view& view, std::string* error);
  bool empty() const { return view_ == nullptr || view_->normalizers.empty(); }
  /// Normalizes a whole text in place; false and a message past the regex engine's limit.
  bool apply(std::string& text, std::string* error) const;

 private:
  bool replace(const blob::step& step, const pattern& what, std::string& text,
               std::string* error) const;

  const blob_view* view_ = nullptr;
  std::vector<pattern> patterns_;  // one per step
};

/// A text cut into pieces, none of them empty; text outside of all pieces was dropped.
struct pieces {
  std::string text;
  std::vector<text_range> ranges;
};

/// The pre-tokenizer steps of a tokenizer. Immutable after open().
class pre_tokenizer_chain {
 public:
  /// Prepares the blob's pre-tokenizers; false and a message where a regex does not compile.
  bool open(const blob_view& view, std::string* error);
  /// Cuts `text` (UTF-8), rewriting it on the way (ByteLevel); false and a message past the regex
  /// engine's limit.
  bool apply(std::string_view text, pieces& out, std::string* error) const;

 private:
  bool apply_split(const blob::step& step, const pattern& what, pieces& out,
                   std::string* error) const;
  bool apply_byte_level(const blob::step& step, const pattern& what, pieces& out,
                        std::string* error) const;

  const blob_view* view_ = nullptr;
  std::vector<pattern> patterns_;
};

}  // namespace stoop::rt

#endif

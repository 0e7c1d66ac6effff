// Byte-pair encoding of one piece of text.
#ifndef STOOP_RUNTIME_TOKENIZER_MODELS_BPE_H
#define STOOP_RUNTIME_TOKENIZER_MODELS_BPE_H

#include <array>
#include <string_view>
#include <vector>

#include "runtime/tokenizer/blob_view.h"

namespace stoop::rt {

/// The BPE model of a blob. Immutable after open(); the scratch memory belongs to the caller.
class bpe_model {
 public:
  /// Working memory that grows to the longest piece and is reused from piece to piece.
  struct scratch {
    struct symbol {
      uint32_t id, previous, next;  // neighbours by index, blob::none at the ends
    };
    std::vector<symbol> symbols;
    std::vector<uint64_t> queue;
  };

  /// Points at a validated blob, which must outlive the model.
  void open(const blob_view& view);

  /// Appends the ids of `piece` (fewer than 2^32 - 1 characters). A character without a token is
  /// dropped, as in the reference. O(n log n).
  void encode(std::string_view piece, scratch& work, std::vector<uint32_t>& ids) const;

 private:
  uint32_t find_in_model(std::string_view token) const;
  void split_characters(std::string_view piece, scratch& work) const;
  void queue_pair(scratch& work, uint32_t left) const;
  void merge(scratch& work) const;

  const blob_view* view_ = nullptr;
  bool ignore_merges_ = false;
  std::array<uint32_t, 0x180> short_characters_ =
      {};  // ids of U+0000..U+017F: the byte alphabet and more
};

}  // namespace stoop::rt

#endif

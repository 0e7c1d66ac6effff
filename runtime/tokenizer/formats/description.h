// A tokenizer in plain data, between the file formats and the blob writer.
#ifndef STOOP_RUNTIME_TOKENIZER_FORMATS_DESCRIPTION_H
#define STOOP_RUNTIME_TOKENIZER_FORMATS_DESCRIPTION_H

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/tokenizer/blob_format.h"

namespace stoop::rt::formats {

/// Thrown inside the importer; import_tokenizer() turns it into its error message.
struct import_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A blob::step with its strings.
struct step_description {
  uint32_t kind = 0;
  uint32_t flags = 0;
  blob::behavior behavior = blob::behavior::isolated;
  blob::pattern_kind pattern = blob::pattern_kind::none;
  std::string text = {};
  std::string content = {};
};

/// An added token as a file declares it.
struct added_token_description {
  std::string content = {};
  std::optional<uint32_t> declared_id = {};  ///< checked against the id that the token gets
  bool single_word = false, lstrip = false, rstrip = false, normalized = false, special = false;
};

/// An added token in a vocabulary.
struct added_entry {
  added_token_description token;
  uint32_t id;
};

/// The vocabulary of the model and the added tokens, with the reference's rules for ids: an added
/// token that the model knows has the model's id, any other the next free one.
class vocabulary {
 public:
  /// Adds an entry of the model; throws import_error where the token or id is taken or the id too
  /// large.
  void add_model_token(const std::string& token, uint64_t id, const std::string& where);
  /// Adds a token, or ignores one whose content is added already (but lets it become special).
  /// Throws where its declared id is not the one it gets.
  void add_token(const added_token_description& token, const std::string& where);

  std::optional<uint32_t> find(const std::string& token) const;
  std::optional<uint32_t> find_in_model(const std::string& token) const;
  bool is_added(const std::string& token) const { return added_index_.count(token) != 0; }
  const std::unordered_map<std::string, uint32_t>& model_tokens() const { return model_; }
  const std::vector<added_entry>& added() const { return added_; }
  uint32_t num_ids() const { return num_ids_; }

 private:
  uint32_t next_added_id() const;

  std::unordered_map<std::string, uint32_t> model_;
  std::unordered_map<uint32_t, std::string> model_ids_;
  std::vector<added_entry> added_;
  std::unordered_map<std::string, size_t> added_index_;
  uint32_t largest_added_ = 0;
  uint32_t num_ids_ = 0;
};

/// A merge by ids, in order of rank.
struct merge_description {
  uint32_t left, right, result;
};

/// Everything that goes into a blob.
struct tokenizer_description {
  vocabulary vocab;
  std::vector<merge_description> merges;
  bool ignore_merges = false;
  std::vector<step_description> normalizers, pre_tokenizers;
  std::vector<uint32_t> prefix_ids, suffix_ids;
};

}  // namespace stoop::rt::formats

#endif

// The encode pipeline: well-formed UTF-8, raw added tokens, normalizers, normalized added tokens,
// pre-tokenizers, model, template. Every stage works on the parts that the previous one left as
// text.
#include "runtime/tokenizer/tokenizer.h"

#include "runtime/tokenizer/added_tokens.h"
#include "runtime/tokenizer/blob_view.h"
#include "runtime/tokenizer/models/bpe.h"
#include "runtime/tokenizer/pipeline.h"
#include "runtime/tokenizer/unicode.h"

namespace stoop::rt {

struct tokenizer::state {
  blob_view view;
  added_token_matcher raw, normalized;
  normalizer_chain normalizers;
  pre_tokenizer_chain pre_tokenizers;
  bpe_model model;
};

namespace {

// One call of encode(): the options and the memory that its stages share.
struct encoder {
  const added_token_matcher& normalized_tokens;
  const normalizer_chain& normalizers;
  const pre_tokenizer_chain& pre_tokenizers;
  const bpe_model& model;
  const encode_options& options;
  std::vector<uint32_t>& ids;
  std::string* error;
  std::string normalized_text = {};
  std::vector<text_part> parts = {};
  pieces cut = {};
  bpe_model::scratch work = {};

  // Text between raw added tokens.
  bool encode_part(std::string_view text) {
    if (!normalizers.empty()) {
      normalized_text.assign(text);
      if (!normalizers.apply(normalized_text, error)) return false;
      text = normalized_text;
      if (text.size() > tokenizer::max_text_bytes) return too_long(text.size(), error);
    }
    parts.clear();
    normalized_tokens.split(text, options.specials_as_text, parts);
    for (const text_part& part : parts) {
      if (part.id != blob::none)
        ids.push_back(part.id);
      else if (!encode_text(text.substr(part.begin, part.end - part.begin)))
        return false;
    }
    return true;
  }

  // Text without added tokens.
  bool encode_text(std::string_view text) {
    if (!pre_tokenizers.apply(text, cut, error)) return false;
    std::string_view all = cut.text;
    for (const text_range& range : cut.ranges)
      model.encode(all.substr(range.begin, range.end - range.begin), work, ids);
    return true;
  }

  static bool too_long(size_t size, std::string* error) {
    if (error)
      *error = "text of " + std::to_string(size) + " bytes: the tokenizer takes at most " +
               std::to_string(tokenizer::max_text_bytes);
    return false;
  }
};

}  // namespace

tokenizer::tokenizer() : state_(std::make_unique<state>()) {}
tokenizer::~tokenizer() = default;
tokenizer::tokenizer(tokenizer&&) noexcept = default;
tokenizer& tokenizer::operator=(tokenizer&&) noexcept = default;

bool tokenizer::load(const void* data, size_t size, std::string* error) {
  auto fresh = std::make_unique<state>();
  if (!fresh->view.open(data, size, error)) return false;
  fresh->raw.open(fresh->view.raw, fresh->view.added_tokens);
  fresh->normalized.open(fresh->view.normalized, fresh->view.added_tokens);
  if (!fresh->normalizers.open(fresh->view, error) ||
      !fresh->pre_tokenizers.open(fresh->view, error))
    return false;
  fresh->model.open(fresh->view);
  state_ = std::move(fresh);
  return true;
}

bool tokenizer::encode(std::string_view text, const encode_options& options,
                       std::vector<uint32_t>& ids, std::string* error) const {
  const state& s = *state_;
  std::string well_formed;
  if (!is_utf8(text)) {
    append_lossy(well_formed, text, true);
    text = well_formed;
  }
  if (text.size() > max_text_bytes) return encoder::too_long(text.size(), error);
  size_t size_before = ids.size();
  if (options.add_special_tokens)
    ids.insert(ids.end(), s.view.prefix_ids.begin(), s.view.prefix_ids.end());
  encoder run = {s.normalized, s.normalizers, s.pre_tokenizers, s.model, options, ids, error};
  std::vector<text_part> parts;
  s.raw.split(text, options.specials_as_text, parts);
  for (const text_part& part : parts) {
    if (part.id != blob::none) {
      ids.push_back(part.id);
    } else if (!run.encode_part(text.substr(part.begin, part.end - part.begin))) {
      ids.resize(size_before);
      return false;
    }
  }
  if (options.add_special_tokens)
    ids.insert(ids.end(), s.view.suffix_ids.begin(), s.view.suffix_ids.end());
  return true;
}

std::string tokenizer::decode(std::span<const uint32_t> ids, bool skip_special) const {
  std::string bytes;
  for (uint32_t id : ids)
    if (!skip_special || !is_special(id)) bytes += decoded_bytes(id);
  if (is_utf8(bytes)) return bytes;
  std::string out;
  append_lossy(out, bytes, true);
  return out;
}

std::string_view tokenizer::decoded_bytes(uint32_t id) const { return state_->view.decoded(id); }

std::string_view tokenizer::token(uint32_t id) const { return state_->view.token(id); }

std::optional<uint32_t> tokenizer::token_to_id(std::string_view token) const {
  return state_->view.find(token);
}

bool tokenizer::is_special(uint32_t id) const {
  return state_->view.flags_of(id) & blob::id_special;
}

bool tokenizer::has_token(uint32_t id) const {
  return state_->view.flags_of(id) & blob::id_present;
}

size_t tokenizer::size() const { return state_->view.num_ids(); }

bool tokenizer::normalize(std::string_view text, std::string& out, std::string* error) const {
  out.assign(text);
  return state_->normalizers.apply(out, error);
}

bool tokenizer::pre_tokenize(std::string_view text, std::vector<std::string>& out,
                             std::string* error) const {
  pieces cut;
  if (!state_->pre_tokenizers.apply(text, cut, error)) return false;
  out.clear();
  for (const text_range& range : cut.ranges)
    out.push_back(cut.text.substr(range.begin, range.end - range.begin));
  return true;
}

}  // namespace stoop::rt

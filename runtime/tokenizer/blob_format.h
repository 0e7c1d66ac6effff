// The tokenizer blob: one position-independent, little-endian piece of memory that holds a whole
// tokenizer, hash tables and tries included, so that loading it is a validation and no parsing.
//
// Layout: blob_header, then the sections in any order, each 8-byte aligned. All offsets are bytes
// from the start of the blob, which itself is 8-byte aligned in memory. The writer is
// formats/blob_writer.cc; blob_view.cc checks everything that the readers rely on.
#ifndef STOOP_RUNTIME_TOKENIZER_BLOB_FORMAT_H
#define STOOP_RUNTIME_TOKENIZER_BLOB_FORMAT_H

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace stoop::rt::blob {

constexpr uint64_t magic = 0x4B4F54504F4F5453;  // "STOOPTOK"
constexpr uint32_t version = 1;
constexpr uint32_t max_ids = 1u << 24;  // keeps every table far below 4 GiB
constexpr uint32_t none = 0xFFFFFFFF;

/// Tokenizer models, normalizers, pre-tokenizers and patterns, by their numbers in components.def.
enum class model_kind : uint32_t {
#define STOOP_TOKENIZER_MODEL(name, number, type) name = number,
#include "runtime/tokenizer/components.def"
};
enum class normalizer_kind : uint32_t {
#define STOOP_NORMALIZER(name, number, type) name = number,
#include "runtime/tokenizer/components.def"
};
enum class pre_tokenizer_kind : uint32_t {
#define STOOP_PRE_TOKENIZER(name, number, type) name = number,
#include "runtime/tokenizer/components.def"
};
enum class pattern_kind : uint32_t {
  none = 0,
#define STOOP_PATTERN(name, number, regex) name = number,
#include "runtime/tokenizer/components.def"
  literal = 0x100,  ///< the step's text, searched as it stands
  regex = 0x101     ///< the step's text, compiled by the regex engine at load
};

/// What becomes of the matches of a pattern (the reference's SplitDelimiterBehavior).
enum class behavior : uint32_t {
  removed,
  isolated,
  merged_with_previous,
  merged_with_next,
  contiguous
};

enum model_flag : uint32_t { ignore_merges = 1 };

/// Bits of the section `id_flags`, one byte per id.
enum id_flag : uint8_t {
  id_present = 1,   ///< the id has a token at all (vocabularies may have gaps)
  id_in_model = 2,  ///< an entry of the model's vocabulary
  id_added = 4,     ///< an added token
  id_special = 8  ///< special: dropped by skip_special, never matched in specials-as-text encoding
};

/// Bits of added_token::flags and of a step's flags.
enum added_flag : uint32_t {
  added_single_word = 1,
  added_lstrip = 2,
  added_rstrip = 4,
  added_special = 8
};
enum step_flag : uint32_t {
  step_invert = 1,            // Split: swap matches and the rest
  step_add_prefix_space = 2,  // ByteLevel
  step_strip_left = 4,        // Strip
  step_strip_right = 8
};

/// One normalizer or pre-tokenizer of the flattened sequence. `text` is the pattern or the
/// prepended string, `content` the replacement; both lie in the section `strings`.
struct step {
  uint32_t kind;
  uint32_t flags;
  uint32_t behavior;
  uint32_t pattern;
  uint32_t text_offset, text_bytes;
  uint32_t content_offset, content_bytes;
};

/// One slot of the merge table: (left, right) has rank `rank` and becomes `result`; left == none:
/// empty.
struct merge_slot {
  uint32_t left, right, rank, result;
};

/// What a match in a trie means.
struct added_token {
  uint32_t id;
  uint32_t flags;
};

/// A trie node: edges [first_edge, first_edge + num_edges) sorted by byte; `token` indexes the
/// section `added_tokens`, none where no token ends. Node 0 is the root; children have larger
/// indices.
struct trie_node {
  uint32_t first_edge;
  uint32_t num_edges;
  uint32_t token;
};
struct trie_edge {
  uint32_t byte;
  uint32_t node;
};

struct extent {
  uint64_t offset;
  uint64_t bytes;
};

/// Sections. `raw` tries match in the original text (added tokens with normalized: false),
/// `normalized` ones behind the normalizers.
enum section : uint32_t {
  token_offsets,    // uint32[num_ids + 1] into token_bytes: the token as written in the vocabulary
  token_bytes,      // char[]
  decoded_offsets,  // uint32[num_ids + 1] into decoded_bytes: the bytes that the id decodes to
  decoded_bytes,    // char[]
  id_flags,         // uint8[num_ids]
  vocab_slots,      // uint32[power of two]: ids by hash of the token, none = empty, linear probing
  merge_slots,      // merge_slot[power of two], linear probing; may be empty
  added_tokens,     // added_token[]
  raw_nodes,
  raw_edges,
  normalized_nodes,
  normalized_edges,
  normalizers,     // step[]
  pre_tokenizers,  // step[]
  strings,         // char[], UTF-8
  prefix_ids,      // uint32[]: ids that add_special_tokens puts in front
  suffix_ids,      // uint32[]: and behind
  num_sections
};

struct header {
  uint64_t magic;
  uint32_t version;
  uint32_t header_bytes;
  uint64_t total_bytes;
  uint32_t model;  // model_kind
  uint32_t model_flags;
  uint32_t num_ids;  // largest id + 1
  uint32_t reserved;
  extent sections[num_sections];
};
static_assert(sizeof(extent) == 16 && sizeof(step) == 32 && sizeof(merge_slot) == 16);
static_assert(sizeof(header) == 40 + 16 * num_sections);

/// Hash of a token in `vocab_slots` (64-bit FNV-1a, folded).
inline uint32_t hash_token(std::string_view token) {
  uint64_t hash = 0xCBF29CE484222325;
  for (char c : token) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

/// Hash of a pair of ids in `merge_slots`.
inline uint32_t hash_pair(uint32_t left, uint32_t right) {
  uint64_t hash = (uint64_t{left} << 32 | right) * 0x9E3779B97F4A7C15;
  return static_cast<uint32_t>(hash >> 32);
}

}  // namespace stoop::rt::blob

#endif

// The generated tables, for unicode.cc and normal_forms.cc alone.
//
// property_top[cp >> 12] -> row; property_rows[row * 64 + (cp >> 6 & 63)] -> block;
// property_blocks[block * 64 + (cp & 63)] -> char_property bits.
// nfd_refs[i] / nfkd_refs[i] = start << 8 | count into decomposition_pool, the full decomposition
// of nfd_keys[i] / nfkd_keys[i]. All key arrays are sorted.
#ifndef STOOP_RUNTIME_TOKENIZER_UNICODE_TABLES_H
#define STOOP_RUNTIME_TOKENIZER_UNICODE_TABLES_H

#include <cstdint>

namespace stoop::rt::tables {
namespace {
#include "runtime/tokenizer/unicode_tables.inc"
}  // namespace
}  // namespace stoop::rt::tables

#endif

// Sums over the emitted descriptor that `info` and `bench` print.
#ifndef STOOP_RUNTIME_APP_PLAN_FACTS_H_
#define STOOP_RUNTIME_APP_PLAN_FACTS_H_

#include <cstdint>

#include "stoop/abi.h"

namespace stoop::app {

// Bytes of the KV cache that one token takes: the persistent arenas shared out.
double kv_bytes_per_token(const stoop_program_desc& program);

// Bytes of constant data that one step of an entry reads: every distinct constant slice once. A slice
// that only an embedding kernel uses counts as nothing, because it reads a row a token.
uint64_t constant_bytes_read(const stoop_program_desc& program, const stoop_entry& entry);

// Smallest entry of `kind` with at least `rows` rows, else the largest; NULL: none of that kind.
const stoop_entry* find_entry(const stoop_program_desc& program, uint32_t kind, uint64_t rows);

const char* lifetime_name(uint32_t lifetime);
const char* entry_kind_name(uint32_t kind);

}  // namespace stoop::app

#endif  // STOOP_RUNTIME_APP_PLAN_FACTS_H_

// The program that the compiler emitted, checked once and resolved to addresses: arenas taken, every
// slice turned into a pointer, every launch into a function of the chosen feature level.
// Invariant: after load() succeeded no descriptor field is trusted again at run time.
#ifndef STOOP_RUNTIME_CORE_PROGRAM_H_
#define STOOP_RUNTIME_CORE_PROGRAM_H_

#include "runtime/core/memory.h"

namespace stoop::rt {

// One launch with everything looked up.
struct Launch {
  stoop_kernel_fn function;
  void* const* buffers;
};

// A row of what an entry returns: [vocab] logits and, unless NULL, the largest of each block of
// STOOP_LOGIT_BLOCK of them.
struct LogitRow {
  const float* logits;
  const float* maxima;
};

// One entry with everything looked up. `logits` has one row of vocab floats for a prefill entry and
// `rows` of them otherwise; `maxima` as many rows, or is NULL.
struct Entry {
  const stoop_entry* desc;
  uint32_t rows;
  uint32_t num_launches;
  const Launch* launches;
  int32_t* tokens;
  int32_t* positions;
  int32_t* slots;
  const float* logits;
  const float* maxima;

  LogitRow row(uint32_t index, uint32_t vocab) const {
    return {logits + uint64_t{index} * vocab,
            maxima ? maxima + uint64_t{index} * stoop_logit_blocks(vocab) : nullptr};
  }
};

// Compares versions and magic, and every index, slice and pointer of the descriptor with its limits.
stoop_status check_program(const stoop_program_desc* program, Message& message);

// The best level that `features` (bits of stoop_cpu_feature) allow, or the one called `forced`. An
// index into program.levels. STOOP_UNSUPPORTED names the features that the least demanding level misses.
stoop_status choose_level(const stoop_program_desc& program, uint64_t features, const char* forced,
                          uint32_t* level, Message& message);

// Names of the features in `bits`, comma separated, into `text` (at least 160 bytes).
void feature_names(uint64_t bits, char* text, size_t text_bytes);

class Program {
 public:
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { unload(); }

  // Takes all memory of the plan: one mapping per arena that is not constant, one for the scratch of
  // `threads` threads and one for the stacks of all but the caller's. `weights` is the constant arena inside the payload, `weights_bytes` its
  // size there. `program` must have passed check_program.
  stoop_status load(Memory& memory, const stoop_program_desc& program, uint32_t level,
                    uint32_t threads, const void* weights, uint64_t weights_bytes,
                    Message& message);
  // For a program of a GPU target: resolves entries to `mirror`, the host's copy of the io arena.
  // All other memory is the device's.
  stoop_status load_mirrored(Memory& memory, const stoop_program_desc& program,
                             unsigned char* mirror, Message& message);
  void unload();

  const stoop_program_desc& desc() const { return *desc_; }
  const Array<Entry>& entries() const { return entries_; }

  // Smallest entry of `kind` that holds `rows` rows; if none does, the largest one; NULL: no such kind.
  const Entry* find_entry(uint32_t kind, uint32_t rows) const;

  // This thread's scratch, 64-byte aligned; NULL when the program needs none.
  void* scratch(uint32_t thread) const {
    return scratch_ ? scratch_ + uint64_t{thread} * scratch_stride_ : nullptr;
  }

  // Stacks of the threads behind the first, each stoop_program_desc::stack_bytes; NULL when the plan
  // has none.
  void* stacks() const { return stacks_; }

  // Arenas that are not constant + scratch + stacks, by the plan.
  uint64_t planned_bytes() const { return planned_bytes_; }

 private:
  stoop_status map_arenas(const void* weights, uint64_t weights_bytes, Message& message);
  stoop_status resolve_entries(uint32_t level, Message& message);
  unsigned char* address(const stoop_slice& slice) const {
    return arenas_[slice.arena] + slice.offset;
  }

  Memory* memory_ = nullptr;
  const stoop_program_desc* desc_ = nullptr;
  Array<unsigned char*> arenas_;
  Array<Entry> entries_;
  Array<Launch> launches_;
  Array<void*> buffers_;
  unsigned char* scratch_ = nullptr;
  void* stacks_ = nullptr;
  uint64_t scratch_stride_ = 0, scratch_bytes_ = 0, stacks_bytes_ = 0, planned_bytes_ = 0;
};

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_CORE_PROGRAM_H_

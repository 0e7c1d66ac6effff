// Sequences: feed tokens through the entries of the program, alone or several in a step, and keep their places in the
// KV cache.
// Invariant: a failing call feeds nothing, except that a cancelled one keeps what was fed so far.
#ifndef STOOP_RUNTIME_GENERATE_SESSION_H_
#define STOOP_RUNTIME_GENERATE_SESSION_H_

#include "runtime/core/context.h"

struct stoop_session {
  stoop_context* context;
  int32_t slot;

  // Tokens held and tokens that still fit.
  uint32_t position() const { return context->slots.length(slot); }
  uint32_t room() const { return context->slots.room(slot); }

  // Feeds tokens in chunks: whole buckets of the largest prefill entry, then the smallest entry that
  // holds the rest; a single token goes through the decode entry. The first row of `*last`, unless NULL, has the
  // logits of the last token.
  stoop_status append(const uint32_t* tokens, uint64_t count, const stoop::rt::Entry** last);

  // Feeds tokens; the rows behind the first `skip` are reported with their logits.
  stoop_status score(const uint32_t* tokens, uint64_t count, uint64_t skip, stoop_score_fn on_row,
                     void* user);

 private:
  stoop_status check(const uint32_t* tokens, uint64_t count) const;
  const stoop::rt::Entry* entry_for(uint64_t remaining) const;
  stoop_status step(const stoop::rt::Entry& entry, const uint32_t* tokens, uint32_t count);

  friend stoop_status decode_batch(stoop_session* const* sessions, uint32_t count,
                                   const uint32_t* tokens, const stoop::rt::Entry** last);
};

// Feeds tokens[i] to sessions[i], all in one step of the smallest decode entry with room for `count` rows; row i of
// `*last` has its logits. The sessions take the first rows of the entry and the step's num_rows says
// how many; rows behind them have token 0, position 0 and slot -1: kernels write nothing for them into the cache.
// STOOP_INVALID_ARGUMENT: no session, one twice, one of another context, more than the compiled batch, a wrong id.
// STOOP_CONTEXT_FULL: a session without room. Nothing is fed then.
stoop_status decode_batch(stoop_session* const* sessions, uint32_t count, const uint32_t* tokens,
                          const stoop::rt::Entry** last);

#endif  // STOOP_RUNTIME_GENERATE_SESSION_H_

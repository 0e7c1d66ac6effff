// Chunks a sequence of tokens into steps of the compiled entries.
#include "runtime/generate/session.h"

#include <algorithm>
#include <new>

#include "runtime/device/cpu/cpu_device.h"

using stoop::rt::Entry;
using stoop::rt::fail;
using u64 = unsigned long long;

stoop_status stoop_session::check(const uint32_t* tokens, uint64_t count) const {
  const stoop_model_info& model = context->desc->model;
  for (uint64_t i = 0; i < count; ++i) {
    if (tokens[i] < model.vocab) continue;
    return fail(context->message, STOOP_INVALID_ARGUMENT,
                "token id %u at position %llu is outside the vocabulary of %u", tokens[i],
                static_cast<u64>(i), model.vocab);
  }
  if (count <= room()) return STOOP_OK;
  return fail(context->message, STOOP_CONTEXT_FULL,
              "%llu tokens do not fit into the compiled context of %u (compile with a larger "
              "--max-seq-len)",
              static_cast<u64>(position() + count), model.max_positions);
}

// The entry for the next step of `remaining` tokens of this sequence, logits of the last row wanted.
const Entry* stoop_session::entry_for(uint64_t remaining) const {
  const stoop::rt::Program& program = context->program;
  uint32_t rows = static_cast<uint32_t>(std::min<uint64_t>(remaining, UINT32_MAX));
  const Entry* decode = program.find_entry(STOOP_ENTRY_DECODE, 1);
  const Entry* prefill = program.find_entry(STOOP_ENTRY_PREFILL, rows);
  if (!prefill || (remaining == 1 && decode)) return decode;
  return prefill;
}

// One step of an entry whose inputs are set.
static stoop_status run_step(stoop_context& context, const Entry& entry, uint32_t rows) {
  context.step.num_rows = rows;
  if (context.gpu.is_loaded()) {
    const uint32_t index = static_cast<uint32_t>(entry.desc - context.desc->entries);
    return context.gpu.run(index, rows, context.message);
  }
  run_entry(context.pool, context.program, entry, context.step);
  return STOOP_OK;
}

stoop_status stoop_session::step(const Entry& entry, const uint32_t* tokens, uint32_t count) {
  uint32_t start = position();
  for (uint32_t i = 0; i < entry.rows; ++i) {
    bool valid = i < count;
    entry.tokens[i] = valid ? static_cast<int32_t>(tokens[i]) : 0;
    entry.positions[i] = valid ? static_cast<int32_t>(start + i) : 0;
    entry.slots[i] = valid ? slot : -1;
  }
  STOOP_TRY(run_step(*context, entry, count));
  context->slots.extend(slot, count);
  return STOOP_OK;
}

stoop_status stoop_session::append(const uint32_t* tokens, uint64_t count, const Entry** last) {
  STOOP_TRY(check(tokens, count));
  for (uint64_t done = 0; done < count;) {
    const Entry* entry = entry_for(count - done);
    if (!entry) return fail(context->message, STOOP_BAD_PROGRAM, "the program has no entry to run");
    uint32_t rows = entry->desc->kind == STOOP_ENTRY_DECODE ? 1 : entry->rows;
    rows = static_cast<uint32_t>(std::min<uint64_t>(rows, count - done));
    STOOP_TRY(step(*entry, tokens + done, rows));
    done += rows;
    if (last) *last = entry;
    if (count > 1 && context->progress && context->progress(context->progress_user, "tokens", done, count))
      return fail(context->message, STOOP_CANCELLED, "stopped after %llu of %llu tokens",
                  static_cast<u64>(done), static_cast<u64>(count));
  }
  return STOOP_OK;
}

stoop_status stoop_session::score(const uint32_t* tokens, uint64_t count, uint64_t skip,
                                  stoop_score_fn on_row, void* user) {
  skip = std::min(skip, count);
  STOOP_TRY(check(tokens, count));
  if (skip) STOOP_TRY(append(tokens, skip, nullptr));
  for (uint64_t done = skip; done < count;) {
    uint64_t remaining = count - done;
    uint32_t most = static_cast<uint32_t>(std::min<uint64_t>(remaining, UINT32_MAX));
    const Entry* entry = context->program.find_entry(STOOP_ENTRY_SCORE, most);
    uint32_t rows = entry ? std::min(entry->rows, most) : 1;
    if (!entry) entry = context->program.find_entry(STOOP_ENTRY_DECODE, 1);
    if (!entry) return fail(context->message, STOOP_BAD_PROGRAM, "the program has no entry to run");
    STOOP_TRY(step(*entry, tokens + done, rows));
    for (uint32_t row = 0; row < rows; ++row) {
      const float* logits = entry->logits + uint64_t{row} * context->desc->model.vocab;
      if (on_row(user, done + row, logits))
        return fail(context->message, STOOP_CANCELLED, "stopped after %llu of %llu tokens",
                    static_cast<u64>(done + row), static_cast<u64>(count));
    }
    done += rows;
  }
  return STOOP_OK;
}

namespace {

stoop_status check_batch(stoop_session* const* sessions, uint32_t count, stoop::rt::Message& message) {
  const uint32_t most = sessions[0]->context->desc->model.max_batch;
  if (count > most) {
    return fail(message, STOOP_INVALID_ARGUMENT,
                "%u sequences in one step, but the program was compiled for %u (--max-batch-size)", count, most);
  }
  for (uint32_t i = 1; i < count; ++i) {
    if (sessions[i]->context != sessions[0]->context) {
      return fail(message, STOOP_INVALID_ARGUMENT,
                  "sequence %u of the step belongs to another context than sequence 0", i);
    }
    for (uint32_t j = 0; j < i; ++j) {
      if (sessions[i] != sessions[j]) continue;
      return fail(message, STOOP_INVALID_ARGUMENT,
                  "sequences %u and %u of the step are the same session, which takes one token a step", j, i);
    }
  }
  return STOOP_OK;
}

}  // namespace

stoop_status decode_batch(stoop_session* const* sessions, uint32_t count, const uint32_t* tokens,
                          const Entry** last) {
  stoop_context& context = *sessions[0]->context;
  STOOP_TRY(check_batch(sessions, count, context.message));
  for (uint32_t i = 0; i < count; ++i) STOOP_TRY(sessions[i]->check(&tokens[i], 1));
  if (count == 1) return sessions[0]->append(tokens, 1, last);
  const Entry* entry = context.program.find_entry(STOOP_ENTRY_DECODE, count);
  if (!entry || entry->rows < count) {
    return fail(context.message, STOOP_BAD_PROGRAM, "the program has no entry that decodes %u sequences",
                count);
  }
  for (uint32_t i = 0; i < entry->rows; ++i) {
    const bool valid = i < count;
    entry->tokens[i] = valid ? static_cast<int32_t>(tokens[i]) : 0;
    entry->positions[i] = valid ? static_cast<int32_t>(sessions[i]->position()) : 0;
    entry->slots[i] = valid ? sessions[i]->slot : -1;
  }
  STOOP_TRY(run_step(context, *entry, count));
  for (uint32_t i = 0; i < count; ++i) context.slots.extend(sessions[i]->slot, 1);
  *last = entry;
  return STOOP_OK;
}

extern "C" {

stoop_status stoop_session_create(stoop_context* context, stoop_session** out) {
  *out = nullptr;
  if (!context->level) {
    return fail(context->message, STOOP_INVALID_ARGUMENT,
                "the model was loaded for its text alone (STOOP_LOAD_TEXT_ONLY)");
  }
  int32_t slot = 0;
  STOOP_TRY(context->slots.acquire(&slot, context->message));
  void* address = nullptr;
  stoop_status status =
      context->memory.allocate(sizeof(stoop_session), "a session", &address, context->message);
  if (status != STOOP_OK) {
    context->slots.release(slot);
    return status;
  }
  *out = new (address) stoop_session{context, slot};
  return STOOP_OK;
}

void stoop_session_destroy(stoop_session* session) {
  if (!session) return;
  stoop_context* context = session->context;
  context->slots.release(session->slot);
  context->memory.release(session, sizeof(stoop_session));
}

stoop_status stoop_session_truncate(stoop_session* session, uint64_t position) {
  if (position > session->position()) {
    return fail(session->context->message, STOOP_INVALID_ARGUMENT,
                "cannot go back to token %llu: the session holds %u", static_cast<u64>(position),
                session->position());
  }
  session->context->slots.truncate(session->slot, static_cast<uint32_t>(position));
  return STOOP_OK;
}

uint64_t stoop_session_position(const stoop_session* session) { return session->position(); }

stoop_status stoop_session_append(stoop_session* session, const uint32_t* tokens, uint64_t count,
                                  const float** logits) {
  const Entry* last = nullptr;
  stoop_status status = session->append(tokens, count, &last);
  // A cancelled call gives the logits of what it fed.
  if (logits) *logits = last ? last->logits : nullptr;
  return status;
}

stoop_status stoop_decode_batch(stoop_session* const* sessions, uint32_t count, const uint32_t* tokens,
                                const float** logits) {
  for (uint32_t i = 0; logits && i < count; ++i) logits[i] = nullptr;
  if (count == 0) return STOOP_OK;
  const Entry* last = nullptr;
  STOOP_TRY(decode_batch(sessions, count, tokens, &last));
  const uint32_t vocab = sessions[0]->context->desc->model.vocab;
  for (uint32_t i = 0; logits && i < count; ++i) logits[i] = last->row(i, vocab).logits;
  return STOOP_OK;
}

stoop_status stoop_session_score(stoop_session* session, const uint32_t* tokens, uint64_t count,
                                 uint64_t skip, stoop_score_fn on_row, void* user) {
  return session->score(tokens, count, skip, on_row, user);
}

}  // extern "C"

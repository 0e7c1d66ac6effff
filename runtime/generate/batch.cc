// The two ways of a step: the host samples from logits, or the GPU runs ahead and the host reads its tokens.
#include "runtime/generate/batch.h"

#include <new>

namespace stoop::rt {

Batch::~Batch() {
  Message ignored;
  if (is_ahead_) context_.gpu.finish(ignored);
  while (running_) drop(sequences_[--running_]);
}

stoop_status Batch::create() {
  const uint32_t most = context_.slots.num_slots();
  STOOP_TRY(sequences_.create(context_.memory, most, "the table of generations", context_.message));
  STOOP_TRY(sessions_.create(context_.memory, most, "the table of generations", context_.message));
  return tokens_.create(context_.memory, most, "the table of generations", context_.message);
}

stoop_status Batch::check(const stoop_session& session, const stoop_sampler& sampler) const {
  if (session.context != &context_ || sampler.context != &context_) {
    return fail(context_.message, STOOP_INVALID_ARGUMENT,
                "the %s belongs to another context than the batch",
                session.context != &context_ ? "session" : "sampler");
  }
  for (uint32_t i = 0; i < running_; ++i) {
    const bool same_session = &sequences_[i]->session() == &session;
    if (!same_session && &sequences_[i]->sampler() != &sampler) continue;
    return fail(context_.message, STOOP_INVALID_ARGUMENT,
                "the %s takes part in the batch already, as generation %u of %u",
                same_session ? "session" : "sampler", i, running_);
  }
  return STOOP_OK;
}

// Sessions that differ cannot outnumber the places: both are as many as the compiled batch.
stoop_status Batch::add(stoop_session& session, stoop_sampler& sampler, stoop_generation& request) {
  STOOP_TRY(check(session, sampler));
  STOOP_TRY(settle());
  Sequence* sequence = nullptr;
  STOOP_TRY(create_sequence(session, sampler, request, &sequence));
  stoop_status status = sequence->prepare();
  if (status == STOOP_OK) status = sequence->start();
  if (status == STOOP_OK && !sequence->ended())
    sequences_[running_++] = sequence;
  else
    drop(sequence);
  return status;
}

stoop_status Batch::create_sequence(stoop_session& session, stoop_sampler& sampler,
                                    stoop_generation& request, Sequence** out) {
  void* address = nullptr;
  STOOP_TRY(context_.memory.allocate(sizeof(Sequence), "a generation", &address, context_.message));
  *out = new (address) Sequence(session, sampler, request);
  return STOOP_OK;
}

void Batch::drop(Sequence* sequence) {
  sequence->~Sequence();
  context_.memory.release(sequence, sizeof(Sequence));
}

void Batch::drop_ended() {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < running_; ++i) {
    if (sequences_[i]->ended())
      drop(sequences_[i]);
    else
      sequences_[kept++] = sequences_[i];
  }
  running_ = kept;
}

stoop_status Batch::step() {
  if (running_ == 0) return STOOP_OK;
  return may_run_ahead() ? step_ahead() : step_on_host();
}

stoop_status Batch::step_on_host() {
  for (uint32_t i = 0; i < running_; ++i) {
    sessions_[i] = &sequences_[i]->session();
    tokens_[i] = sequences_[i]->token();
  }
  const Entry* last = nullptr;
  STOOP_TRY(decode_batch(sessions_.data(), running_, tokens_.data(), &last));
  for (uint32_t i = 0; i < running_; ++i)
    sequences_[i]->choose(last->row(i, context_.desc->model.vocab));
  drop_ended();
  return STOOP_OK;
}

// Whether the device may choose tokens itself: nobody looks at logits.
bool Batch::may_run_ahead() const {
  if (!context_.gpu.is_loaded()) return false;
  for (uint32_t i = 0; i < running_; ++i)
    if (!sequences_[i]->request().no_logits) return false;
  const Entry* decode = context_.program.find_entry(STOOP_ENTRY_DECODE, running_);
  return decode && decode->rows >= running_;
}

// Keeps steps queued on the device while tokens are read. When a sequence ends, those behind are read for the
// others, and the next step begins anew without it.
stoop_status Batch::step_ahead() {
  if (!is_ahead_) STOOP_TRY(begin_ahead());
  uint64_t left = UINT64_MAX;
  for (uint32_t i = 0; i < running_; ++i)
    if (sequences_[i]->left() < left) left = sequences_[i]->left();
  while (queued_ - read_ < CudaDevice::kAhead && queued_ - read_ < left) {
    STOOP_TRY(context_.gpu.feed(entry_, context_.message));
    ++queued_;
  }
  STOOP_TRY(read_ahead());
  for (uint32_t i = 0; i < running_; ++i)
    if (sequences_[i]->ended()) return settle();
  return STOOP_OK;
}

stoop_status Batch::begin_ahead() {
  const Entry* decode = context_.program.find_entry(STOOP_ENTRY_DECODE, running_);
  entry_ = static_cast<uint32_t>(decode->desc - context_.desc->entries);
  STOOP_TRY(context_.gpu.begin(context_.message));
  for (uint32_t i = 0; i < running_; ++i) {
    const Sequence& sequence = *sequences_[i];
    const Sampler& sampler = sequence.sampler().sampler;
    stoop_gpu_state state{};
    state.next_token = sequence.token();
    state.position = sequence.session().position();
    state.slot = sequence.session().slot;
    static_assert(sizeof(sampling::Settings) == sizeof state - offsetof(stoop_gpu_state, seed));
    memcpy(&state.seed, &sampler.settings(), sizeof(sampling::Settings));
    STOOP_TRY(context_.gpu.begin_row(i, state, sampler.history(), context_.message));
  }
  queued_ = read_ = 0;
  is_ahead_ = true;
  return context_.gpu.begin_steps(entry_, running_, context_.message);
}

// One step's token of each sequence that has not ended.
stoop_status Batch::read_ahead() {
  STOOP_TRY(context_.gpu.wait(read_, context_.message));
  for (uint32_t i = 0; i < running_; ++i) {
    if (sequences_[i]->ended()) continue;
    context_.slots.extend(sequences_[i]->session().slot, 1);
    sequences_[i]->take_chosen(context_.gpu.token(i, read_));
  }
  ++read_;
  return STOOP_OK;
}

// Reads what is queued; afterwards the device does nothing and sequences may come and go.
stoop_status Batch::settle() {
  while (is_ahead_ && read_ < queued_) STOOP_TRY(read_ahead());
  is_ahead_ = false;
  drop_ended();
  return STOOP_OK;
}

}  // namespace stoop::rt

struct stoop_batch {
  explicit stoop_batch(stoop_context* owner) : context(owner), batch(*owner) {}
  stoop_context* context;
  stoop::rt::Batch batch;
};

extern "C" {

stoop_status stoop_batch_create(stoop_context* context, stoop_batch** out) {
  *out = nullptr;
  void* address = nullptr;
  STOOP_TRY(context->memory.allocate(sizeof(stoop_batch), "a batch", &address, context->message));
  stoop_batch* batch = new (address) stoop_batch(context);
  stoop_status status = batch->batch.create();
  if (status == STOOP_OK)
    *out = batch;
  else
    stoop_batch_destroy(batch);
  return status;
}

void stoop_batch_destroy(stoop_batch* batch) {
  if (!batch) return;
  stoop_context* context = batch->context;
  batch->~stoop_batch();
  context->memory.release(batch, sizeof(stoop_batch));
}

stoop_status stoop_batch_add(stoop_batch* batch, stoop_session* session, stoop_sampler* sampler,
                             stoop_generation* generation) {
  return batch->batch.add(*session, *sampler, *generation);
}

stoop_status stoop_batch_step(stoop_batch* batch, uint32_t* running) {
  const stoop_status status = batch->batch.step();
  if (running) *running = batch->batch.running();
  return status;
}

stoop_status stoop_generate(stoop_session* session, stoop_sampler* sampler,
                            stoop_generation* generation) {
  stoop::rt::Batch batch(*session->context);
  STOOP_TRY(batch.create());
  STOOP_TRY(batch.add(*session, *sampler, *generation));
  while (batch.running()) STOOP_TRY(batch.step());
  return generation->finish == STOOP_FINISH_BAD_NUMERICS ? STOOP_BAD_NUMERICS : STOOP_OK;
}

}  // extern "C"

// Text generation: prompt, then sample and feed in turn until a stop token, a stop string, the limit or
// the end of the context.
// Invariant: the loop allocates nothing; buffers are taken before the first step.
#include <time.h>

#include <new>

#include "runtime/generate/session.h"
#include "runtime/generate/stop_matcher.h"
#include "runtime/sampler/sampler.h"

struct stoop_sampler {
  explicit stoop_sampler(stoop_context* owner) : context(owner) {}
  stoop_context* context;
  stoop::rt::Sampler sampler;
};

namespace stoop::rt {
namespace {

double seconds_now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// One generation in progress.
class Generator {
 public:
  Generator(stoop_session& session, Sampler& sampler, stoop_generation& request)
      : session_(session), context_(*session.context), sampler_(sampler), request_(request) {}

  stoop_status run();

 private:
  stoop_status prepare();
  bool is_eos(uint32_t token) const;
  bool emit(uint32_t token, const float* logits, const char* text, uint64_t bytes);
  bool one_token(uint32_t token, const float* logits);
  bool may_run_ahead() const;
  stoop_status generate_ahead(uint32_t token);
  void flush_text();
  bool stop_with(stoop_finish reason) {
    request_.finish = reason;
    return true;
  }

  stoop_session& session_;
  stoop_context& context_;
  Sampler& sampler_;
  stoop_generation& request_;
  StopMatcher matcher_;
};

stoop_status Generator::prepare() {
  if (request_.prompt_tokens == 0) {
    return fail(context_.message, STOOP_INVALID_ARGUMENT,
                "the prompt is empty: at least one token is needed to start from");
  }
  if (request_.num_stop_strings && !context_.codec) {
    return fail(context_.message, STOOP_NO_TOKENIZER,
                "stop strings need a tokenizer, and this model carries none");
  }
  request_.finish = STOOP_FINISH_LENGTH;
  request_.generated_tokens = 0;
  request_.prefill_seconds = request_.decode_seconds = 0;
  if (!context_.codec) return STOOP_OK;
  context_.codec->stream_reset();
  return matcher_.create(context_.memory, request_.stop_strings, request_.num_stop_strings,
                         context_.codec->longest_piece(), context_.message);
}

bool Generator::is_eos(uint32_t token) const {
  if (request_.ignore_eos) return false;
  const stoop_model_info& model = context_.desc->model;
  const uint32_t* eos = request_.num_eos ? request_.eos : model.eos;
  uint32_t count = request_.num_eos ? request_.num_eos : model.num_eos;
  for (uint32_t i = 0; i < count; ++i)
    if (eos[i] == token) return true;
  return false;
}

// Hands out a token or text; true: stop.
bool Generator::emit(uint32_t token, const float* logits, const char* text, uint64_t bytes) {
  if (!request_.on_token) return false;
  stoop_token_event event{token, static_cast<uint32_t>(request_.generated_tokens), logits, text,
                          bytes};
  return request_.on_token(request_.user, &event) != 0 && stop_with(STOOP_FINISH_CANCELLED);
}

// Takes a chosen token: text, stop strings, callback; true: stop.
bool Generator::one_token(uint32_t token, const float* logits) {
  bool eos = is_eos(token), matched = false;
  const char* text = "";
  uint64_t bytes = 0;
  if (context_.codec && !eos) {
    const char* piece = nullptr;
    uint64_t piece_bytes = context_.codec->stream_push(token, &piece);
    matched = matcher_.feed(piece, piece_bytes);
    text = matcher_.released();
    bytes = matcher_.released_bytes();
  }
  bool cancelled = emit(token, logits, text, bytes);
  ++request_.generated_tokens;
  if (cancelled) return true;
  if (eos) return stop_with(STOOP_FINISH_EOS);
  if (matched) {
    request_.stop_index = matcher_.matched();
    return stop_with(STOOP_FINISH_STRING);
  }
  return request_.generated_tokens >= request_.max_tokens || session_.room() == 0;
}

// Whether the device may choose tokens itself: nobody looks at logits.
bool Generator::may_run_ahead() const {
  return context_.gpu.is_loaded() && request_.no_logits &&
         context_.program.find_entry(STOOP_ENTRY_DECODE, 1) != nullptr;
}

// Keeps steps queued on the device while tokens are read; steps behind a reason to stop are dropped. `token`
// was chosen and is not fed yet.
stoop_status Generator::generate_ahead(uint32_t token) {
  CudaDevice& gpu = context_.gpu;
  const Entry* decode = context_.program.find_entry(STOOP_ENTRY_DECODE, 1);
  const uint32_t entry = static_cast<uint32_t>(decode->desc - context_.desc->entries);
  const uint32_t room = session_.room();
  stoop_gpu_state state{};
  state.next_token = token;
  state.position = session_.position();
  state.slot = static_cast<uint32_t>(session_.slot);
  const sampling::Settings& settings = sampler_.settings();
  static_assert(sizeof settings == sizeof state - offsetof(stoop_gpu_state, seed));
  memcpy(&state.seed, &settings, sizeof settings);
  STOOP_TRY(gpu.begin(state, sampler_.history(), context_.message));
  for (uint32_t queued = 0, read = 0;;) {
    while (queued < room && queued - read < CudaDevice::kAhead &&
           request_.generated_tokens + (queued - read) < request_.max_tokens) {
      STOOP_TRY(gpu.feed(entry, context_.message));
      ++queued;
    }
    STOOP_TRY(gpu.token(read++, &token, context_.message));
    context_.slots.extend(session_.slot, 1);
    if (token == UINT32_MAX) {
      return fail(context_.message, STOOP_BAD_NUMERICS, "none of %u logits is a number",
                  context_.desc->model.num_token_ids);
    }
    sampler_.note(token);
    if (one_token(token, nullptr)) return gpu.finish(context_.message);
  }
}

// The text that was held back for a stop string or an unfinished character.
void Generator::flush_text() {
  if (!context_.codec || request_.finish == STOOP_FINISH_STRING) return;
  const char* piece = nullptr;
  uint64_t bytes = context_.codec->stream_finish(&piece);
  stoop_finish finish = static_cast<stoop_finish>(request_.finish);
  if (matcher_.feed(piece, bytes)) {
    request_.stop_index = matcher_.matched();
    finish = STOOP_FINISH_STRING;
  }
  if (matcher_.released_bytes())
    emit(UINT32_MAX, nullptr, matcher_.released(), matcher_.released_bytes());
  if (finish != STOOP_FINISH_STRING) {
    matcher_.finish();
    if (matcher_.released_bytes())
      emit(UINT32_MAX, nullptr, matcher_.released(), matcher_.released_bytes());
  }
  request_.finish = finish;
}

stoop_status Generator::run() {
  STOOP_TRY(prepare());
  if (session_.position() == 0) sampler_.reset();
  const float* logits = nullptr;
  double start = seconds_now();
  STOOP_TRY(session_.append(request_.prompt, request_.prompt_tokens, &logits));
  sampler_.begin(request_.prompt, request_.prompt_tokens);
  STOOP_TRY(stoop_context_verify(&context_));
  double fed = seconds_now();
  request_.prefill_seconds = fed - start;
  if (request_.max_tokens == 0) return STOOP_OK;
  for (;;) {
    uint32_t token = 0;
    STOOP_TRY(sampler_.sample(logits, &token, context_.message));
    if (one_token(token, logits)) break;
    if (may_run_ahead()) {
      STOOP_TRY(generate_ahead(token));
      break;
    }
    STOOP_TRY(session_.append(&token, 1, &logits));
  }
  request_.decode_seconds = seconds_now() - fed;
  flush_text();
  return STOOP_OK;
}

}  // namespace
}  // namespace stoop::rt

extern "C" {

void stoop_sampling_defaults(const stoop_context* context, stoop_sampling* sampling) {
  const stoop_model_info& model = context->desc->model;
  stoop_sampling defaults{};
  defaults.struct_size = sampling->struct_size;
  defaults.temperature = model.temperature;
  defaults.top_k = model.top_k;
  // Zero in the descriptor: generation_config does not say.
  defaults.top_p = model.top_p > 0 ? model.top_p : 1;
  defaults.min_p = model.min_p;
  defaults.repetition_penalty = model.repetition_penalty > 0 ? model.repetition_penalty : 1;
  memcpy(sampling, &defaults,
         sampling->struct_size < sizeof defaults ? sampling->struct_size : sizeof defaults);
}

stoop_status stoop_sampler_create(stoop_context* context, const stoop_sampling* sampling,
                                  stoop_sampler** out) {
  *out = nullptr;
  stoop_sampling settings{};
  settings.struct_size = sizeof settings;
  stoop_sampling_defaults(context, &settings);
  uint32_t given = sampling->struct_size;
  memcpy(&settings, sampling, given < sizeof settings ? given : sizeof settings);
  void* address = nullptr;
  STOOP_TRY(context->memory.allocate(sizeof(stoop_sampler), "a sampler", &address,
                                     context->message));
  stoop_sampler* sampler = new (address) stoop_sampler(context);
  const stoop_model_info& model = context->desc->model;
  stoop_status status = sampler->sampler.create(context->memory, model.vocab, model.num_token_ids,
                                                settings, context->message);
  if (status != STOOP_OK) {
    stoop_sampler_destroy(sampler);
    return status;
  }
  *out = sampler;
  return STOOP_OK;
}

void stoop_sampler_destroy(stoop_sampler* sampler) {
  if (!sampler) return;
  stoop_context* context = sampler->context;
  sampler->~stoop_sampler();
  context->memory.release(sampler, sizeof(stoop_sampler));
}

stoop_status stoop_generate(stoop_session* session, stoop_sampler* sampler,
                            stoop_generation* generation) {
  stoop::rt::Generator generator(*session, sampler->sampler, *generation);
  return generator.run();
}

}  // extern "C"

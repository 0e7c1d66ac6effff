// A prompt, then token by token until a stop token, a stop string, the limit or the end of the context.
#include "runtime/generate/sequence.h"

#include <time.h>

#include <algorithm>

namespace stoop::rt {
namespace {

double seconds_now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

stoop_status Sequence::prepare() {
  if (request_.prompt_tokens == 0) {
    return fail(context_.message, STOOP_INVALID_ARGUMENT,
                "the prompt is empty: at least one token is needed to start from");
  }
  if (request_.num_stop_strings && !context_.codec) {
    return fail(context_.message, STOOP_NO_TOKENIZER,
                "stop strings need a tokenizer, and this model carries none");
  }
  request_.finish = STOOP_FINISH_NONE;
  request_.generated_tokens = 0;
  request_.prefill_seconds = request_.decode_seconds = 0;
  if (!context_.codec) return STOOP_OK;
  STOOP_TRY(context_.codec->open_stream(&stream_, context_.message));
  return matcher_.create(context_.memory, request_.stop_strings, request_.num_stop_strings,
                         context_.codec->longest_piece(), context_.message);
}

stoop_status Sequence::start() {
  Sampler& sampler = sampler_.sampler;
  if (session_.position() == 0) sampler.reset();
  const Entry* last = nullptr;
  const double begun = seconds_now();
  STOOP_TRY(session_.append(request_.prompt, request_.prompt_tokens, &last));
  sampler.begin(request_.prompt, request_.prompt_tokens);
  STOOP_TRY(stoop_context_verify(&context_));
  fed_ = seconds_now();
  request_.prefill_seconds = fed_ - begun;
  if (request_.max_tokens != 0)
    choose(last->row(0, context_.desc->model.vocab));
  else
    ended_ = stop_with(STOOP_FINISH_LENGTH);
  return STOOP_OK;
}

void Sequence::choose(LogitRow row) {
  uint32_t token = 0;
  if (sampler_.sampler.sample(row.logits, row.maxima, &token, context_.message) != STOOP_OK)
    return end_without_number();
  take(token, row.logits);
}

void Sequence::take_chosen(uint32_t token) {
  if (token == UINT32_MAX) return end_without_number();
  sampler_.sampler.note(token);
  take(token, nullptr);
}

uint64_t Sequence::left() const {
  return std::min<uint64_t>(request_.max_tokens - request_.generated_tokens, session_.room());
}

void Sequence::take(uint32_t token, const float* logits) {
  token_ = token;
  if (meets_end(token, logits)) end();
}

void Sequence::end() {
  request_.decode_seconds = seconds_now() - fed_;
  flush_text();
  ended_ = true;
}

void Sequence::end_without_number() {
  end();
  request_.finish = STOOP_FINISH_BAD_NUMERICS;
  fail(context_.message, STOOP_BAD_NUMERICS, "none of the %u logits behind token %u is a number",
       context_.desc->model.num_token_ids, session_.position());
}

// Text, stop strings, callback; true: stop.
bool Sequence::meets_end(uint32_t token, const float* logits) {
  bool eos = is_eos(token), matched = false;
  const char* text = "";
  uint64_t bytes = 0;
  if (stream_ && !eos) {
    const char* piece = nullptr;
    uint64_t piece_bytes = stream_->push(token, &piece);
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
  return left() == 0 && stop_with(STOOP_FINISH_LENGTH);
}

bool Sequence::is_eos(uint32_t token) const {
  if (request_.ignore_eos) return false;
  const stoop_model_info& model = context_.desc->model;
  const uint32_t* eos = request_.num_eos ? request_.eos : model.eos;
  uint32_t count = request_.num_eos ? request_.num_eos : model.num_eos;
  for (uint32_t i = 0; i < count; ++i)
    if (eos[i] == token) return true;
  return false;
}

// Hands out a token or text; true: stop.
bool Sequence::emit(uint32_t token, const float* logits, const char* text, uint64_t bytes) {
  if (!request_.on_token) return false;
  stoop_token_event event{token, static_cast<uint32_t>(request_.generated_tokens), logits, text,
                          bytes};
  return request_.on_token(request_.user, &event) != 0 && stop_with(STOOP_FINISH_CANCELLED);
}

// The text that was held back for a stop string or an unfinished character.
void Sequence::flush_text() {
  if (!stream_ || request_.finish == STOOP_FINISH_STRING) return;
  const char* piece = nullptr;
  uint64_t bytes = stream_->finish(&piece);
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

}  // namespace stoop::rt

// One generation in progress: its session, its sampler, the text that its tokens make and the reasons to stop.
// Invariant: all memory is taken in prepare(); a token allocates nothing.
#ifndef STOOP_RUNTIME_GENERATE_SEQUENCE_H_
#define STOOP_RUNTIME_GENERATE_SEQUENCE_H_

#include "runtime/generate/session.h"
#include "runtime/generate/stop_matcher.h"
#include "runtime/sampler/sampler.h"

struct stoop_sampler {
  explicit stoop_sampler(stoop_context* owner) : context(owner) {}
  stoop_context* context;
  stoop::rt::Sampler sampler;
};

namespace stoop::rt {

class Sequence {
 public:
  Sequence(stoop_session& session, stoop_sampler& sampler, stoop_generation& request)
      : session_(session), context_(*session.context), sampler_(sampler), request_(request) {}
  ~Sequence() { delete stream_; }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  // Checks the request and takes the buffers; feeds nothing.
  stoop_status prepare();
  // Feeds the prompt and takes the first token.
  stoop_status start();
  // Chooses the next token from a row of logits and takes it. If none is a number, the sequence ends.
  void choose(LogitRow row);
  // Takes a token that the device chose in the sampler's place; UINT32_MAX: no logit was a number.
  void take_chosen(uint32_t token);

  // Whether a reason to stop was met; the results are set then.
  bool ended() const { return ended_; }
  // The last token, which is not fed yet.
  uint32_t token() const { return token_; }
  // How many more tokens may come.
  uint64_t left() const;

  stoop_session& session() const { return session_; }
  stoop_sampler& sampler() const { return sampler_; }
  const stoop_generation& request() const { return request_; }

 private:
  void take(uint32_t token, const float* logits);
  void end();
  void end_without_number();
  bool meets_end(uint32_t token, const float* logits);
  bool is_eos(uint32_t token) const;
  bool emit(uint32_t token, const float* logits, const char* text, uint64_t bytes);
  void flush_text();
  bool stop_with(stoop_finish reason) {
    request_.finish = reason;
    return true;
  }

  stoop_session& session_;
  stoop_context& context_;
  stoop_sampler& sampler_;
  stoop_generation& request_;
  TextStream* stream_ = nullptr;  // NULL: no tokenizer
  StopMatcher matcher_;
  double fed_ = 0;  // when the prompt was
  uint32_t token_ = 0;
  bool ended_ = false;
};

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_GENERATE_SEQUENCE_H_

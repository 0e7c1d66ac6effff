// One prompt of `run`, the request made of it and what became of it.
// Invariant: a completion stays where it is once its request was made: the request points into it.
#ifndef STOOP_RUNTIME_APP_COMPLETION_H_
#define STOOP_RUNTIME_APP_COMPLETION_H_

#include <exception>
#include <functional>
#include <nlohmann/json.hpp>

#include "runtime/app/prompts.h"

namespace stoop::app {

using Json = nlohmann::ordered_json;

// "tokens a second", 0 when nothing was measured.
inline double rate(uint64_t tokens, double seconds) {
  return tokens && seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
}

class Completion {
 public:
  // What else happens to a token or a piece of text: it is printed, its logits are kept.
  using Watcher = std::function<void(Completion&, const stoop_token_event&)>;

  // `stops` outlives the completion.
  Completion(const Model& model, const Options& options, Prompt prompt, const std::vector<const char*>& stops,
             Watcher watcher);
  Completion(const Completion&) = delete;

  const Prompt& prompt() const { return prompt_; }
  const std::vector<uint32_t>& ids() const { return ids_; }
  const std::string& text() const { return text_; }
  const stoop_generation& result() const { return generation_; }
  stoop_generation* request() { return &generation_; }
  // The model's settings, changed by the options' and the prompt's.
  stoop_sampling sampling();
  bool ended() const { return generation_.finish != STOOP_FINISH_NONE; }
  // What went wrong with this prompt alone; "": nothing.
  std::string error() const;
  // Tokens after the first one, which prefill gives.
  uint64_t steps() const { return ids_.empty() ? 0 : ids_.size() - 1; }

  // Throws what a callback threw.
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }
  // What `run --json` says of this prompt, without what concerns the whole program.
  Json document() const;

  // For the watcher: rows [vocab] that wait for their turn in the file of logits.
  std::vector<float> logits;

 private:
  static int on_token(void* self, const stoop_token_event* event);
  void take(const stoop_token_event& event);
  Json best_tokens(const float* logits) const;

  const Model& model_;
  const Options& options_;
  Prompt prompt_;
  Watcher watcher_;
  stoop_generation generation_{};
  uint64_t seed_ = 0;
  std::vector<uint32_t> ids_;
  std::string text_;
  Json logprobs_ = Json::array();
  std::exception_ptr error_;
};

}  // namespace stoop::app

#endif  // STOOP_RUNTIME_APP_COMPLETION_H_

// Chooses the next token: repetition, presence and frequency penalties, then temperature, top-k, top-p,
// min-p, softmax and one multinomial draw, in Hugging Face's order.
// Invariant: all memory is taken in create(); sampling allocates nothing and leaves the logits alone.
#ifndef STOOP_RUNTIME_SAMPLER_SAMPLER_H_
#define STOOP_RUNTIME_SAMPLER_SAMPLER_H_

#include "runtime/core/memory.h"

namespace stoop::rt {

class Sampler {
 public:
  Sampler() = default;

  // `vocab`: columns of the logits; ids from `num_token_ids` on are padding and never chosen.
  // STOOP_INVALID_ARGUMENT names a setting out of its range.
  stoop_status create(Memory& memory, uint32_t vocab, uint32_t num_token_ids,
                      const stoop_sampling& settings, Message& message);

  // Forgets all tokens and starts the random sequence again.
  void reset();

  // Starts a completion behind `tokens`: they count for the repetition penalty alone, and so do
  // tokens of earlier completions.
  void begin(const uint32_t* tokens, uint64_t count);

  // Whether the largest logit is always chosen, by its value alone.
  bool is_greedy() const { return (settings_.temperature == 0 || settings_.top_k == 1) && !penalties_; }

  // Takes note of a token that was chosen elsewhere.
  void note(uint32_t token) {
    ++generated_[token];
    seen_[token] = 1;
  }

  // Chooses from logits [vocab] and takes note of the choice. STOOP_BAD_NUMERICS: none is a number.
  stoop_status sample(const float* logits, uint32_t* token, Message& message);

 private:
  struct Candidate {
    float logit;
    uint32_t id;
  };
  static bool before(const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  }

  float penalized(float logit, uint32_t id) const;
  bool pick_largest(const float* logits, uint32_t* token) const;
  uint64_t gather(const float* logits);
  void sort_prefix(uint64_t sorted, uint64_t wanted, uint64_t count);
  uint64_t cut_top_p(uint64_t sorted, uint64_t count);
  uint64_t cut_min_p(uint64_t count);
  uint32_t draw(uint64_t count);

  stoop_sampling settings_{};
  uint32_t num_token_ids_ = 0;
  uint64_t draws_ = 0;
  bool penalties_ = false;
  Array<Candidate> candidates_;   // [vocab]
  Array<double> weights_;         // [vocab], exp(logit - largest)
  Array<uint32_t> generated_;     // [vocab], how often each id was generated
  Array<uint8_t> seen_;           // [vocab], 1: in the prompt or generated
};

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_SAMPLER_SAMPLER_H_

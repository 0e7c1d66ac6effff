// Chooses the next token: repetition, presence and frequency penalties, then temperature, top-k, top-p,
// min-p, softmax and one multinomial draw, in Hugging Face's order. The arithmetic is kernels/sampling/choice.h's,
// which GPUs share: what the device chooses for this seed and these logits is chosen here too.
// Invariant: all memory is taken in create(); sampling allocates nothing and leaves the logits alone.
#ifndef STOOP_RUNTIME_SAMPLER_SAMPLER_H_
#define STOOP_RUNTIME_SAMPLER_SAMPLER_H_

#include "kernels/sampling/choice.h"
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

  // Settings and the number of the next draw: what whoever goes on in this sampler's place needs.
  const sampling::Settings& settings() const { return settings_; }
  // [vocab], see choice.h; NULL: no penalty asks for it.
  const uint32_t* history() const { return settings_.has_penalties() ? history_.data() : nullptr; }

  // Takes note of a token that was chosen, with a draw if the settings ask for one.
  void note(uint32_t token) {
    history_[token] = sampling::noted(history_[token]);
    settings_.draws += !settings_.takes_largest();
  }

  // Chooses from logits [vocab] and takes note of the choice. `maxima`, unless NULL, are the largest of each block of
  // STOOP_LOGIT_BLOCK logits, NaN where one is: the largest logits are then sought in the blocks that may hold them.
  // STOOP_BAD_NUMERICS: none is a number.
  stoop_status sample(const float* logits, const float* maxima, uint32_t* token, Message& message);

 private:
  struct Candidate {
    float logit;  // behind penalties and temperature
    uint32_t id;
    uint64_t weight;
  };
  static bool before(const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  }

  float logit_of(const float* logits, uint32_t id) const;
  uint32_t ids_covered_by(const float* maxima) const;
  bool pick_largest(const float* logits, const float* maxima, uint32_t* token) const;
  bool pick_random(const float* logits, const float* maxima, uint32_t* token);
  uint64_t gather(const float* logits, const float* maxima);
  float least_of_top_k(const float* maxima, uint32_t covered);
  void sort_prefix(uint64_t sorted, uint64_t wanted, uint64_t count);
  uint64_t cut_top_p(uint64_t sorted, uint64_t count);
  uint64_t cut_min_p(uint64_t count);
  uint32_t draw(uint64_t count) const;

  sampling::Settings settings_{};
  uint32_t num_token_ids_ = 0;
  Array<Candidate> candidates_;  // [vocab]
  Array<uint32_t> history_;      // [vocab], see choice.h
};

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_SAMPLER_SAMPLER_H_

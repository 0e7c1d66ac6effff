// The sampler. Top-k and top-p sort no more of the vocabulary than they need.
#include "runtime/sampler/sampler.h"

#include <algorithm>

#include "runtime/core/math.h"
#include "runtime/sampler/philox.h"

namespace stoop::rt {
namespace {

stoop_status check_range(const char* name, float value, float least, float most, Message& message) {
  if (value >= least && value <= most) return STOOP_OK;
  return fail(message, STOOP_INVALID_ARGUMENT, "%s is %g, but must lie in %g .. %g", name,
              static_cast<double>(value), static_cast<double>(least), static_cast<double>(most));
}

constexpr float kHuge = 1e6f;

}  // namespace

stoop_status Sampler::create(Memory& memory, uint32_t vocab, uint32_t num_token_ids,
                             const stoop_sampling& settings, Message& message) {
  STOOP_TRY(check_range("temperature", settings.temperature, 0, kHuge, message));
  STOOP_TRY(check_range("top-p", settings.top_p, 0, 1, message));
  STOOP_TRY(check_range("min-p", settings.min_p, 0, 1, message));
  STOOP_TRY(check_range("repeat-penalty", settings.repetition_penalty, 1e-6f, kHuge, message));
  STOOP_TRY(check_range("presence-penalty", settings.presence_penalty, -kHuge, kHuge, message));
  STOOP_TRY(check_range("frequency-penalty", settings.frequency_penalty, -kHuge, kHuge, message));
  settings_ = settings;
  num_token_ids_ = num_token_ids;
  penalties_ = settings.repetition_penalty != 1 || settings.presence_penalty != 0 ||
               settings.frequency_penalty != 0;
  STOOP_TRY(candidates_.create(memory, vocab, "the sampler's candidates", message));
  STOOP_TRY(weights_.create(memory, vocab, "the sampler's weights", message));
  STOOP_TRY(generated_.create(memory, vocab, "the sampler's counts", message));
  return seen_.create(memory, vocab, "the sampler's history", message);
}

void Sampler::reset() {
  draws_ = 0;
  memset(generated_.data(), 0, generated_.size() * sizeof(uint32_t));
  memset(seen_.data(), 0, seen_.size());
}

void Sampler::begin(const uint32_t* tokens, uint64_t count) {
  memset(generated_.data(), 0, generated_.size() * sizeof(uint32_t));
  for (uint64_t i = 0; i < count; ++i)
    if (tokens[i] < seen_.size()) seen_[tokens[i]] = 1;
}

stoop_status Sampler::sample(const float* logits, uint32_t* token, Message& message) {
  if (settings_.temperature == 0 || settings_.top_k == 1) {
    if (!pick_largest(logits, token))
      return fail(message, STOOP_BAD_NUMERICS, "none of %u logits is a number", num_token_ids_);
  } else {
    uint64_t count = gather(logits);
    if (count == 0)
      return fail(message, STOOP_BAD_NUMERICS, "none of %u logits is a number", num_token_ids_);
    uint64_t sorted = 0;
    if (settings_.top_k != 0 && settings_.top_k < count) {
      sort_prefix(0, settings_.top_k, count);
      count = sorted = settings_.top_k;
    }
    float largest = candidates_[0].logit;
    for (uint64_t i = 1; i < count; ++i) largest = std::max(largest, candidates_[i].logit);
    if (settings_.top_p < 1) {
      sort_prefix(sorted, std::min<uint64_t>(count, 64), count);
      sorted = std::max<uint64_t>(sorted, std::min<uint64_t>(count, 64));
    }
    for (uint64_t i = 0; i < count; ++i)
      weights_[i] = exp(static_cast<double>(candidates_[i].logit) - largest);
    if (settings_.top_p < 1) count = cut_top_p(sorted, count);
    if (settings_.min_p > 0) count = cut_min_p(count);
    *token = draw(count);
  }
  note(*token);
  return STOOP_OK;
}

float Sampler::penalized(float logit, uint32_t id) const {
  if (seen_[id] && settings_.repetition_penalty != 1) {
    logit = logit < 0 ? logit * settings_.repetition_penalty : logit / settings_.repetition_penalty;
  }
  if (generated_[id] != 0) {
    logit -= settings_.presence_penalty;
    logit -= settings_.frequency_penalty * static_cast<float>(generated_[id]);
  }
  return logit;
}

bool Sampler::pick_largest(const float* logits, uint32_t* token) const {
  bool found = false;
  float best = 0;
  for (uint32_t id = 0; id < num_token_ids_; ++id) {
    float logit = penalties_ ? penalized(logits[id], id) : logits[id];
    if (logit != logit || (found && logit <= best)) continue;
    found = true;
    best = logit;
    *token = id;
  }
  return found;
}

uint64_t Sampler::gather(const float* logits) {
  uint64_t count = 0;
  for (uint32_t id = 0; id < num_token_ids_; ++id) {
    float logit = (penalties_ ? penalized(logits[id], id) : logits[id]) / settings_.temperature;
    // Not a number or impossible; an overflow stays the largest number, so that differences exist.
    if (!(logit > -__builtin_huge_valf())) continue;
    candidates_[count++] = Candidate{std::min(logit, __FLT_MAX__), id};
  }
  return count;
}

// Makes the first `wanted` of `count` candidates the largest ones in order; `sorted` of them are.
void Sampler::sort_prefix(uint64_t sorted, uint64_t wanted, uint64_t count) {
  if (wanted <= sorted) return;
  Candidate* first = candidates_.data() + sorted;
  Candidate* middle = candidates_.data() + wanted;
  Candidate* last = candidates_.data() + count;
  if (middle < last) std::nth_element(first, middle, last, before);
  std::sort(first, middle, before);
}

// Length of the shortest prefix, in order, with at least top_p of the mass. `sorted` candidates are in
// order already; weights_ belong to all of them and are kept in step.
uint64_t Sampler::cut_top_p(uint64_t sorted, uint64_t count) {
  double total = 0, sum = 0;
  for (uint64_t i = 0; i < count; ++i) total += weights_[i];
  double wanted = settings_.top_p * total;
  float largest = candidates_[0].logit;
  for (uint64_t i = 0; i < count; ++i) {
    if (i == sorted) {
      uint64_t more = std::min(count, sorted * 4);
      sort_prefix(sorted, more, count);
      for (uint64_t j = sorted; j < more; ++j)
        weights_[j] = exp(static_cast<double>(candidates_[j].logit) - largest);
      sorted = more;
    }
    sum += weights_[i];
    if (sum >= wanted) return i + 1;
  }
  return count;
}

uint64_t Sampler::cut_min_p(uint64_t count) {
  uint64_t kept = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if (weights_[i] < settings_.min_p) continue;  // the largest weight is 1
    candidates_[kept] = candidates_[i];
    weights_[kept++] = weights_[i];
  }
  return kept;
}

uint32_t Sampler::draw(uint64_t count) {
  double total = 0;
  for (uint64_t i = 0; i < count; ++i) total += weights_[i];
  double target = philox_uniform(settings_.seed, draws_++) * total;
  double sum = 0;
  for (uint64_t i = 0; i < count; ++i) {
    sum += weights_[i];
    if (target < sum) return candidates_[i].id;
  }
  return candidates_[count - 1].id;
}

}  // namespace stoop::rt

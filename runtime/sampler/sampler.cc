// The sampler. Top-k and top-p sort no more of the vocabulary than they need; blocks whose maxima are too small are not read.
#include "runtime/sampler/sampler.h"

#include <algorithm>
#include <cmath>

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
  settings_ = {settings.seed,
               0,
               settings.temperature,
               settings.top_p,
               settings.min_p,
               settings.repetition_penalty,
               settings.presence_penalty,
               settings.frequency_penalty,
               settings.top_k,
               0};
  num_token_ids_ = num_token_ids;
  STOOP_TRY(candidates_.create(memory, vocab, "the sampler's candidates", message));
  return history_.create(memory, vocab, "the sampler's history", message);
}

void Sampler::reset() {
  settings_.draws = 0;
  memset(history_.data(), 0, history_.size() * sizeof(uint32_t));
}

void Sampler::begin(const uint32_t* tokens, uint64_t count) {
  for (uint64_t id = 0; id < history_.size(); ++id) history_[id] &= sampling::kSeen;
  for (uint64_t i = 0; i < count; ++i)
    if (tokens[i] < history_.size()) history_[tokens[i]] |= sampling::kSeen;
}

stoop_status Sampler::sample(const float* logits, const float* maxima, uint32_t* token, Message& message) {
  const bool found =
      settings_.takes_largest() ? pick_largest(logits, maxima, token) : pick_random(logits, maxima, token);
  if (!found)
    return fail(message, STOOP_BAD_NUMERICS, "none of %u logits is a number", num_token_ids_);
  note(*token);
  return STOOP_OK;
}

float Sampler::logit_of(const float* logits, uint32_t id) const {
  return settings_.has_penalties() ? sampling::penalized(logits[id], history_[id], settings_) : logits[id];
}

// Ids below this one lie in blocks whose maxima speak for them: penalties change logits behind the maxima's back, and
// padding counts in the block that it begins in.
uint32_t Sampler::ids_covered_by(const float* maxima) const {
  return maxima && !settings_.has_penalties() ? num_token_ids_ / STOOP_LOGIT_BLOCK * STOOP_LOGIT_BLOCK : 0;
}

bool Sampler::pick_largest(const float* logits, const float* maxima, uint32_t* token) const {
  const uint32_t covered = ids_covered_by(maxima);
  bool found = false;
  float best = 0;
  for (uint32_t id = 0; id < num_token_ids_; ++id) {
    // Not so if the maximum is no number: then some of the block may still be.
    if (id < covered && id % STOOP_LOGIT_BLOCK == 0 && found && maxima[id / STOOP_LOGIT_BLOCK] <= best) {
      id += STOOP_LOGIT_BLOCK - 1;
      continue;
    }
    float logit = logit_of(logits, id);
    if (logit != logit || (found && logit <= best)) continue;
    found = true;
    best = logit;
    *token = id;
  }
  return found;
}

bool Sampler::pick_random(const float* logits, const float* maxima, uint32_t* token) {
  uint64_t count = gather(logits, maxima), sorted = 0;
  if (count == 0) return false;
  if (settings_.top_k != 0 && settings_.top_k < count) {
    sort_prefix(0, settings_.top_k, count);
    count = sorted = settings_.top_k;
  }
  float largest = candidates_[0].logit;
  for (uint64_t i = 1; i < count; ++i) largest = std::max(largest, candidates_[i].logit);
  for (uint64_t i = 0; i < count; ++i)
    candidates_[i].weight = sampling::weight(candidates_[i].logit, largest);
  const bool is_permuted = sorted != 0 || settings_.top_p < 1;
  if (settings_.top_p < 1) count = cut_top_p(sorted, count);
  if (settings_.min_p > 0) count = cut_min_p(count);
  if (is_permuted) {
    std::sort(candidates_.data(), candidates_.data() + count,
              [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  }
  *token = draw(count);
  return true;
}

// A number that top_k candidates reach, each the maximum of a block; what is less is not among the first top_k.
// -infinity: not known.
float Sampler::least_of_top_k(const float* maxima, uint32_t covered) {
  uint64_t count = 0;
  for (uint32_t block = 0; block < covered / STOOP_LOGIT_BLOCK; ++block) {
    float logit = sampling::scaled(maxima[block], settings_);
    if (sampling::is_candidate(logit)) candidates_[count++] = Candidate{logit, block, 0};
  }
  if (settings_.top_k == 0 || count < settings_.top_k) return -INFINITY;
  Candidate* last = candidates_.data() + settings_.top_k - 1;
  std::nth_element(candidates_.data(), last, candidates_.data() + count, before);
  return last->logit;
}

uint64_t Sampler::gather(const float* logits, const float* maxima) {
  const uint32_t covered = settings_.top_k ? ids_covered_by(maxima) : 0;
  const float least = least_of_top_k(maxima, covered);
  uint64_t count = 0;
  for (uint32_t id = 0; id < num_token_ids_; ++id) {
    if (id < covered && id % STOOP_LOGIT_BLOCK == 0 &&
        sampling::scaled(maxima[id / STOOP_LOGIT_BLOCK], settings_) < least) {
      id += STOOP_LOGIT_BLOCK - 1;
      continue;
    }
    float logit = sampling::scaled(logit_of(logits, id), settings_);
    if (sampling::is_candidate(logit)) candidates_[count++] = Candidate{logit, id, 0};
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
// order already.
uint64_t Sampler::cut_top_p(uint64_t sorted, uint64_t count) {
  uint64_t total = 0, sum = 0;
  for (uint64_t i = 0; i < count; ++i) total += candidates_[i].weight;
  const uint64_t wanted = sampling::top_p_weight(settings_.top_p, total);
  for (uint64_t i = 0; i < count; ++i) {
    if (i == sorted) {
      uint64_t more = std::min(count, std::max<uint64_t>(64, sorted * 4));
      sort_prefix(sorted, more, count);
      sorted = more;
    }
    sum += candidates_[i].weight;
    if (sum >= wanted) return i + 1;
  }
  return count;
}

uint64_t Sampler::cut_min_p(uint64_t count) {
  const uint64_t least = sampling::weight_of_share(settings_.min_p);
  Candidate* first = candidates_.data();
  return static_cast<uint64_t>(
      std::remove_if(first, first + count, [&](const Candidate& c) { return c.weight < least; }) - first);
}

// One of the first `count` candidates, which are in order of ids.
uint32_t Sampler::draw(uint64_t count) const {
  uint64_t total = 0, sum = 0;
  for (uint64_t i = 0; i < count; ++i) total += candidates_[i].weight;
  const uint64_t target = sampling::draw(settings_.seed, settings_.draws, total);
  uint64_t i = 0;
  while ((sum += candidates_[i].weight) <= target) ++i;
  return candidates_[i].id;
}

}  // namespace stoop::rt

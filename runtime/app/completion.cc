// Requests, collected tokens and their JSON.
#include "runtime/app/completion.h"

#include <sys/random.h>

#include <algorithm>

#include "runtime/core/math.h"

namespace stoop::app {
namespace {

uint64_t random_seed() {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed))
    throw Failure(kExitMachine, "no random numbers from the system; give --seed");
  return seed >> 11;  // exact in a JSON number that is read as a double
}

}  // namespace

Completion::Completion(const Model& model, const Options& options, Prompt prompt,
                       const std::vector<const char*>& stops, Watcher watcher)
    : model_(model), options_(options), prompt_(std::move(prompt)), watcher_(std::move(watcher)) {
  uint64_t most = model.program().model.max_positions - prompt_.ids.size() + 1;
  const int64_t predict = prompt_.predict.value_or(options.predict);
  if (predict >= 0) most = std::min(most, static_cast<uint64_t>(predict));
  ids_.reserve(most);
  generation_.struct_size = sizeof generation_;
  generation_.max_tokens = static_cast<uint32_t>(most);
  generation_.prompt = prompt_.ids.data();
  generation_.prompt_tokens = prompt_.ids.size();
  generation_.eos = options.eos_ids.data();
  generation_.num_eos = static_cast<uint32_t>(options.eos_ids.size());
  generation_.ignore_eos = options.ignore_eos;
  generation_.stop_strings = stops.data();
  generation_.num_stop_strings = static_cast<uint32_t>(stops.size());
  generation_.on_token = on_token;
  generation_.no_logits = options.logits_file.empty() && !options.logprobs;
  generation_.user = this;
  generation_.finish = STOOP_FINISH_NONE;
}

stoop_sampling Completion::sampling() {
  stoop_sampling sampling{};
  sampling.struct_size = sizeof sampling;
  stoop_sampling_defaults(model_.context(), &sampling);
  sampling.temperature = options_.temperature.value_or(sampling.temperature);
  sampling.top_k = options_.top_k.value_or(sampling.top_k);
  sampling.top_p = options_.top_p.value_or(sampling.top_p);
  sampling.min_p = options_.min_p.value_or(sampling.min_p);
  sampling.repetition_penalty = options_.repeat_penalty.value_or(sampling.repetition_penalty);
  sampling.presence_penalty = options_.presence_penalty.value_or(0);
  sampling.frequency_penalty = options_.frequency_penalty.value_or(0);
  const std::optional<uint64_t> given = prompt_.seed ? prompt_.seed : options_.seed;
  seed_ = given.value_or(0);
  if (!given && sampling.temperature > 0) seed_ = random_seed();
  sampling.seed = seed_;
  return sampling;
}

// Exceptions must not cross the C interface: they wait in error_ and cancel the generation.
int Completion::on_token(void* self, const stoop_token_event* event) {
  Completion& completion = *static_cast<Completion*>(self);
  try {
    completion.take(*event);
  } catch (...) {
    completion.error_ = std::current_exception();
    return 1;
  }
  return interrupted();
}

void Completion::take(const stoop_token_event& event) {
  if (event.token != UINT32_MAX) {
    ids_.push_back(event.token);
    if (options_.logprobs) {
      double normalizer = rt::log_sum_exp(event.logits, model_.program().model.num_token_ids);
      logprobs_.push_back({{"id", event.token},
                           {"token", model_.detokenize({event.token})},
                           {"logprob", event.logits[event.token] - normalizer},
                           {"top", best_tokens(event.logits)}});
    }
  }
  text_.append(event.text, event.text_bytes);
  watcher_(*this, event);
}

// The best tokens of a step with their log-probabilities before any sampling step.
Json Completion::best_tokens(const float* logits) const {
  const uint32_t known = model_.program().model.num_token_ids, count = std::min(*options_.logprobs, known);
  double normalizer = rt::log_sum_exp(logits, known);
  std::vector<uint32_t> ids(known);
  for (uint32_t id = 0; id < known; ++id) ids[id] = id;
  std::partial_sort(ids.begin(), ids.begin() + count, ids.end(), [&](uint32_t a, uint32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  });
  Json top = Json::array();
  for (uint32_t i = 0; i < count; ++i) {
    top.push_back({{"id", ids[i]},
                   {"token", model_.detokenize({ids[i]})},
                   {"logprob", logits[ids[i]] - normalizer}});
  }
  return top;
}

std::string Completion::error() const {
  if (generation_.finish != STOOP_FINISH_BAD_NUMERICS) return "";
  return "none of the " + std::to_string(model_.program().model.num_token_ids) + " logits behind token " +
         std::to_string(prompt_.ids.size() + ids_.size()) + " is a number";
}

Json Completion::document() const {
  Json stop_reason = nullptr;
  if (generation_.finish == STOOP_FINISH_STRING)
    stop_reason = std::string(generation_.stop_strings[generation_.stop_index]);
  bool stopped = generation_.finish == STOOP_FINISH_EOS || generation_.finish == STOOP_FINISH_STRING;
  Json document = {{"prompt_ids", prompt_.ids},
                   {"ids", ids_},
                   {"text", text_},
                   {"finish_reason", stopped ? "stop" : error().empty() ? "length" : "error"},
                   {"stop_reason", stop_reason},
                   {"seed", seed_},
                   {"timings",
                    {{"prefill_s", generation_.prefill_seconds},
                     {"decode_s", generation_.decode_seconds},
                     {"prefill_tok_s", rate(prompt_.ids.size(), generation_.prefill_seconds)},
                     {"decode_tok_s", rate(steps(), generation_.decode_seconds)}}}};
  if (options_.logprobs) document["logprobs"] = logprobs_;
  if (!error().empty()) document["error"] = error();
  return document;
}

}  // namespace stoop::app

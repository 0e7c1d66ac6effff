// `run`: a completion, streamed as text or reported as one JSON document.
#include <sys/random.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "runtime/app/commands.h"
#include "runtime/app/input.h"
#include "runtime/app/logits_file.h"
#include "runtime/app/model.h"
#include "runtime/core/math.h"

namespace stoop::app {
namespace {

using Json = nlohmann::ordered_json;

Json bytes_to_json(const std::string& text) {
  // Invalid UTF-8 cannot occur in decoded text; a prompt's may, and JSON replaces it when dumped.
  return Json(text);
}

std::string dump(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// The `count` best tokens of a step with their log-probabilities before any sampling step.
Json best_tokens(const Model& model, const float* logits, uint32_t count) {
  const stoop_model_info& facts = model.program().model;
  double normalizer = rt::log_sum_exp(logits, facts.num_token_ids);
  count = std::min(count, facts.num_token_ids);
  std::vector<uint32_t> ids(facts.num_token_ids);
  for (uint32_t id = 0; id < facts.num_token_ids; ++id) ids[id] = id;
  std::partial_sort(ids.begin(), ids.begin() + count, ids.end(), [&](uint32_t a, uint32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  });
  Json top = Json::array();
  for (uint32_t i = 0; i < count; ++i) {
    top.push_back({{"id", ids[i]},
                   {"token", bytes_to_json(model.detokenize({ids[i]}))},
                   {"logprob", logits[ids[i]] - normalizer}});
  }
  return top;
}

uint64_t random_seed() {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed))
    throw Failure(kExitMachine, "no random numbers from the system; give --seed");
  return seed >> 11;  // exact in a JSON number that is read as a double
}

class Run {
 public:
  Run(const stoop_image& image, const Options& options, double start)
      : options_(options), start_(start), model_(image, options, 0) {}

  int execute();

 private:
  std::vector<uint32_t> read_prompt();
  stoop_sampling sampling();
  static int on_token(void* self, const stoop_token_event* event);
  void take(const stoop_token_event& event);
  void print_prompt();
  void print_text(const stoop_token_event& event);
  void report_json(const stoop_generation& result);
  void report_timing(const stoop_generation& result);
  static double rate(uint64_t tokens, double seconds) {
    return tokens && seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  }

  const Options& options_;
  double start_, load_seconds_ = 0;
  Model model_;
  std::string prompt_text_, text_;
  std::vector<uint32_t> prompt_ids_, ids_;
  std::vector<std::string> stop_strings_;
  Json logprobs_ = Json::array();
  std::unique_ptr<LogitsFile> logits_file_;
  std::unique_ptr<Progress> progress_;
  std::exception_ptr error_;
  uint64_t seed_ = 0;
  bool prompt_shown_ = false;
};

std::vector<uint32_t> Run::read_prompt() {
  const stoop_model_info& facts = model_.program().model;
  std::vector<uint32_t> ids;
  if (options_.ids) {
    ids = parse_ids(*options_.ids == "-" ? read_file("-") : *options_.ids);
    prompt_text_ = model_.detokenize(ids);
  } else {
    if (!facts.has_tokenizer) {
      throw Failure(
          kExitBadInput,
          "this model was compiled without a tokenizer: give token ids (--prompt-ids 1,2,3)");
    }
    bool from_file = options_.file || *options_.prompt == "-";
    prompt_text_ = from_file ? read_file(options_.file ? *options_.file : "-") : *options_.prompt;
    if (options_.escape && !from_file) prompt_text_ = expand_escapes(prompt_text_);
    ids = model_.tokenize(prompt_text_);
  }
  if (ids.empty() && facts.bos >= 0) ids.push_back(static_cast<uint32_t>(facts.bos));
  if (ids.empty())
    throw Failure(kExitBadInput, "the prompt is empty and the model has no begin-of-text token");
  return ids;
}

stoop_sampling Run::sampling() {
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
  seed_ = options_.seed.value_or(0);
  if (!options_.seed && sampling.temperature > 0) seed_ = random_seed();
  sampling.seed = seed_;
  return sampling;
}

// Exceptions must not cross the C interface: they wait in error_ and cancel the generation.
int Run::on_token(void* self, const stoop_token_event* event) {
  Run& run = *static_cast<Run*>(self);
  try {
    run.take(*event);
  } catch (...) {
    run.error_ = std::current_exception();
    return 1;
  }
  return interrupted();
}

void Run::take(const stoop_token_event& event) {
  progress_.reset();
  print_prompt();
  if (event.token != UINT32_MAX) {
    ids_.push_back(event.token);
    if (logits_file_) logits_file_->add(event.logits);
    if (options_.logprobs) {
      const stoop_model_info& facts = model_.program().model;
      double normalizer = rt::log_sum_exp(event.logits, facts.num_token_ids);
      logprobs_.push_back({{"id", event.token},
                           {"token", bytes_to_json(model_.detokenize({event.token}))},
                           {"logprob", event.logits[event.token] - normalizer},
                           {"top", best_tokens(model_, event.logits, *options_.logprobs)}});
    }
  }
  if (options_.json)
    text_.append(event.text, event.text_bytes);
  else
    print_text(event);
}

// Not before the first token: until then the prompt may be refused or the file found damaged.
void Run::print_prompt() {
  if (!prompt_shown_) write_out(prompt_text_);
  prompt_shown_ = true;
}

// Without a tokenizer the ids themselves are the result.
void Run::print_text(const stoop_token_event& event) {
  if (model_.program().model.has_tokenizer) return write_out({event.text, event.text_bytes});
  write_out((ids_.size() > 1 ? "," : "") + std::to_string(event.token));
}

void Run::report_json(const stoop_generation& result) {
  Json stop_reason = nullptr;
  if (result.finish == STOOP_FINISH_STRING)
    stop_reason = bytes_to_json(stop_strings_[result.stop_index]);
  bool stopped = result.finish == STOOP_FINISH_EOS || result.finish == STOOP_FINISH_STRING;
  uint64_t steps = ids_.empty() ? 0 : ids_.size() - 1;
  Json document = {{"prompt_ids", prompt_ids_},
                   {"ids", ids_},
                   {"text", bytes_to_json(text_)},
                   {"finish_reason", stopped ? "stop" : "length"},
                   {"stop_reason", stop_reason},
                   {"seed", seed_},
                   {"timings",
                    {{"load_s", load_seconds_},
                     {"prefill_s", result.prefill_seconds},
                     {"decode_s", result.decode_seconds},
                     {"prefill_tok_s", rate(prompt_ids_.size(), result.prefill_seconds)},
                     {"decode_tok_s", rate(steps, result.decode_seconds)}}},
                   {"memory",
                    {{"planned_bytes", model_.info().planned_bytes},
                     {"allocated_bytes", model_.info().allocated_bytes},
                     {"host_bytes", model_.info().host_bytes},
                     {"peak_rss_bytes", peak_rss_bytes()}}}};
  if (options_.logprobs) document["logprobs"] = logprobs_;
  write_out(dump(document));
}

void Run::report_timing(const stoop_generation& result) {
  uint64_t steps = ids_.empty() ? 0 : ids_.size() - 1;
  char line[200];
  snprintf(line, sizeof line,
           "load %.3f s | prompt %zu tokens, %.1f tok/s | generated %zu tokens, %.1f tok/s",
           load_seconds_, prompt_ids_.size(), rate(prompt_ids_.size(), result.prefill_seconds),
           ids_.size(), rate(steps, result.decode_seconds));
  write_error(line);
}

int Run::execute() {
  prompt_ids_ = read_prompt();
  const stoop_model_info& facts = model_.program().model;
  if (prompt_ids_.size() > facts.max_positions) {
    throw Failure(kExitBadInput, "the prompt has " + std::to_string(prompt_ids_.size()) +
                                     " tokens, but the compiled context is " +
                                     std::to_string(facts.max_positions) + " (--max-seq-len)");
  }
  for (uint32_t id : options_.eos_ids) {
    if (id < facts.vocab) continue;
    throw Failure(kExitBadInput, "--eos-id " + std::to_string(id) +
                                     " is outside the vocabulary of " +
                                     std::to_string(facts.vocab));
  }
  Session session = model_.new_session();
  Sampler sampler = model_.new_sampler(sampling());
  for (const std::string& stop : options_.stop)
    stop_strings_.push_back(options_.escape ? expand_escapes(stop) : stop);
  std::vector<const char*> stops;
  for (const std::string& stop : stop_strings_) stops.push_back(stop.c_str());
  uint64_t most = facts.max_positions - prompt_ids_.size() + 1;
  if (options_.predict >= 0) most = std::min(most, static_cast<uint64_t>(options_.predict));
  ids_.reserve(most);
  if (!options_.logits_file.empty())
    logits_file_ = std::make_unique<LogitsFile>(options_.logits_file, facts.vocab);

  stoop_generation generation{};
  generation.struct_size = sizeof generation;
  generation.max_tokens = static_cast<uint32_t>(most);
  generation.prompt = prompt_ids_.data();
  generation.prompt_tokens = prompt_ids_.size();
  generation.eos = options_.eos_ids.data();
  generation.num_eos = static_cast<uint32_t>(options_.eos_ids.size());
  generation.ignore_eos = options_.ignore_eos;
  generation.stop_strings = stops.data();
  generation.num_stop_strings = static_cast<uint32_t>(stops.size());
  generation.on_token = on_token;
  generation.no_logits = !logits_file_ && !options_.logprobs;
  generation.user = this;
  load_seconds_ = seconds_now() - start_;
  prompt_shown_ = options_.json || options_.no_display_prompt;
  progress_ = std::make_unique<Progress>("reading the prompt");
  model_.show_progress(progress_.get());
  stoop_status status = stoop_generate(session.get(), sampler.get(), &generation);
  model_.show_progress(nullptr);
  progress_.reset();
  if (error_) std::rethrow_exception(error_);
  if (status == STOOP_OK) print_prompt();
  if (!options_.json && (!ids_.empty() || status == STOOP_OK)) write_out("\n");
  model_.check(status, kExitBadInput);
  if (generation.finish == STOOP_FINISH_CANCELLED) {
    write_error("interrupted");
    return kExitInterrupted;
  }
  if (logits_file_) logits_file_->finish();
  if (options_.json)
    report_json(generation);
  else
    report_timing(generation);
  return kExitOk;
}

}  // namespace

int run_command(const stoop_image& image, const Options& options, double start) {
  return Run(image, options, start).execute();
}

}  // namespace stoop::app

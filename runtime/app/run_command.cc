// `run`: completions. One prompt is streamed as text or reported as one JSON document; several are served in lockstep,
// as many together as the program was compiled for, the next one joining when one ends, and come out in their order.
// What goes wrong with one of several prompts ends that one; the exit code tells of it when the others have theirs.
#include <deque>

#include "runtime/app/commands.h"
#include "runtime/app/completion.h"
#include "runtime/app/input.h"
#include "runtime/app/logits_file.h"

namespace stoop::app {
namespace {

std::string dump(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

class Run {
 public:
  Run(const stoop_image& image, const Options& options, double start)
      : options_(options), is_several_(options.has_several_prompts()), start_(start), model_(image, options, 0) {}

  int execute();

 private:
  // A sequence of the KV cache and who has it.
  struct Place {
    Session session;
    Sampler sampler;
    Completion* completion = nullptr;
  };

  void check_options() const;
  void make_completions();
  void serve();
  stoop_status join(Batch& batch, Completion& completion);
  void leave(Place& place);
  void on_event(Completion& completion, const stoop_token_event& event);
  void print_ended();
  void print_prompt();
  Json memory() const;
  void report_json();
  void report_timing();
  int report_errors() const;

  const Options& options_;
  const bool is_several_;
  double start_, load_seconds_ = 0, serve_seconds_ = 0;
  Model model_;
  std::vector<std::string> stop_strings_;
  std::vector<const char*> stops_;
  std::deque<Completion> completions_;
  std::vector<Place> places_;
  std::unique_ptr<LogitsFile> logits_file_;
  std::unique_ptr<Progress> progress_;
  size_t ended_ = 0, printed_ = 0;
  uint32_t together_ = 0;  // the most that ran at once
  bool prompt_shown_ = false;
};

void Run::check_options() const {
  const uint32_t vocab = model_.program().model.vocab;
  for (uint32_t id : options_.eos_ids) {
    if (id < vocab) continue;
    throw Failure(kExitBadInput, "--eos-id " + std::to_string(id) +
                                     " is outside the vocabulary of " + std::to_string(vocab));
  }
}

void Run::make_completions() {
  std::vector<Prompt> prompts = read_prompts(options_, model_);
  check_options();
  for (const std::string& stop : options_.stop)
    stop_strings_.push_back(options_.escape ? expand_escapes(stop) : stop);
  for (const std::string& stop : stop_strings_) stops_.push_back(stop.c_str());
  for (Prompt& prompt : prompts) {
    completions_.emplace_back(
        model_, options_, std::move(prompt), stops_,
        [this](Completion& completion, const stoop_token_event& event) { on_event(completion, event); });
  }
}

// What is shown or kept at once: of one prompt everything, of several the logits until their turn.
void Run::on_event(Completion& completion, const stoop_token_event& event) {
  const stoop_model_info& facts = model_.program().model;
  if (is_several_) {
    if (logits_file_ && event.logits)
      completion.logits.insert(completion.logits.end(), event.logits, event.logits + facts.vocab);
    return;
  }
  progress_.reset();
  if (logits_file_ && event.logits) logits_file_->add(event.logits);
  if (options_.json) return;
  print_prompt();
  if (facts.has_tokenizer) return write_out({event.text, event.text_bytes});
  // Without a tokenizer the ids themselves are the result.
  write_out((completion.ids().size() > 1 ? "," : "") + std::to_string(event.token));
}

// Not before the first token: until then the prompt may be refused or the file found damaged.
void Run::print_prompt() {
  if (!prompt_shown_ && !options_.json && !options_.no_display_prompt) write_out(completions_.front().prompt().text);
  prompt_shown_ = true;
}

stoop_status Run::join(Batch& batch, Completion& completion) {
  Place* place = nullptr;
  for (Place& each : places_)
    if (!each.completion) place = &each;
  if (!place) {
    place = &places_.emplace_back();
    place->session = model_.new_session();
  }
  model_.check(stoop_session_truncate(place->session.get(), 0));
  place->sampler = model_.new_sampler(completion.sampling());
  place->completion = &completion;
  return stoop_batch_add(batch.get(), place->session.get(), place->sampler.get(), completion.request());
}

void Run::leave(Place& place) {
  place.completion->rethrow();
  if (place.completion->result().finish == STOOP_FINISH_CANCELLED) throw Failure(kExitInterrupted, "interrupted");
  if (!is_several_ && !place.completion->error().empty()) throw Failure(kExitBadInput, place.completion->error());
  place.completion = nullptr;
  place.sampler.reset();
  ++ended_;
  if (!is_several_) return;
  progress_->update(ended_, completions_.size(), "prompts");
  print_ended();
}

// Of several prompts: those that have ended and whose predecessors have.
void Run::print_ended() {
  for (; printed_ < completions_.size() && completions_[printed_].ended(); ++printed_) {
    Completion& completion = completions_[printed_];
    if (logits_file_) {
      const uint32_t vocab = model_.program().model.vocab;
      for (size_t at = 0; at < completion.logits.size(); at += vocab) logits_file_->add(&completion.logits[at]);
      logits_file_->end_tensor("logits." + std::to_string(printed_));
      std::vector<float>().swap(completion.logits);
    }
    if (options_.json) continue;
    std::string text = printed_ ? "\n" : "";
    if (!options_.no_display_prompt) text += completion.prompt().text;
    text += completion.text();
    for (size_t i = 0; i < completion.ids().size() && !model_.program().model.has_tokenizer; ++i)
      text += (i ? "," : "") + std::to_string(completion.ids()[i]);
    write_out(text + "\n");
  }
}

void Run::serve() {
  const uint32_t most = model_.program().model.max_batch;
  Batch batch = model_.new_batch();
  uint32_t running = 0;
  size_t next = 0;
  auto finish_ended = [&] {
    running = 0;
    for (Place& place : places_) {
      if (place.completion && place.completion->ended()) leave(place);
      running += place.completion != nullptr;
    }
    together_ = std::max(together_, running);
  };
  while (next < completions_.size() || running) {
    stoop_status status = STOOP_OK;
    if (next < completions_.size() && running < most)
      status = join(batch, completions_[next++]);
    else
      status = stoop_batch_step(batch.get(), nullptr);
    model_.check(status, kExitBadInput);
    finish_ended();
  }
}

Json Run::memory() const {
  const stoop_context_info& info = model_.info();
  Json memory = {{"planned_bytes", info.planned_bytes},
                 {"allocated_bytes", info.allocated_bytes},
                 {"host_bytes", info.host_bytes},
                 {"peak_rss_bytes", peak_rss_bytes()}};
  if (model_.program().gpu) {
    memory["driver"] = {{"modules_planned_bytes", info.gpu_modules_planned},
                        {"modules_taken_bytes", info.gpu_modules_taken},
                        {"graphs_planned_bytes", info.gpu_graphs_planned},
                        {"graphs_taken_bytes", info.gpu_graphs_taken}};
  }
  return memory;
}

void Run::report_json() {
  if (!is_several_) {
    Json document = completions_.front().document(), timings = {{"load_s", load_seconds_}};
    timings.update(document["timings"]);
    document["timings"] = timings;
    document["memory"] = memory();
    return write_out(dump(document));
  }
  Json results = Json::array();
  uint64_t generated = 0;
  for (const Completion& completion : completions_) {
    results.push_back(completion.document());
    generated += completion.ids().size();
  }
  write_out(dump({{"results", results},
                  {"batch", together_},
                  {"timings",
                   {{"load_s", load_seconds_},
                    {"serve_s", serve_seconds_},
                    {"generated_tok_s", rate(generated, serve_seconds_)}}},
                  {"memory", memory()}}));
}

void Run::report_timing() {
  char line[200];
  if (!is_several_) {
    const Completion& only = completions_.front();
    snprintf(line, sizeof line,
             "load %.3f s | prompt %zu tokens, %.1f tok/s | generated %zu tokens, %.1f tok/s",
             load_seconds_, only.prompt().ids.size(),
             rate(only.prompt().ids.size(), only.result().prefill_seconds), only.ids().size(),
             rate(only.steps(), only.result().decode_seconds));
    return write_error(line);
  }
  uint64_t read = 0, generated = 0;
  for (const Completion& completion : completions_) {
    read += completion.prompt().ids.size();
    generated += completion.ids().size();
  }
  snprintf(line, sizeof line,
           "load %.3f s | %zu prompts of %llu tokens, up to %u together | generated %llu tokens, %.1f tok/s in all",
           load_seconds_, completions_.size(), static_cast<unsigned long long>(read), together_,
           static_cast<unsigned long long>(generated), rate(generated, serve_seconds_));
  write_error(line);
}

// A line for each prompt that failed; the exit code.
int Run::report_errors() const {
  int code = kExitOk;
  for (size_t i = 0; i < completions_.size(); ++i) {
    if (completions_[i].error().empty()) continue;
    write_error("error: prompt " + std::to_string(i) + ": " + completions_[i].error());
    code = kExitBadInput;
  }
  return code;
}

int Run::execute() {
  make_completions();
  if (!options_.logits_file.empty()) {
    std::vector<std::string> inputs = options_.prompt_files;
    inputs.insert(inputs.end(), {options_.prompts_file, "/proc/self/exe"});
    logits_file_ = std::make_unique<LogitsFile>(options_.logits_file, model_.program().model.vocab,
                                                completions_.size(), inputs);
  }
  const double loaded = seconds_now();
  load_seconds_ = loaded - start_;
  progress_ = std::make_unique<Progress>(is_several_ ? "answering" : "reading the prompt");
  if (!is_several_) model_.show_progress(progress_.get());
  const bool streams = !is_several_ && !options_.json;
  try {
    serve();
  } catch (...) {
    progress_.reset();
    if (streams && !completions_.front().ids().empty()) write_out("\n");
    throw;
  }
  serve_seconds_ = seconds_now() - loaded;
  progress_.reset();
  if (streams) {
    print_prompt();
    write_out("\n");
  }
  if (logits_file_ && !is_several_) logits_file_->end_tensor("logits");
  if (logits_file_) logits_file_->finish();
  options_.json ? report_json() : report_timing();
  return report_errors();
}

}  // namespace

int run_command(const stoop_image& image, const Options& options, double start) {
  return Run(image, options, start).execute();
}

}  // namespace stoop::app

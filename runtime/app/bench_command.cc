// `bench`: prompt (pp) and generation (tg) speed as llama-bench reports it, the latter also of several sequences that
// generate together (tokens of all of them are counted), and how much of the read bandwidth of the memory
// that holds the weights, measured between the repetitions of the same run, that is (of a model that fits the
// cache it can be more than all: the table says so instead). On a CPU, sampling and tokenizing are left out and
// the tokens are pseudo-random, the same in every run; a GPU generates as `run` does, choosing tokens itself.
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/app/commands.h"
#include "runtime/app/model.h"
#include "runtime/app/plan_facts.h"
#include "runtime/app/read_probe.h"
#include "runtime/core/math.h"

namespace stoop::app {
namespace {

using Json = nlohmann::ordered_json;

struct Row {
  uint32_t prompt, generate, depth, batch;  // batch: sequences
  std::vector<double> samples;    // tokens per second
  std::vector<double> bandwidth;  // bytes per second, probed beside each sample
  double bytes_per_token = 0;     // that must be read
  bool cached = false;            // what is read stays in the processor's cache

  std::string name() const {
    std::string text = prompt ? "pp" + std::to_string(prompt) : "tg" + std::to_string(generate);
    return depth ? text + " @ d" + std::to_string(depth) : text;
  }
  double mean() const {
    double sum = 0;
    for (double sample : samples) sum += sample;
    return sum / static_cast<double>(samples.size());
  }
  double stddev() const {
    if (samples.size() < 2) return 0;
    double average = mean(), sum = 0;
    for (double sample : samples) sum += (sample - average) * (sample - average);
    return rt::sqrt(sum / static_cast<double>(samples.size() - 1));
  }
  // The best probe: anything slower was disturbed.
  double roof() const { return *std::max_element(bandwidth.begin(), bandwidth.end()); }
  double percent() const { return 100 * mean() * bytes_per_token / roof(); }
  // For people: a share of what memory delivers says nothing about what does not come from there.
  std::string share() const {
    char text[32];
    snprintf(text, sizeof text, "%.1f", percent());
    return cached ? "in cache" : text;
  }
};

struct Timed {
  uint64_t tokens;
  double seconds;
};

class Bench {
 public:
  Bench(const stoop_image& image, const Options& options)
      : options_(options), model_(image, options, 0) {}

  std::vector<Row> run();
  const Model& model() const { return model_; }

 private:
  std::vector<Row> plan_rows() const;
  uint32_t fit(uint32_t tokens, uint32_t depth) const;
  double bytes_per_token(const Row& row) const;
  void check_batch() const;
  double read_bandwidth();
  bool fits_cache(double bytes) const;
  void await_turn() const;
  void measure(Row& row, Progress& progress, uint64_t& done, uint64_t total);
  Timed time_once(const Row& row);
  void generate(const Row& row);
  Timed generate_ahead(const Row& row);
  uint32_t token_at(uint64_t position) const;
  void feed(stoop_session* session, uint64_t first, uint64_t count) const;

  const Options& options_;
  ReadProbe probe_;  // before the model, which pins this thread
  Model model_;
  std::vector<Session> sessions_;
};

// Sizes that were asked for must fit; default ones are cut to the context.
uint32_t Bench::fit(uint32_t tokens, uint32_t depth) const {
  uint32_t context = model_.program().model.max_positions;
  if (uint64_t{tokens} + depth <= context) return tokens;
  if (options_.bench_sizes_given || depth >= context) {
    throw Failure(kExitUsage, std::to_string(tokens) + " tokens at depth " + std::to_string(depth) +
                                  " do not fit into the compiled context of " +
                                  std::to_string(context) + " (-p, -n, -d)");
  }
  return context - depth;
}

void Bench::check_batch() const {
  const uint32_t most = model_.program().model.max_batch;
  for (uint32_t batch : options_.bench_batch) {
    if (batch >= 1 && batch <= most) continue;
    throw Failure(kExitUsage, std::to_string(batch) + " sequences together (-b), but the program was compiled for 1 to " +
                                  std::to_string(most) + " (--max-batch-size)");
  }
}

std::vector<Row> Bench::plan_rows() const {
  check_batch();
  std::vector<Row> rows;
  for (uint32_t depth : options_.bench_depth) {
    for (uint32_t prompt : options_.bench_prompt)
      if (prompt) rows.push_back({fit(prompt, depth), 0, depth, 1, {}, {}});
    for (uint32_t generate : options_.bench_generate)
      for (uint32_t batch : options_.bench_batch)
        if (generate) rows.push_back({0, fit(generate, depth), depth, batch, {}, {}});
  }
  if (rows.empty()) throw Failure(kExitUsage, "nothing to measure: -p and -n are 0");
  return rows;
}

double Bench::bytes_per_token(const Row& row) const {
  const stoop_program_desc& program = model_.program();
  double kv = kv_bytes_per_token(program);
  if (row.generate) {
    const stoop_entry* decode = find_entry(program, STOOP_ENTRY_DECODE, row.batch);
    if (!decode) decode = find_entry(program, STOOP_ENTRY_PREFILL, 1);
    return static_cast<double>(constant_bytes_read(program, *decode)) / row.batch +
           kv * (row.depth + row.generate / 2.0);
  }
  const stoop_entry* prefill = find_entry(program, STOOP_ENTRY_PREFILL, row.prompt);
  if (!prefill) prefill = find_entry(program, STOOP_ENTRY_DECODE, 1);
  double chunks = (row.prompt + prefill->rows - 1) / prefill->rows;
  return static_cast<double>(constant_bytes_read(program, *prefill)) * chunks / row.prompt;
}

uint32_t Bench::token_at(uint64_t position) const {
  uint64_t mixed = (position + 1) * 0x9E3779B97F4A7C15ull;
  return static_cast<uint32_t>((mixed >> 32) % model_.program().model.num_token_ids);
}

void Bench::feed(stoop_session* session, uint64_t first, uint64_t count) const {
  std::vector<uint32_t> tokens(count);
  for (uint64_t i = 0; i < count; ++i) tokens[i] = token_at(first + i);
  model_.check(stoop_session_append(session, tokens.data(), count, nullptr));
}

// Generates with the first `row.batch` sessions together.
void Bench::generate(const Row& row) {
  std::vector<stoop_session*> sessions;
  for (uint32_t i = 0; i < row.batch; ++i) sessions.push_back(sessions_[i].get());
  std::vector<uint32_t> tokens(row.batch);
  for (uint32_t step = 0; step < row.generate && !interrupted(); ++step) {
    for (uint32_t i = 0; i < row.batch; ++i) tokens[i] = token_at(uint64_t{row.depth} + step + i);
    model_.check(stoop_decode_batch(sessions.data(), row.batch, tokens.data(), nullptr));
  }
}

// Whether `bytes` stay in the last-level cache between two passes; unknown caches hold nothing.
bool Bench::fits_cache(double bytes) const {
  if (model_.program().gpu) return bytes <= static_cast<double>(model_.info().gpu_cache_bytes);
  long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
  if (cache <= 0) cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return cache > 0 && bytes <= static_cast<double>(cache);
}

// Of the memory that holds the weights, in bytes per second.
double Bench::read_bandwidth() {
  if (!model_.program().gpu) return probe_.measure(model_.info().threads);
  uint64_t bytes = 0;
  const double start = seconds_now();
  model_.check(stoop_gpu_read_weights(model_.context(), &bytes));
  return static_cast<double>(bytes) / (seconds_now() - start);
}

// The device chooses tokens while the host reads those before. The first token of each sequence, for which the host
// has to wait, is made before the clock starts.
Timed Bench::generate_ahead(const Row& row) {
  stoop_sampling greedy{};
  greedy.struct_size = sizeof greedy;
  stoop_sampling_defaults(model_.context(), &greedy);
  greedy.temperature = 0;
  greedy.repetition_penalty = 1;
  std::vector<Sampler> samplers;
  std::vector<uint32_t> prompts(row.batch);
  std::vector<stoop_generation> requests(row.batch, stoop_generation{});
  Batch batch = model_.new_batch();
  for (uint32_t i = 0; i < row.batch; ++i) {
    prompts[i] = token_at(uint64_t{row.depth} + i);
    requests[i].struct_size = sizeof requests[i];
    requests[i].max_tokens = row.generate;
    requests[i].prompt = &prompts[i];
    requests[i].prompt_tokens = requests[i].ignore_eos = requests[i].no_logits = 1;
    samplers.push_back(model_.new_sampler(greedy));
    model_.check(stoop_batch_add(batch.get(), sessions_[i].get(), samplers[i].get(), &requests[i]));
  }
  const double start = seconds_now();
  for (uint32_t running = row.batch; running != 0 && !interrupted();)
    model_.check(stoop_batch_step(batch.get(), &running));
  for (const stoop_generation& request : requests)
    if (request.finish == STOOP_FINISH_BAD_NUMERICS) throw Failure(kExitBadInput, "none of a sequence's logits is a number");
  return {uint64_t{row.generate - 1} * row.batch, seconds_now() - start};
}

Timed Bench::time_once(const Row& row) {
  if (model_.program().gpu && row.generate > 1) return generate_ahead(row);
  const double start = seconds_now();
  if (row.prompt) feed(sessions_[0].get(), row.depth, row.prompt);
  generate(row);
  return {row.prompt + uint64_t{row.generate} * row.batch, seconds_now() - start};
}

// Whoever compares programs lets one run at a time: a line on stdin begins a repetition.
void Bench::await_turn() const {
  std::string line;
  if (!options_.paced || std::getline(std::cin, line)) return;
  if (interrupted()) throw Failure(kExitInterrupted, "interrupted");
  throw Failure(kExitUsage, "--paced: stdin ended before the last repetition");
}

void Bench::measure(Row& row, Progress& progress, uint64_t& done, uint64_t total) {
  for (uint32_t i = 0; i < row.batch; ++i) {
    model_.check(stoop_session_truncate(sessions_[i].get(), 0));
    if (row.depth) feed(sessions_[i].get(), 0, row.depth);
  }
  for (uint32_t repetition = 0; repetition < options_.repetitions + 1; ++repetition) {
    await_turn();
    for (uint32_t i = 0; i < row.batch; ++i)
      model_.check(stoop_session_truncate(sessions_[i].get(), row.depth));
    const Timed timed = time_once(row);
    if (interrupted()) throw Failure(kExitInterrupted, "interrupted");
    progress.update(++done, total, "repetitions");
    const double tokens_per_second = static_cast<double>(timed.tokens) / timed.seconds;
    if (repetition != 0) {  // the first one warms caches and page tables
      row.samples.push_back(tokens_per_second);
      row.bandwidth.push_back(read_bandwidth());
    }
    if (options_.paced) write_out(row.name() + " " + std::to_string(tokens_per_second) + "\n");
  }
}

std::vector<Row> Bench::run() {
  std::vector<Row> rows = plan_rows();
  model_.verify();
  for (const Row& row : rows)
    while (sessions_.size() < row.batch) sessions_.push_back(model_.new_session());
  Progress progress("measuring");
  uint64_t done = 0, total = rows.size() * (options_.repetitions + 1);
  for (Row& row : rows) {
    row.bytes_per_token = bytes_per_token(row);
    row.cached = fits_cache(row.bytes_per_token * std::max(row.prompt, row.batch));
    measure(row, progress, done, total);
  }
  return rows;
}

std::string markdown(const std::vector<Row>& rows, const Model& model) {
  char line[256];
  const std::string threads = ", " + std::to_string(model.info().threads) + " thread(s)";
  snprintf(line, sizeof line, "%s, level %s%s\n\n", model.program().model.name, model.info().level,
           model.program().gpu ? "" : threads.c_str());
  std::string out = line;
  out += "| test | batch | t/s | read bandwidth GB/s | % of bandwidth |\n|---|---:|---:|---:|---:|\n";
  for (const Row& row : rows) {
    snprintf(line, sizeof line, "| %s | %u | %.2f ± %.2f | %.1f | %s |\n", row.name().c_str(), row.batch, row.mean(),
             row.stddev(), row.roof() / 1e9, row.share().c_str());
    out += line;
  }
  return out;
}

std::string csv(const std::vector<Row>& rows) {
  std::string out = "test,n_prompt,n_gen,n_depth,mean,stddev,read_bandwidth_gb_s,percent_of_bandwidth,in_cache,batch\n";
  char line[256];
  for (const Row& row : rows) {
    snprintf(line, sizeof line, "%s,%u,%u,%u,%.4f,%.4f,%.3f,%.2f,%d,%u\n", row.name().c_str(), row.prompt,
             row.generate, row.depth, row.mean(), row.stddev(), row.roof() / 1e9, row.percent(), row.cached,
             row.batch);
    out += line;
  }
  return out;
}

std::string json(const std::vector<Row>& rows, const Model& model) {
  Json document = Json::array();
  for (const Row& row : rows) {
    document.push_back({{"test", row.name()},
                        {"n_prompt", row.prompt},
                        {"n_gen", row.generate},
                        {"n_depth", row.depth},
                        {"batch", row.batch},
                        {"samples_tok_s", row.samples},
                        {"mean", row.mean()},
                        {"stddev", row.stddev()},
                        {"read_bandwidth_gb_s", row.roof() / 1e9},
                        {"percent_of_bandwidth", row.percent()},
                        {"in_cache", row.cached},
                        {"threads", model.info().threads},
                        {"level", model.info().level}});
  }
  return document.dump(2) + "\n";
}

}  // namespace

int bench_command(const stoop_image& image, const Options& options) {
  Bench bench(image, options);
  std::vector<Row> rows = bench.run();
  if (options.format == "json")
    write_out(json(rows, bench.model()));
  else
    write_out(options.format == "csv" ? csv(rows) : markdown(rows, bench.model()));
  return kExitOk;
}

}  // namespace stoop::app

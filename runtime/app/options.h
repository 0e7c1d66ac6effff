// The command line of an emitted binary, parsed. cli.md's table "The product" in data.
#ifndef STOOP_RUNTIME_APP_OPTIONS_H_
#define STOOP_RUNTIME_APP_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace stoop::app {

// Exit codes of every command.
enum ExitCode {
  kExitOk = 0,
  kExitBadInput = 1,
  kExitUsage = 2,
  kExitMachine = 3,
  kExitCheckFailed = 4,
  kExitInterrupted = 130
};

enum class Command { kRun, kInfo, kBench, kPerplexity, kTokenize, kDetokenize };

struct Options {
  Command command = Command::kRun;

  // Every command.
  bool json = false;
  bool no_verify = false;

  // Commands that execute the model.
  uint32_t threads = 0;   // 0: one per CPU
  std::string cpu_level;  // "": the best

  // Where text or ids come from: at most one of them is set. "-" is stdin.
  std::optional<std::string> prompt, file, ids;
  bool escape = false;

  // run: where prompts come from, one of these four
  std::vector<std::string> prompts, prompt_files, prompt_ids;
  std::string prompts_file;
  // Whether results are those of several prompts, which have another form.
  bool has_several_prompts() const {
    return !prompts_file.empty() || prompts.size() + prompt_files.size() + prompt_ids.size() > 1;
  }
  int64_t predict = 128;  // -1: until the context is full
  std::optional<uint64_t> seed;
  std::optional<float> temperature, top_p, min_p, repeat_penalty, presence_penalty,
      frequency_penalty;
  std::optional<uint32_t> top_k;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  std::vector<uint32_t> eos_ids;
  bool no_display_prompt = false;
  std::optional<uint32_t> logprobs;
  std::string logits_file;

  // bench
  std::vector<uint32_t> bench_prompt = {512}, bench_generate = {128}, bench_depth = {0},
                        bench_batch = {1};
  bool bench_sizes_given = false;
  uint32_t repetitions = 5;
  bool paced = false;  // a line on stdin begins a repetition
  std::string format = "md";

  // perplexity
  std::optional<uint32_t> window, last;
};

// Parses argv. Returns options, or nothing with `*exit_code` set when the program is done already: help
// and version went to stdout, a usage error to stderr.
std::optional<Options> parse_options(int argc, char** argv, const std::string& model_name,
                                     int* exit_code);

}  // namespace stoop::app

#endif  // STOOP_RUNTIME_APP_OPTIONS_H_

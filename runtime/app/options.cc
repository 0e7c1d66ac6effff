// Declares the commands and flags to CLI11; the only file that includes it.
#include "runtime/app/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <set>

#include "stoop/runtime.h"

namespace stoop::app {
namespace {

void add_common(CLI::App* command, Options& options) {
  command->add_flag("--json", options.json, "print one JSON document");
  command->add_flag("--no-verify", options.no_verify, "do not compare the file with its checksums");
}

void add_execution(CLI::App* command, Options& options) {
  command->add_option("-t,--threads", options.threads, "threads (default: all CPUs)")
      ->check(CLI::Range(1u, 4096u));
  command->add_option("--cpu-level", options.cpu_level,
                      "use the code of this feature level (default: the best; `info` lists them)");
}

// CLI11 alone reads -1 and what is too large as the largest number, and nothing as 0.
CLI::Validator whole_uint64() {
  return CLI::Validator(
      [](const std::string& text) {
        uint64_t value = 0;
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        bool whole = error == std::errc() && end == text.data() + text.size();
        return whole ? "" : "expects a number from 0 to 18446744073709551615, not '" + text + "'";
      },
      "", "uint64");
}

void add_run(CLI::App& app, Options& options) {
  CLI::App* run = app.add_subcommand("run", "stream a completion (the default command)");
  auto several = [&](const char* names, std::vector<std::string>& values, const char* help) {
    return run->add_option(names, values, help)->allow_extra_args(false);
  };
  auto* prompt = several("-p,--prompt", options.prompts, "prompt; - reads it from stdin (repeatable)");
  auto* file = several("-f,--file", options.prompt_files, "read the prompt from a file (repeatable)");
  auto* ids = several("--prompt-ids", options.prompt_ids, "prompt as token ids: 1,2,3 (repeatable)");
  auto* prompts = run->add_option("--prompts", options.prompts_file,
                                  "read prompts from a file of JSON lines, each a text, a list of ids, or an object with "
                                  "prompt or prompt_ids and perhaps seed and predict");
  prompt->excludes(file)->excludes(ids)->excludes(prompts);
  file->excludes(ids)->excludes(prompts);
  ids->excludes(prompts);
  run->add_option("-n,--predict", options.predict,
                  "tokens to generate, -1: until the context is full")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{-1}, int64_t{1} << 32));
  run->add_option("-s,--seed", options.seed, "seed of the sampler (default: random)")
      ->check(whole_uint64());
  run->add_option("--temp,--temperature", options.temperature,
                  "temperature (default: the model's, else 0 = greedy)");
  run->add_option("--top-k", options.top_k, "sample from the k best tokens, 0: all");
  run->add_option("--top-p", options.top_p, "sample from the best tokens that hold this much mass");
  run->add_option("--min-p", options.min_p, "drop tokens below this share of the best one's");
  run->add_option("--repeat-penalty,--repetition-penalty", options.repeat_penalty,
                  "divide logits of present tokens");
  run->add_option("--presence-penalty", options.presence_penalty,
                  "subtract from logits of generated tokens");
  run->add_option("--frequency-penalty", options.frequency_penalty,
                  "subtract per occurrence of generated tokens");
  run->add_option("--stop", options.stop, "stop before this text (repeatable)")
      ->allow_extra_args(false);
  auto* ignore = run->add_flag("--ignore-eos", options.ignore_eos, "go on after end-of-text");
  run->add_option("--eos-id", options.eos_ids, "end-of-text ids instead of the model's: 1,2")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->excludes(ignore);
  run->add_flag("-e,--escape", options.escape, "expand \\n, \\t, \\\\, \\xHH in -p and --stop");
  run->add_flag("--no-display-prompt", options.no_display_prompt, "print the completion alone");
  run->add_option("--logprobs", options.logprobs, "with --json: the K best tokens of each step")
      ->check(CLI::Range(0u, 1000u));
  run->add_option("--logits", options.logits_file,
                  "write the logits of each step to a safetensors file (of prompt n: tensor logits.n)");
  add_execution(run, options);
  add_common(run, options);
}

void add_bench(CLI::App& app, Options& options) {
  CLI::App* bench = app.add_subcommand("bench", "measure speed");
  auto list = [&](const char* names, std::vector<uint32_t>& values, const char* help) {
    bench->add_option(names, values, help)
        ->delimiter(',')
        ->allow_extra_args(false)
        ->capture_default_str();
  };
  list("-p,--n-prompt", options.bench_prompt, "prompt tokens, comma list, 0: none");
  list("-n,--n-gen", options.bench_generate, "tokens to generate, comma list, 0: none");
  list("-d,--n-depth", options.bench_depth, "tokens in the cache before, comma list");
  list("-b,--batch", options.bench_batch, "sequences that generate together, comma list");
  bench->add_option("-r,--repetitions", options.repetitions, "measurements of each row")
      ->capture_default_str()
      ->check(CLI::Range(1u, 1000u));
  bench->add_option("-o,--output", options.format, "md, csv or json")
      ->capture_default_str()
      ->check(CLI::IsMember({"md", "csv", "json"}));
  bench->add_flag("--paced", options.paced,
                  "begin each repetition at a line on stdin, answer with its speed: to let programs take turns");
  add_execution(bench, options);
  add_common(bench, options);
}

void add_perplexity(CLI::App& app, Options& options) {
  CLI::App* command = app.add_subcommand("perplexity", "mean negative log-likelihood of a text");
  auto* file = command->add_option("-f,--file", options.file, "text file; - reads stdin");
  command->add_option("--ids", options.ids, "JSON file with an array of token ids")->excludes(file);
  command
      ->add_option("--window", options.window,
                   "tokens of each independent window (default: the compiled context)")
      ->check(CLI::Range(uint32_t{1}, UINT32_MAX));
  command->add_option("--last", options.last, "score only the last K tokens of each window")
      ->check(CLI::Range(uint32_t{1}, UINT32_MAX));
  add_execution(command, options);
  add_common(command, options);
}

void add_text(CLI::App& app, Options& options) {
  CLI::App* tokenize = app.add_subcommand("tokenize", "text to token ids");
  auto* text = tokenize->add_option("text", options.prompt, "the text; - reads stdin");
  tokenize->add_option("-f,--file", options.file, "read the text from a file")->excludes(text);
  tokenize->add_flag("-e,--escape", options.escape, "expand \\n, \\t, \\\\, \\xHH in the text");
  add_common(tokenize, options);
  CLI::App* detokenize = app.add_subcommand("detokenize", "token ids to text");
  detokenize->add_option("ids", options.ids, "1,2,3; - reads stdin")->required();
  add_common(detokenize, options);
  CLI::App* info = app.add_subcommand("info", "what this program is and needs");
  add_common(info, options);
}

// The long names of all flags, for the exchange of '-' and '_'.
std::set<std::string> long_names(const CLI::App& app) {
  std::set<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    for (const CLI::Option* option : command->get_options())
      for (const std::string& name : option->get_lnames()) names.insert(name);
  return names;
}

// --top_k=3 becomes --top-k=3; a value that merely looks like a flag stays as it is.
std::string normalize_flag(const std::string& argument, const std::set<std::string>& known) {
  if (argument.rfind("--", 0) != 0) return argument;
  size_t end = argument.find('=');
  if (end == std::string::npos) end = argument.size();
  std::string name = argument.substr(2, end - 2);
  for (char& c : name)
    if (c == '_') c = '-';
  return known.count(name) ? "--" + name + argument.substr(end) : argument;
}

// `help CMD` is `CMD --help`; flags alone belong to `run`.
std::vector<std::string> arrange(int argc, char** argv, const std::set<std::string>& known) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) arguments.push_back(normalize_flag(argv[i], known));
  if (arguments.empty()) return {"--help"};
  const std::string first = arguments[0];
  if (first == "help") {
    arguments.erase(arguments.begin());
    arguments.push_back("--help");
  } else if (first.rfind('-', 0) == 0 && first != "--help" && first != "-h" &&
             first != "--version") {
    arguments.insert(arguments.begin(), "run");
  }
  return arguments;
}

// Flags alone, such as --help, are no wrong command.
bool is_command(const CLI::App& app, const std::string& word) {
  auto named = [&](const CLI::App* command) { return command->get_name() == word; };
  return word.rfind('-', 0) == 0 || !app.get_subcommands(named).empty();
}

// The commands that this version of Stoop promises and lacks are refused by name.
std::string no_such_command(const CLI::App& app, const std::string& word) {
  std::string message = "there is no command '" + word + "'";
  for (const char* later : {"chat", "serve", "verify"})
    if (word == later) message = "'" + word + "' is not built yet in Stoop " STOOP_VERSION;
  message += "; commands:";
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    message += " " + command->get_name();
  return message;
}

Command command_of(const std::string& name) {
  if (name == "info") return Command::kInfo;
  if (name == "bench") return Command::kBench;
  if (name == "perplexity") return Command::kPerplexity;
  if (name == "tokenize") return Command::kTokenize;
  if (name == "detokenize") return Command::kDetokenize;
  return Command::kRun;
}

// What CLI11 cannot say; empty: fine.
std::string contradiction(const Options& options) {
  switch (options.command) {
    case Command::kRun:
      if (options.prompts.empty() && options.prompt_files.empty() && options.prompt_ids.empty() &&
          options.prompts_file.empty())
        return "run: one of --prompt, --file, --prompt-ids and --prompts is required";
      if (options.logprobs && !options.json) return "--logprobs needs --json";
      for (const std::string& stop : options.stop)
        if (stop.empty()) return "--stop: an empty text would stop at once";
      return "";
    case Command::kPerplexity:
      if (!options.file && !options.ids) return "perplexity: one of --file and --ids is required";
      return "";
    case Command::kTokenize:
      if (!options.prompt && !options.file) return "tokenize: text or --file is required";
      return "";
    default:
      return "";
  }
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, const std::string& model_name,
                                     int* exit_code) {
  Options options;
  CLI::App app("The model " + model_name +
               " as one program. Exit codes: 0 done, 1 bad input, "
               "2 usage, 3 the machine cannot, 130 interrupted.");
  app.name(argc > 0 ? argv[0] : "model");
  app.set_version_flag("--version", model_name + ", compiled by Stoop " STOOP_VERSION);
  app.require_subcommand(1);
  add_run(app, options);
  add_bench(app, options);
  add_perplexity(app, options);
  add_text(app, options);

  std::vector<std::string> arguments = arrange(argc, argv, long_names(app));
  bool nothing_asked = argc < 2;
  if (!is_command(app, arguments[0])) {
    std::cerr << no_such_command(app, arguments[0]) << "\nRun with --help for more information.\n";
    *exit_code = kExitUsage;
    return std::nullopt;
  }
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  *exit_code = kExitUsage;
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    bool asked = error.get_exit_code() == 0;  // help or version
    app.exit(error, nothing_asked ? std::cerr : std::cout, std::cerr);
    *exit_code = asked && !nothing_asked ? kExitOk : kExitUsage;
    return std::nullopt;
  }
  const CLI::App* chosen = app.get_subcommands().front();
  options.command = command_of(chosen->get_name());
  if (options.command == Command::kBench) {
    options.bench_sizes_given = chosen->count("--n-prompt") + chosen->count("--n-gen") != 0;
    if (options.json && chosen->count("--output") && options.format != "json") {
      std::cerr << "--json and --output " << options.format << " contradict each other\n";
      return std::nullopt;
    }
    if (options.json) options.format = "json";
  }
  std::string problem = contradiction(options);
  if (problem.empty()) return options;
  std::cerr << problem << "\n";
  return std::nullopt;
}

}  // namespace stoop::app

//===- Options.cpp - the command line of stoop ----------------------------===//
//
// Values are checked while parsing, so that a bad one is a usage error before
// any file is touched.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Options.h"

#include "compiler/driver/Phase.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "stoop/abi.h"
#include <CLI/CLI.hpp>
#include <cmath>

namespace stoop::driver {

std::vector<std::string> normalizeArguments(int argc, char **argv) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--") { // what follows is no flag
      words.insert(words.end(), argv + i, argv + argc);
      break;
    }
    if (word.rfind("-march", 0) == 0 && (word.size() == 6 || word[6] == '='))
      word.replace(0, 6, "--target-cpu");
    if (word.rfind("--", 0) == 0) {
      size_t end = std::min(word.find('='), word.size());
      std::replace(word.begin(), word.begin() + static_cast<ptrdiff_t>(end), '_', '-');
    }
    words.push_back(word);
  }
  return words;
}

static void declareUnsupported(CLI::App &app) {
  auto refuse = [&app](std::string name, std::string neutral, std::string instead) {
    auto check = [=](const std::string &value) {
      if (neutral.empty() || value != neutral)
        throw CLI::ValidationError(name, "is not supported by this version: " + instead);
    };
    app.add_option_function<std::string>(name, check)->group("");
  };
#define STOOP_UNSUPPORTED_FLAG(name, neutral, instead) refuse(name, neutral, instead);
#include "compiler/driver/UnsupportedFlags.def"
  auto verify = [](int64_t) {
    throw CLI::ValidationError("--verify-numerics", "is not supported by this version: run "
                                                    "'stoop evaluate' beside the program");
  };
  app.add_flag_function("--verify-numerics", verify)->group("");
}

void declareOutputOptions(CLI::App &app, OutputOptions &options) {
  app.add_flag("--json", options.json, "one JSON document on standard output");
  CLI::Option *quiet = app.add_flag("--quiet", options.quiet, "errors and warnings only");
  app.add_flag("-v,--verbose", options.verbose, "say what happens")->excludes(quiet);
  app.add_option("-j,--jobs", options.jobs, "threads (default: one per processor)")
      ->check(CLI::Range(1u, 1024u));
}

void declareModelOptions(CLI::App &app, ModelOptions &options, bool required) {
  app.add_option("CHECKPOINT", options.checkpoint, "directory in Hugging Face layout")
      ->required(required);
  app.add_option(
         "--dtype", options.dtype,
         "arithmetic inputs and KV cache; auto: the checkpoint's; f32 keeps weights exactly")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "f16"}))
      ->capture_default_str();
  auto setContext = [&options](const std::string &value) {
    int64_t tokens = 0;
    options.fitContext = value == "fit";
    if (!options.fitContext && (llvm::StringRef(value).getAsInteger(10, tokens) || tokens < 1 ||
                                tokens > kMostPositions))
      throw CLI::ValidationError("--max-seq-len", "expects 1 to " + std::to_string(kMostPositions) +
                                                      " tokens or fit, got '" + value + "'");
    options.maxSeqLen =
        options.fitContext ? std::optional<int64_t>() : std::optional<int64_t>(tokens);
  };
  app.add_option_function<std::string>(
      "-c,--max-seq-len,--ctx-size,--max-model-len", setContext,
      "compiled context in tokens, or fit: the most that --memory-budget allows, at most the "
      "config's (default: the config's)");
  app.add_option("--alibi", options.alibi,
                 "ALiBi rounding: as Hugging Face computes it, or float32")
      ->check(CLI::IsMember({"hf", "exact"}))
      ->capture_default_str();
  app.add_flag("--no-tokenizer", options.noTokenizer, "the program takes and gives token ids only");
  app.add_flag("--allow-extra", options.allowExtra, "unknown config keys and tensors are warnings");
  app.add_flag("--force-tie", options.forceTie,
               "use the embedding as head even if another head is stored");
  app.add_option("--eos-id", options.eosIds, "token ids that end a text, instead of the config's")
      ->delimiter(',')
      ->allow_extra_args(false) // else the list would swallow CHECKPOINT
      ->check(CLI::Range(int64_t(0), int64_t(1) << 30));
}

static std::string checkScheme(const std::string &value) {
  if (llvm::is_contained({"none", "int8", "int4", "int4-g32", "int4-g128", "fp8"}, value))
    return "";
  return "there is no scheme '" + value + "'; schemes: none, int8, int4, int4-g32, int4-g128, fp8";
}

/// PATTERN=SCHEME.
static std::string checkOverride(const std::string &value) {
  size_t equals = value.rfind('=');
  if (equals == std::string::npos || equals == 0)
    return "'" + value + "' is not PATTERN=SCHEME";
  // The pattern becomes part of a pass pipeline's options.
  if (value.find_first_of(" ,{}'\"") != std::string::npos)
    return "'" + value + "': names of weights have no spaces, commas, braces or quotes";
  return checkScheme(value.substr(equals + 1));
}

void declareQuantizationOptions(CLI::App &app, QuantizationOptions &options) {
  app.add_option("--quantization", options.scheme,
                 "coded form of weight matrices: none, int8, int4 (int4-g32), int4-g32, int4-g128, "
                 "fp8 (e4m3; --target cuda alone)")
      ->check(CLI::Validator(checkScheme, "", "scheme"))
      ->capture_default_str();
  app.add_option("--quantization-override", options.overrides,
                 "PATTERN=SCHEME for the weights whose names match; repeatable, the last counts")
      ->allow_extra_args(false) // else the list would swallow CHECKPOINT
      ->check(CLI::Validator(checkOverride, "", "override"));
}

static void declareActivations(CLI::App &app, QuantizationOptions &options) {
  auto check = [](const std::string &value) -> std::string {
    return llvm::is_contained({"auto", "f32", "bf16", "f16"}, value)
               ? ""
               : "expects auto, f32, bf16, f16, got '" + value + "'";
  };
  app.add_option("--activation-dtype", options.activationDtype,
                 "what multiplies integer weights: auto (activations rounded to 16-bit integers "
                 "while few rows are multiplied) or the type of --dtype (never rounded; slower)")
      ->check(CLI::Validator(check, "", "type"))
      ->capture_default_str();
}

void declareCalibration(CLI::App &app, QuantizationOptions &options) {
  auto check = [](const std::string &value) -> std::string {
    return value.empty() ? "expects a file of text" : "";
  };
  app.add_option("--calibration", options.calibration,
                 "text like what the program will read: int4 weights are rounded so that layers err "
                 "least on it")
      ->check(CLI::Validator(check, "", "file"));
}

static std::string checkTarget(const std::string &value) {
  if (value == "cpu" || value == "cuda")
    return "";
  if (value == "reference")
    return "there is no program for target reference: 'stoop evaluate' runs the model directly";
  return "unknown target '" + value + "'; supported: cpu, cuda";
}

/// --memory-budget: bytes with a suffix, KiB as 1024 and KB as 1000; none: no budget.
static void declareBudget(CLI::App &app, CompileOptions &options) {
  auto setBudget = [&options](std::string value) {
    options.memoryBudget.reset();
    if (value == "none")
      return;
    std::string given = value;
    // The validator knows whole numbers alone: a fraction is that of its unit in bytes.
    size_t end = std::min(value.find_first_not_of("0123456789."), value.size());
    std::string unit = "1" + value.substr(end);
    double number = 0, bytes = 0;
    uint64_t unitBytes = 0;
    bool isSize = end > 0 && llvm::isDigit(value[0]) && llvm::isDigit(value[end - 1]) &&
                  !llvm::StringRef(value).take_front(end).getAsDouble(number);
    try { // it both returns and throws
      isSize = isSize && CLI::AsSizeValue(/*kb_is_1000=*/true)(unit).empty() &&
               !llvm::StringRef(unit).getAsInteger(10, unitBytes);
    } catch (const CLI::Error &) {
      isSize = false;
    }
    bytes = std::floor(number * double(unitBytes));
    if (!isSize || bytes >= 0x1p63)
      throw CLI::ValidationError("--memory-budget", "expects bytes with a suffix (8GiB, 1.5GiB) or none, "
                                                    "got '" + given + "'");
    options.memoryBudget = static_cast<uint64_t>(bytes);
  };
  app.add_option_function<std::string>(
         "--memory-budget", setBudget,
         "memory for weights, KV cache and all else, e.g. 8GiB; more is refused")
      ->default_str("none");
  const std::string most = std::to_string(STOOP_MOST_THREADS);
  app.add_option("--max-threads", options.maxThreads,
                 "most threads of the program, at most " + most +
                     ", which the budget counts (default: this machine's processors with a "
                     "budget, else " + most + ")")
      ->check(CLI::Range(1u, STOOP_MOST_THREADS));
}

void declareCompileOptions(CLI::App &app, CompileOptions &options) {
  declareBudget(app, options);
  app.add_option("--target", options.target, "what the program runs on: cpu, cuda")
      ->check(CLI::Validator(checkTarget, "", "target"))
      ->capture_default_str();
  app.add_option(
         "--target-cpu", options.targetCpus,
         "CPU level, or a comma list: one code version each, chosen at load ('stoop targets')")
      ->delimiter(',')
      ->allow_extra_args(false) // else the list would swallow CHECKPOINT
      ->capture_default_str();
  app.add_option("--cuda-arch", options.cudaArchitectures,
                 "GPU architecture, or a comma list: one code version each; ptx adds PTX of the oldest, for GPUs that none of the others runs on")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->capture_default_str();
  declareQuantizationOptions(app, options.quantization);
  declareActivations(app, options.quantization);
  app.add_option("--max-batch-size", options.maxBatchSize, "sequences decoded together")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--prefill-buckets", options.prefillBuckets,
                 "comma list of prompt chunk lengths (default: the compiler's choice)")
      ->delimiter(',')
      ->allow_extra_args(false) // else the list would swallow CHECKPOINT
      ->check(CLI::Range(int64_t(1), int64_t(1) << 20));
  app.add_option("--disable-pass", options.disabledPasses, "leave this pass out; repeatable")
      ->allow_extra_args(false);
  app.add_option("--remarks-filter", options.remarksFilter,
                 "print the passes' remarks of these categories: fusion, schedule, memory; a "
                 "regular expression");
  app.add_option("--tuning-db", options.tuningDb,
                 "schedules that 'stoop tune' measured, or none (default: the user's database, if "
                 "there is one)")
      ->check([](const std::string &value) -> std::string {
        return value.empty() ? "expects a file or none" : "";
      });
  app.add_option("--tuning-device", options.tuningDevice,
                 "GPU whose measured schedules --target cuda uses, as the tuning database names it (default: this "
                 "machine's, or the only one that was measured)");
  app.add_option("--dump-phases-to", options.dumpPhasesTo, "folder for the IR after each phase");
  app.add_option("--save-temps", options.saveTemps, "folder for IR and objects");
  declareUnsupported(app);
}

/// The value that an option has: given words joined by commas, else its default.
static std::string optionValue(const CLI::Option &option) {
  if (option.get_expected_max() == 0) // a flag
    return option.count() ? "true" : "false";
  if (option.count())
    return llvm::join(option.results(), ",");
  llvm::StringRef value = option.get_default_str(); // "[a,b]" for lists
  value.consume_front("[");
  value.consume_back("]");
  return value.str();
}

/// Flags that say how to work, not what to make. Their values stay out of the program, so that it
/// is the same wherever and however it was compiled.
static bool shapesProgram(llvm::StringRef name) {
  return !llvm::is_contained<llvm::StringRef>({"CHECKPOINT", "--output", "--weights", "--jobs",
                                               "--verbose", "--quiet", "--json", "--format",
                                               "--dry-run", "--dump-phases-to", "--save-temps",
                                               "--compile-to", "--compile-from",
                                               "--remarks-filter", "--section", "--why"},
                                              name);
}

llvm::json::Object flagLedger(const CLI::App &app) {
  llvm::json::Array used, defaulted, ignored;
  for (const CLI::Option *option : app.get_options()) {
    if (option->get_group().empty() || option->get_name() == "--help")
      continue;
    const std::vector<std::string> &names = option->get_lnames();
    std::string name = names.empty() ? option->get_name() : "--" + names.front();
    if (!shapesProgram(name)) {
      ignored.push_back(
          llvm::json::Object{{"key", name}, {"reason", "has no influence on the program"}});
      continue;
    }
    (option->count() ? used : defaulted)
        .push_back(llvm::json::Object{{"key", name}, {"value", optionValue(*option)}});
  }
  return llvm::json::Object{{"used", std::move(used)},
                            {"defaulted", std::move(defaulted)},
                            {"ignored_by_spec", std::move(ignored)}};
}

} // namespace stoop::driver

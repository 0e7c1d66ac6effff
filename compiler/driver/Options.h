//===- Options.h - the command line of stoop --------------------*- C++ -*-===//
//
// Flags that several commands share, declared once. Flag names are those of the
// command-line contract; a flag that later work brings is refused by name
// (UnsupportedFlags.def), never ignored.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_DRIVER_OPTIONS_H
#define STOOP_COMPILER_DRIVER_OPTIONS_H

#include "llvm/Support/JSON.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace stoop::driver {

/// Exit codes of all of Stoop's programs.
enum ExitCode : int {
  ExitOk = 0,
  ExitBadInput = 1, ///< file, config, checkpoint or prompt
  ExitUsage = 2,    ///< unknown, contradictory or unsupported flags
  ExitMachine = 3,  ///< this machine cannot do it
  ExitInterrupted = 130
};

/// Most tokens of a compiled context: what the importer takes.
inline constexpr int64_t kMostPositions = int64_t(1) << 24;

/// What every command takes.
struct OutputOptions {
  bool json = false, quiet = false, verbose = false;
  unsigned jobs = 0; ///< threads; 0: one per processor
};

/// How a checkpoint is read; shared by all commands that take one.
struct ModelOptions {
  std::string checkpoint;
  std::string dtype = "auto"; ///< auto, f32, bf16, f16
  std::string alibi = "hf";   ///< hf, exact
  std::optional<int64_t> maxSeqLen;
  bool fitContext = false;  ///< --max-seq-len fit: as many as the memory budget allows
  bool configAlone = false; ///< set by commands that need no weights: config.json will do
  bool noTokenizer = false, allowExtra = false, forceTie = false;
  std::vector<int64_t> eosIds;
};

/// How weights are stored.
struct QuantizationOptions {
  std::string scheme = "none"; ///< none, int8, int4, int4-g32, int4-g128
  std::vector<std::string> overrides; ///< PATTERN=SCHEME
  std::string calibration; ///< text to round int4 weights by; empty: none
  std::string activationDtype = "auto"; ///< beside integer weights: auto (integers), f32, bf16, f16
};

/// How it is compiled.
struct CompileOptions {
  std::string target = "cpu";
  QuantizationOptions quantization;
  std::vector<std::string> targetCpus = {"host"};
  std::vector<std::string> cudaArchitectures = {"sm_80", "sm_90a"};
  int64_t maxBatchSize = 1;
  std::vector<int64_t> prefillBuckets; ///< empty: the compiler's choice
  std::vector<std::string> disabledPasses;
  std::string tuningDb; ///< file of measured schedules; empty: the user's; none: none
  std::string tuningDevice; ///< GPU whose measurements count; empty: this machine's, or the file's only one
  std::string dumpPhasesTo, saveTemps;
  std::string remarksFilter; ///< regular expression on categories; empty: no remarks
  std::optional<uint64_t> memoryBudget; ///< bytes
  unsigned maxThreads = 0;              ///< of the program; 0: no limit of its own
};

void declareOutputOptions(CLI::App &app, OutputOptions &options);
/// Declares the positional CHECKPOINT as `required`, and the flags of ModelOptions.
void declareModelOptions(CLI::App &app, ModelOptions &options, bool required);
void declareQuantizationOptions(CLI::App &app, QuantizationOptions &options);
/// --calibration, for commands that read all weights.
void declareCalibration(CLI::App &app, QuantizationOptions &options);
void declareCompileOptions(CLI::App &app, CompileOptions &options);

/// Command-line words with `_` for `-` in flag names and `-march` for --target-cpu put right.
std::vector<std::string> normalizeArguments(int argc, char **argv);

/// The flags of a parsed command for the consumption ledger: lists `used`, `defaulted` and
/// `ignored_by_spec` of {key, value or reason}.
llvm::json::Object flagLedger(const CLI::App &app);

} // namespace stoop::driver

#endif

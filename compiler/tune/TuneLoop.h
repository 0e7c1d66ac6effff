//===- TuneLoop.h - search of schedules by measuring -------------*- C++ -*-===//
//
// From a planned program with heuristic schedules to database entries. Every candidate has to give the
// heuristic kernel's results before it is timed.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_TUNE_TUNELOOP_H
#define STOOP_COMPILER_TUNE_TUNELOOP_H

#include "compiler/tune/Engine.h"
#include "passes/schedule/TargetInfo.h"

namespace stoop::tune {

/// What to measure and how long.
struct TuneOptions {
  const schedule::TargetInfo *target; ///< whose templates are searched
  tuning::Setting setting;            ///< of the entries
  uint64_t seed = 1;
};

/// A kernel that is worth a search.
struct TuneTask {
  plan::KernelOp kernel;
  plan::LaunchOp launch; ///< one of its launches
  int64_t rows;
  std::string region, summary;
};

/// Every region with tunables in the decode entries and in the longest prefill, each once.
std::vector<TuneTask> collectTasks(plan::ProgramOp program, const schedule::TargetInfo &target);

/// An axis of the search: a tunable and the values to try.
struct Axis {
  std::string tunable;
  std::vector<int64_t> values;
};

/// The axes that regions of `rows` rows have: the values that the target's tables list for a tunable, else
/// all between its bounds if they are few, else the lower bound and what doubling it gives.
std::vector<Axis> searchAxes(const schedule::TemplateInfo &kernel, int64_t rows);

/// Searches one axis after the other; the best value so far is measured again beside every next one, in
/// turn, so that a machine whose speed drifts disturbs all alike. A value must be 1 % better to win.
class TuneLoop {
public:
  TuneLoop(Engine &engine, TuneOptions options) : engine(engine), options(std::move(options)) {}

  /// Takes about `seconds`, and at least the first axis with one sample of each candidate.
  /// Fails if the heuristic kernel itself cannot be compiled or gives what is not finite.
  llvm::Expected<tuning::Entry> tune(TuneTask task, double seconds);

private:
  Engine &engine;
  TuneOptions options;
};

/// Median, first and last decile of samples.
tuning::Times summarize(std::vector<uint64_t> samples);

} // namespace stoop::tune

#endif // STOOP_COMPILER_TUNE_TUNELOOP_H

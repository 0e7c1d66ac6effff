//===- Engine.h - what a target lends to the search --------------*- C++ -*-===//
//
// Candidates become code that can be run and timed on made-up operands. The search itself, TuneLoop, knows
// no target.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_TUNE_ENGINE_H
#define STOOP_COMPILER_TUNE_ENGINE_H

#include "compiler/tune/Workload.h"
#include "passes/tuning/TuningDatabase.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <memory>
#include <vector>

namespace stoop::tune {

/// What runs one candidate.
class Code {
public:
  virtual ~Code() = default;
  /// Whether both run the same instructions: of two such candidates only one is timed.
  virtual bool isSameAs(const Code &other) const = 0;
};

/// One choice of tunables on its way from values to times.
struct Candidate {
  tuning::Tunables tunables;
  std::unique_ptr<Code> code = {};
  tuning::Rejection::Reason reason = tuning::Rejection::NotCompiled; ///< why there is no code
  std::string problem = {};                                          ///< the same in words
  std::vector<uint64_t> samples = {};                                ///< nanoseconds of a launch
};

/// Compiles and runs candidates of one device.
class Engine {
public:
  virtual ~Engine() = default;

  /// Gives each candidate for `kernel` code or a problem.
  virtual void compile(std::vector<Candidate> &candidates, plan::KernelOp kernel) = 0;
  /// One launch on `rows` rows with the first copy of the weights; `work` holds the results afterwards.
  virtual llvm::Error run(const Code &code, Workload &work, uint32_t rows) = 0;
  /// Nanoseconds of one launch: the mean of as many as are needed to tell, each with the next copy of the
  /// weights.
  virtual llvm::Expected<uint64_t> time(const Code &code, Workload &work, uint32_t rows) = 0;
};

/// Calls `describe` while `kernel` has the schedule of a candidate.
void withSchedule(plan::KernelOp kernel, const tuning::Tunables &tunables,
                  llvm::function_ref<void()> describe);

} // namespace stoop::tune

#endif // STOOP_COMPILER_TUNE_ENGINE_H

//===- Engine.h - what a target lends to the search --------------*- C++ -*-===//
//
// Candidates become code that can be run on made-up operands and timed, alone or in a step of their program. The search
// itself, TuneLoop, knows no target.
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
  std::vector<uint64_t> samples = {};                                ///< nanoseconds of a launch, or of a step
};

/// Compiles and runs candidates of one device.
class Engine {
public:
  virtual ~Engine() = default;

  /// Gives each candidate for `kernel` code or a problem.
  virtual void compile(std::vector<Candidate> &candidates, plan::KernelOp kernel) = 0;
  /// Whether candidates can be run; else there are no workloads, and time() predicts.
  virtual bool runs() const { return true; }
  /// One launch on `rows` rows with the first copy of the weights; `work` holds the results afterwards.
  virtual llvm::Error run(const Code &code, Workload &work, uint32_t rows) = 0;

  /// Bytes that the copies of the weights in a workload take, so that launches that are timed find them in memory.
  virtual uint64_t streamBytes() const { return 0; }
  /// Told what is going to be timed in turn, as the kernel of `launch`. They stay where they are meanwhile.
  virtual llvm::Error prepare(llvm::ArrayRef<const Candidate *> candidates, plan::LaunchOp launch) {
    return llvm::Error::success();
  }
  /// Nanoseconds of one launch, or of a step with launchesTimed() of them: the mean of as many as are needed to tell, launches
  /// each with the next copy of the weights. `work` is null if candidates are not run.
  virtual llvm::Expected<uint64_t> time(const Candidate &candidate, Workload *work, uint32_t rows) = 0;
  /// Launches of the kernel in the step that is timed; 0: one launch is timed alone.
  virtual unsigned launchesTimed() const { return 0; }
  /// By what part of the time a candidate has to be faster.
  virtual double leastGain() const { return 0.01; }
};

/// Calls `describe` while `kernel` has the schedule of a candidate.
void withSchedule(plan::KernelOp kernel, const tuning::Tunables &tunables,
                  llvm::function_ref<void()> describe);

} // namespace stoop::tune

#endif // STOOP_COMPILER_TUNE_ENGINE_H

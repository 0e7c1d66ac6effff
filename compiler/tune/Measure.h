//===- Measure.h - time of kernels on this machine ---------------*- C++ -*-===//
#ifndef STOOP_COMPILER_TUNE_MEASURE_H
#define STOOP_COMPILER_TUNE_MEASURE_H

#include "codegen/cpu/LoadKernel.h"
#include "compiler/tune/Workload.h"
#include "passes/tuning/TuningDatabase.h"
#include "runtime/device/cpu/thread_pool.h"

namespace stoop::tune {

/// Code of one candidate, with what it needs to run.
struct RunnableKernel {
  codegen::LoadedCode code;
  uint64_t scratchBytes; ///< a thread
};

/// The threads of a program, with memory for the kernels' scratch.
class Machine {
public:
  /// Starts the runtime's thread pool with that many threads, pinned as a program's are.
  static llvm::Expected<std::unique_ptr<Machine>> start(unsigned threads);

  /// One launch of all threads on `rows` rows.
  void run(const RunnableKernel &kernel, void **buffers, uint32_t rows);
  /// Nanoseconds of one launch: the mean of as many as take half a millisecond, each with the next copy
  /// of the weights.
  uint64_t time(const RunnableKernel &kernel, Workload &work, uint32_t rows);

private:
  Machine() : memory(nullptr) {}
  rt::Memory memory;
  rt::ThreadPool pool;
  std::unique_ptr<Pages> scratch;
  uint64_t scratchBytes = 0; ///< a thread
  unsigned nextCopy = 0;
};

/// Median, first and last decile of samples.
tuning::Times summarize(std::vector<uint64_t> samples);

} // namespace stoop::tune

#endif // STOOP_COMPILER_TUNE_MEASURE_H

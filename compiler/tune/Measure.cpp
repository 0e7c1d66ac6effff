//===- Measure.cpp - time of kernels on this machine ----------------------===//
//
// Wall time from waking the threads to the last one's end, on the runtime's own pool: what a launch of
// a program costs.
//
//===----------------------------------------------------------------------===//
#include "compiler/tune/Measure.h"

#include <algorithm>
#include <chrono>

namespace stoop::tune {

/// The shortest span that is timed.
static constexpr uint64_t kSpanNs = 500000;

llvm::Expected<std::unique_ptr<Machine>> Machine::start(unsigned threads) {
  std::unique_ptr<Machine> machine(new Machine);
  rt::Message message;
  if (machine->pool.start(machine->memory, threads, /*pin_caller=*/true, {}, message) != STOOP_OK)
    return llvm::createStringError(message.text);
  return machine;
}

namespace {
struct Job {
  const RunnableKernel &kernel;
  const stoop_step &step;
  void **buffers;
  uint8_t *scratch;
  uint64_t scratchBytes;
  uint32_t threads;
};
} // namespace

void Machine::run(const RunnableKernel &kernel, void **buffers, uint32_t rows) {
  if (!scratch || scratchBytes < kernel.scratchBytes) {
    scratchBytes = (kernel.scratchBytes + 4095) / 4096 * 4096;
    scratch = std::make_unique<Pages>(scratchBytes * pool.size());
  }
  stoop_step step = {};
  step.num_rows = rows;
  Job job{kernel, step, buffers, scratch->data(), scratchBytes, pool.size()};
  pool.run(
      [](void *argument, uint32_t thread) {
        const Job &job = *static_cast<Job *>(argument);
        stoop_kernel_args args = {};
        args.buffers = job.buffers;
        args.step = &job.step;
        args.thread = thread;
        args.num_threads = job.threads;
        args.scratch = job.scratch + thread * job.scratchBytes;
        job.kernel.code.function()(&args);
      },
      &job);
}

uint64_t Machine::time(const RunnableKernel &kernel, Workload &work, uint32_t rows) {
  using Clock = std::chrono::steady_clock;
  auto begin = Clock::now();
  uint64_t launches = 0, elapsed = 0;
  while (elapsed < kSpanNs) {
    run(kernel, work.buffers(nextCopy++ % work.numCopies()), rows);
    ++launches;
    elapsed = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
  }
  return elapsed / launches;
}

tuning::Times summarize(std::vector<uint64_t> samples) {
  std::sort(samples.begin(), samples.end());
  auto at = [&](double share) {
    return samples[static_cast<size_t>(share * static_cast<double>(samples.size() - 1) + 0.5)];
  };
  if (samples.empty())
    return {};
  return {at(0.5), at(0.1), at(0.9), static_cast<unsigned>(samples.size())};
}

} // namespace stoop::tune

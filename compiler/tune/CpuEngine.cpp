//===- CpuEngine.cpp - kernels on this machine's processors ---------------===//
//
// Wall time from waking the threads to the last one's end, on the runtime's own pool: what a launch of
// a program costs.
//
//===----------------------------------------------------------------------===//
#include "compiler/tune/CpuEngine.h"

#include "codegen/ParallelJobs.h"
#include "codegen/cpu/DescribeKernel.h"
#include "codegen/cpu/LoadKernel.h"
#include <chrono>

using namespace mlir;

namespace stoop::tune {

/// The shortest span that is timed.
static constexpr uint64_t kSpanNs = 500000;
/// Memory that the copies of a kernel's weights take at most, several times any cache.
static constexpr uint64_t kStreamBytes = 384u << 20;
static constexpr const char *kSymbol = "stoop_candidate";

namespace {
struct CpuCode final : Code {
  codegen::KernelSpec spec;
  codegen::LoadedCode function;

  CpuCode(codegen::KernelSpec spec, codegen::LoadedCode function)
      : spec(std::move(spec)), function(std::move(function)) {}
  bool isSameAs(const Code &other) const override {
    return spec == static_cast<const CpuCode &>(other).spec;
  }
};

struct Launch {
  const CpuCode &code;
  const stoop_step &step;
  void **buffers;
  uint8_t *scratch;
  uint64_t scratchBytes;
  uint32_t threads;
};
} // namespace

llvm::Expected<std::unique_ptr<CpuEngine>>
CpuEngine::start(const kernels::KernelLevel &level, unsigned threads, unsigned jobs, Alter alter) {
  std::unique_ptr<CpuEngine> engine(new CpuEngine(level, jobs, std::move(alter)));
  rt::Message message;
  if (engine->pool.start(engine->memory, threads, /*pin_caller=*/true, {}, message) != STOOP_OK)
    return llvm::createStringError(message.text);
  return engine;
}

/// Describes all (MLIR, one thread), then compiles them on a few.
void CpuEngine::compile(std::vector<Candidate> &candidates, plan::KernelOp kernel) {
  std::vector<std::pair<Candidate *, codegen::KernelSpec>> described;
  for (Candidate &candidate : candidates)
    withSchedule(kernel, candidate.tunables, [&] {
      FailureOr<codegen::KernelSpec> spec = codegen::describeKernel(kernel);
      if (failed(spec)) {
        candidate.problem = "cannot be described";
        return;
      }
      if (alter)
        alter(candidate.tunables, *spec);
      described.emplace_back(&candidate, std::move(*spec));
    });
  codegen::CompileOptions parallel;
  parallel.numThreads = jobs;
  codegen::runJobs(described, parallel, [&](std::pair<Candidate *, codegen::KernelSpec> &job) {
    auto &[candidate, spec] = job;
    llvm::Expected<std::string> object = codegen::specializeCached(spec, level, {std::string(kSymbol)});
    llvm::Expected<codegen::LoadedCode> code =
        object ? codegen::LoadedCode::load(*object, kSymbol)
               : llvm::Expected<codegen::LoadedCode>(object.takeError());
    if (code)
      candidate->code = std::make_unique<CpuCode>(std::move(spec), std::move(*code));
    else
      candidate->problem = llvm::toString(code.takeError());
  });
}

void CpuEngine::launch(const Code &code, void **buffers, uint32_t rows) {
  const CpuCode &kernel = static_cast<const CpuCode &>(code);
  if (!scratch || scratchBytes < kernel.spec.scratchBytes) {
    scratchBytes = (kernel.spec.scratchBytes + 4095) / 4096 * 4096;
    scratch = std::make_unique<Pages>(scratchBytes * pool.size());
  }
  stoop_step step = {};
  step.num_rows = rows;
  Launch job{kernel, step, buffers, scratch->data(), scratchBytes, pool.size()};
  pool.run(
      [](void *argument, uint32_t thread) {
        const Launch &job = *static_cast<Launch *>(argument);
        stoop_kernel_args args = {};
        args.buffers = job.buffers;
        args.step = &job.step;
        args.thread = thread;
        args.num_threads = job.threads;
        args.scratch = job.scratch + thread * job.scratchBytes;
        job.code.function.function()(&args);
      },
      &job);
}

llvm::Error CpuEngine::run(const Code &code, Workload &work, uint32_t rows) {
  work.reset();
  launch(code, work.buffers(0), rows);
  return llvm::Error::success();
}

uint64_t CpuEngine::streamBytes() const { return kStreamBytes; }

llvm::Expected<uint64_t> CpuEngine::time(const Candidate &candidate, Workload *work, uint32_t rows) {
  using Clock = std::chrono::steady_clock;
  auto begin = Clock::now();
  uint64_t launches = 0, elapsed = 0;
  while (elapsed < kSpanNs) {
    launch(*candidate.code, work->buffers(nextCopy++ % work->numCopies()), rows);
    ++launches;
    elapsed = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
  }
  return elapsed / launches;
}

} // namespace stoop::tune

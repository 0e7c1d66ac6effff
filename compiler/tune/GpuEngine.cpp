//===- GpuEngine.cpp - kernels on a GPU of this machine -------------------===//
//
// Results are those of a launch alone, as a program launches it: step header, scratch and operands as one parameter, with
// the geometry that planning computes for the candidate's tunables. What a launch may touch is told to
// drivers that check it. Times are those of whole steps, which the runtime runs (GpuStep.h).
//
//===----------------------------------------------------------------------===//
#include "compiler/tune/GpuEngine.h"

#include "codegen/ParallelJobs.h"
#include "codegen/cuda/KernelEmitter.h"
#include "codegen/cuda/LocalGpus.h"
#include "compiler/tune/GpuCode.h"
#include "stoop/abi.h"

using namespace mlir;

namespace stoop::tune {

/// Time that steps take together before their mean counts, and the most of them.
static constexpr double kSpanNs = 500000;
static constexpr unsigned kMostSteps = 64;
/// Dynamic shared memory that needs no asking for: a block has 48 KiB, of which kernels have a few as variables.
static constexpr int64_t kPlainShared = 40 << 10;

//===----------------------------------------------------------------------===//
// The device
//===----------------------------------------------------------------------===//

llvm::Error GpuEngine::check(int error, const char *call) const {
  rt::Message message;
  return api.check(error, call, message) == STOOP_OK ? llvm::Error::success()
                                                     : llvm::createStringError(message.text);
}

llvm::Error GpuEngine::openDevice() {
  rt::Message message;
  if (api.load(/*made_by=*/0, message) != STOOP_OK)
    return llvm::createStringError(message.text);
  std::vector<codegen::LocalGpu> gpus = codegen::localGpus();
  if (gpus.empty())
    return llvm::createStringError("the driver finds no GPU");
  const codegen::LocalGpu &gpu = gpus.front();
  name = gpu.name;
  numMultiprocessors = gpu.multiprocessors;
  if (!architecture.runsOn(gpu.capability))
    return llvm::createStringError("code for " + architecture.name + " does not run on the GPU '" + name +
                                   "' of compute capability " + std::to_string(gpu.capability / 10) + "." +
                                   std::to_string(gpu.capability % 10) + " (--cuda-arch)");
  if (llvm::Error failed = check(api.device_get(&device, 0), "device_get"))
    return failed;
  if (llvm::Error failed = check(api.context_retain(&context, device), "context_retain"))
    return failed;
  if (llvm::Error failed = check(api.context_set(context), "context_set"))
    return failed;
  for (void *&event : events)
    if (llvm::Error failed = check(api.event_create(&event, 0), "event_create"))
      return failed;
  return check(api.stream_create(&stream, rt::kCudaStreamNonBlocking), "stream_create");
}

llvm::Expected<std::unique_ptr<GpuEngine>>
GpuEngine::open(const kernels::GpuArchitecture &architecture, unsigned jobs) {
  std::unique_ptr<GpuEngine> engine(new GpuEngine(architecture, jobs));
  if (llvm::Error failed = engine->openDevice())
    return failed;
  return engine;
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

void GpuEngine::compile(std::vector<Candidate> &candidates, plan::KernelOp kernel) {
  compileForGpu(candidates, kernel, architecture, jobs);
  for (Candidate &candidate : candidates) {
    if (!candidate.code)
      continue;
    auto &code = static_cast<GpuCode &>(*candidate.code);
    code.api = &api;
    int error = takesCubins ? api.module_load(&code.module, code.compiled.cubin.data()) : rt::kCudaNoBinary;
    if (error == rt::kCudaNoBinary) {
      takesCubins = false;
      error = api.module_load(&code.module, code.compiled.ptx.c_str());
    }
    if (!error)
      error = api.module_function(&code.function, code.module, codegen::kEntryName.data());
    if (int64_t shared = code.geometry.getShared(); !error && shared > kPlainShared)
      error = api.function_set(code.function, rt::kCudaFunctionMaxShared, static_cast<int>(shared));
    if (llvm::Error refused = check(error, "module_load"))
      reject(candidate, tuning::Rejection::LaunchFailed, llvm::toString(std::move(refused)));
  }
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

/// A workload's operands in the GPU's memory. Addresses that are 0 were not had.
class GpuEngine::Operands {
public:
  const Workload &work;
  const uint64_t id; ///< of the workload, which may be gone
  uint64_t step = 0, scratch = 0, scratchBytes;
  std::vector<uint64_t> addresses; ///< per operand

  Operands(const GpuEngine &engine, const Workload &work, uint64_t scratchBytes)
      : work(work), id(work.id()), scratchBytes(scratchBytes), api(engine.api), stream(engine.stream) {}
  ~Operands() {
    for (uint64_t address : all)
      api.memory_free(address);
  }
  Operands(const Operands &) = delete;

  int allocate(uint64_t &address, uint64_t bytes) {
    int error = api.memory_allocate(&address, bytes);
    if (!error)
      all.push_back(address);
    return error;
  }
  /// Copies everything in.
  int fill(uint32_t rows);
  /// Clears what kernels write.
  int reset();
  /// Copies that back.
  int fetch(Workload &into);

private:
  const rt::CudaDriver &api;
  void *stream;
  std::vector<uint64_t> all;
};

int GpuEngine::Operands::fill(uint32_t rows) {
  stoop_step header = {};
  header.num_rows = rows;
  int error = allocate(step, sizeof header);
  if (!error)
    error = api.copy_to_device(step, &header, sizeof header, stream);
  if (!error)
    error = allocate(scratch, scratchBytes);
  if (!error)
    error = api.fill(scratch, 0, scratchBytes, stream);
  for (size_t i = 0; i < work.numOperands(); ++i) {
    uint64_t &address = addresses.emplace_back();
    if (!error)
      error = allocate(address, work.bytes(i));
    if (!error)
      error = api.copy_to_device(address, work.data(i, 0), work.bytes(i), stream);
  }
  return error ? error : api.stream_wait(stream);
}

int GpuEngine::Operands::reset() {
  for (size_t i = 0; i < work.numOperands(); ++i)
    if (work.isWritten(i))
      if (int error = api.fill(addresses[i], 0, work.bytes(i), stream))
        return error;
  return 0;
}

int GpuEngine::Operands::fetch(Workload &into) {
  for (size_t i = 0; i < into.numOperands(); ++i)
    if (into.isWritten(i))
      if (int error = api.copy_to_host(into.data(i, 0), addresses[i], into.bytes(i), stream))
        return error;
  return api.stream_wait(stream);
}

llvm::Expected<GpuEngine::Operands *> GpuEngine::operandsOf(const Workload &work, uint64_t scratchBytes,
                                                            uint32_t rows) {
  if (!operands || operands->id != work.id() || operands->scratchBytes < scratchBytes) {
    operands.reset(); // its memory first
    operands = std::make_unique<Operands>(*this, work, scratchBytes);
    if (llvm::Error failed = check(operands->fill(rows), "copying a kernel's operands to the GPU")) {
      operands.reset();
      return failed;
    }
  }
  return operands.get();
}

llvm::Error GpuEngine::launch(const Code &any, Operands &on) {
  const auto &code = static_cast<const GpuCode &>(any);
  std::vector<uint64_t> arguments = {on.step, on.scratch};
  std::vector<rt::LaunchRange> ranges = {{on.step, sizeof(stoop_step), 1, "step"},
                                         {on.scratch, on.scratchBytes, 3, "scratch"}};
  for (size_t i = 0; i < on.work.numOperands(); ++i) {
    arguments.push_back(on.addresses[i]);
    ranges.push_back({arguments.back(), on.work.bytes(i), code.access[i], "operand"});
  }
  if (api.next_launch)
    api.next_launch(ranges.data(), ranges.size());
  void *parameters[] = {arguments.data()};
  ArrayRef<int64_t> grid = code.geometry.getGrid();
  int64_t blocks = grid[1] ? grid[0] : std::min<int64_t>(grid[0], numMultiprocessors);
  return check(api.launch(code.function, blocks, std::max<int64_t>(grid[1], 1), grid[2], code.geometry.getThreads(), 1, 1,
                          code.geometry.getShared(), stream, parameters, nullptr),
               "launch");
}

/// Bytes of scratch, a multiple of what allocations are.
static uint64_t scratchOf(const Code &code) {
  return static_cast<const GpuCode &>(code).geometry.getScratch() + 256;
}

llvm::Error GpuEngine::run(const Code &code, Workload &work, uint32_t rows) {
  llvm::Expected<Operands *> on = operandsOf(work, scratchOf(code), rows);
  if (!on)
    return on.takeError();
  if (llvm::Error failed = check((*on)->reset(), "fill"))
    return failed;
  if (llvm::Error failed = launch(code, **on))
    return failed;
  return check((*on)->fetch(work), "launch");
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

/// Code of all kernels of an entry as they are planned, kept for the next candidates.
llvm::Error GpuEngine::compileEntry(plan::EntryOp entry) {
  auto program = entry->getParentOfType<plan::ProgramOp>();
  struct Job {
    Planned *into;
    std::string source, error;
  };
  std::vector<Job> todo;
  for (auto launch : entry.getOps<plan::LaunchOp>()) {
    auto kernel = program.lookupSymbol<plan::KernelOp>(launch.getKernel());
    Planned &code = planned[kernel];
    if (code.geometry)
      continue;
    code.geometry = kernel->getAttrOfType<plan::GeometryAttr>(plan::kGeometryAttrName);
    FailureOr<std::string> source = codegen::emitKernel(kernel);
    if (failed(source))
      return llvm::createStringError("kernel '" + kernel.getSymName() + "' of the step cannot be printed");
    todo.push_back({&code, std::move(*source), ""});
  }
  llvm::Expected<const codegen::Nvrtc *> nvrtc = codegen::Nvrtc::get();
  if (!nvrtc)
    return nvrtc.takeError();
  codegen::CompileOptions parallel;
  parallel.numThreads = jobs;
  codegen::runJobs(todo, parallel, [&](Job &job) {
    if (auto compiled = (*nvrtc)->compileCached(job.source, architecture))
      job.into->code = std::move(*compiled);
    else
      job.error = llvm::toString(compiled.takeError());
  });
  for (const Job &job : todo)
    if (!job.error.empty())
      return llvm::createStringError(job.error);
  return llvm::Error::success();
}

llvm::Error GpuEngine::prepare(llvm::ArrayRef<const Candidate *> candidates, plan::LaunchOp launch) {
  step.reset(); // its memory first
  operands.reset();
  if (llvm::Error failed = compileEntry(launch->getParentOfType<plan::EntryOp>()))
    return failed;
  timed.assign(candidates.begin(), candidates.end());
  SmallVector<StepCode> variants;
  for (const Candidate *candidate : timed) {
    const auto &code = static_cast<const GpuCode &>(*candidate->code);
    variants.push_back({&code.compiled, code.geometry});
  }
  auto codeOf = [&](plan::KernelOp kernel) {
    const Planned &code = planned.find(kernel)->second;
    return StepCode{&code.code, code.geometry};
  };
  llvm::Expected<std::unique_ptr<GpuStep>> loaded = GpuStep::load(launch, variants, codeOf, architecture, takesCubins);
  if (!loaded)
    return loaded.takeError();
  step = std::move(*loaded);
  return llvm::Error::success();
}

llvm::Expected<uint64_t> GpuEngine::time(const Candidate &candidate, Workload *, uint32_t) {
  unsigned variant = llvm::find(timed, &candidate) - timed.begin();
  for (unsigned steps = 1;; steps *= 2) {
    if (llvm::Error failed = check(api.event_record(events[0], stream), "event_record"))
      return failed;
    if (llvm::Error failed = check(api.event_wait(events[0]), "event_wait"))
      return failed;
    for (unsigned i = 0; i < steps; ++i)
      if (llvm::Error failed = step->run(variant))
        return failed;
    float milliseconds = 0;
    if (llvm::Error failed = check(api.event_record(events[1], stream), "event_record"))
      return failed;
    if (llvm::Error failed = check(api.event_wait(events[1]), "event_wait"))
      return failed;
    if (llvm::Error failed = check(api.event_elapsed(&milliseconds, events[0], events[1]), "event_elapsed"))
      return failed;
    if (milliseconds * 1e6 >= kSpanNs || steps >= kMostSteps)
      return static_cast<uint64_t>(milliseconds * 1e6 / steps);
  }
}

unsigned GpuEngine::launchesTimed() const { return step ? step->launches() : 0; }

GpuEngine::GpuEngine(const kernels::GpuArchitecture &architecture, unsigned jobs)
    : architecture(architecture), jobs(jobs) {}

GpuEngine::~GpuEngine() {
  step.reset();
  operands.reset();
  for (void *event : events)
    if (event)
      api.event_destroy(event);
  if (stream)
    api.stream_destroy(stream);
  if (context)
    api.context_release(device);
}

} // namespace stoop::tune

//===- GpuEngine.cpp - kernels on a GPU of this machine -------------------===//
//
// A kernel is launched as a program launches it: step header, scratch and operands as one parameter, with
// the geometry that planning computes for the candidate's tunables. What a launch may touch is told to
// drivers that check it.
//
//===----------------------------------------------------------------------===//
#include "compiler/tune/GpuEngine.h"

#include "codegen/ParallelJobs.h"
#include "codegen/cuda/CubinInfo.h"
#include "codegen/cuda/KernelEmitter.h"
#include "codegen/cuda/LocalGpus.h"
#include "codegen/cuda/NvrtcCompiler.h"
#include "passes/planning/LaunchGeometry.h"
#include "passes/schedule/GpuProvider.h"
#include "stoop/abi.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;

namespace stoop::tune {

/// Time that launches take together before their mean counts, and the most of them.
static constexpr double kSpanNs = 500000;
static constexpr unsigned kMostLaunches = 64;
/// Shared memory that every block has without being asked for.
static constexpr int64_t kPlainShared = 48 << 10;

namespace {
struct GpuCode final : Code {
  const rt::CudaDriver &api;
  std::string source;
  plan::GeometryAttr geometry;
  std::vector<uint8_t> access; ///< of each operand: 1 reads, 2 writes, 3 both
  codegen::CompiledCode compiled = {};
  void *module = nullptr, *function = nullptr;

  GpuCode(const rt::CudaDriver &api, std::string source, plan::KernelOp kernel)
      : api(api), source(std::move(source)),
        geometry(kernel->getAttrOfType<plan::GeometryAttr>(plan::kGeometryAttrName)),
        access(codegen::operandAccess(kernel)) {}
  ~GpuCode() override {
    if (module)
      api.module_unload(module);
  }
  bool isSameAs(const Code &other) const override {
    const auto &code = static_cast<const GpuCode &>(other);
    return source == code.source && geometry == code.geometry;
  }
};
} // namespace

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

/// Says why there is no code; an empty problem is none.
static void reject(Candidate &candidate, tuning::Rejection::Reason reason, std::string problem) {
  candidate.code.reset();
  candidate.reason = reason;
  candidate.problem = std::move(problem);
}

/// Source and geometry under the kernel's present schedule.
static void describe(Candidate &candidate, plan::KernelOp kernel, const rt::CudaDriver &api,
                     const kernels::GpuArchitecture &architecture) {
  std::string words;
  ScopedDiagnosticHandler listen(kernel->getContext(), [&](Diagnostic &diagnostic) {
    words += (words.empty() ? "" : "; ") + diagnostic.str();
  });
  if (std::string problem = schedule::whyNoTiles(kernel.getBody(), kernel.getSchedule()); !problem.empty())
    return reject(candidate, tuning::Rejection::NotLegal, problem);
  FailureOr<plan::GeometryAttr> geometry = planning::launchGeometry(kernel);
  if (failed(geometry) || !*geometry)
    return reject(candidate, tuning::Rejection::NotCompiled, words.empty() ? "has no geometry" : words);
  int64_t shared = geometry->getShared(), most = int64_t(architecture.sharedKib) << 10;
  if (shared > most)
    return reject(candidate, tuning::Rejection::NoRoom,
                  "needs " + std::to_string(shared) + " bytes of shared memory, a block on " +
                      architecture.name.str() + " has " + std::to_string(most));
  kernel->setAttr(plan::kGeometryAttrName, *geometry);
  FailureOr<std::string> source = codegen::emitKernel(kernel);
  if (failed(source))
    return reject(candidate, tuning::Rejection::NotCompiled, words);
  candidate.code = std::make_unique<GpuCode>(api, std::move(*source), kernel);
}

/// Compiles for the architecture; what spills is slower than what it spilled for.
static void compileSource(Candidate &candidate, const codegen::Nvrtc &nvrtc,
                          const kernels::GpuArchitecture &architecture) {
  if (!candidate.code)
    return;
  auto &code = static_cast<GpuCode &>(*candidate.code);
  auto compiled = nvrtc.compileCached(code.source, architecture);
  if (!compiled)
    return reject(candidate, tuning::Rejection::NotCompiled, llvm::toString(compiled.takeError()));
  auto info = codegen::readCubin(compiled->cubin, codegen::kEntryName);
  if (!info)
    return reject(candidate, tuning::Rejection::NotCompiled, llvm::toString(info.takeError()));
  if (info->localBytes)
    return reject(candidate, tuning::Rejection::Spills,
                  "spills " + std::to_string(info->localBytes) + " bytes of registers a thread");
  code.compiled = std::move(*compiled);
}

void GpuEngine::compile(std::vector<Candidate> &candidates, plan::KernelOp kernel) {
  llvm::Expected<const codegen::Nvrtc *> nvrtc = codegen::Nvrtc::get();
  std::string missing = nvrtc ? "" : llvm::toString(nvrtc.takeError());
  Attribute before = kernel->getAttr(plan::kGeometryAttrName);
  for (Candidate &candidate : candidates) {
    if (!missing.empty())
      reject(candidate, tuning::Rejection::NotCompiled, missing);
    else
      withSchedule(kernel, candidate.tunables, [&] { describe(candidate, kernel, api, architecture); });
    kernel->setAttr(plan::kGeometryAttrName, before);
  }
  codegen::CompileOptions parallel;
  parallel.numThreads = jobs;
  if (missing.empty())
    codegen::runJobs(candidates, parallel,
                     [&](Candidate &candidate) { compileSource(candidate, **nvrtc, architecture); });
  for (Candidate &candidate : candidates) {
    if (!candidate.code)
      continue;
    auto &code = static_cast<GpuCode &>(*candidate.code);
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
  std::vector<std::vector<uint64_t>> addresses; ///< per operand, one or one per copy

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

  uint64_t address(size_t operand, unsigned copy) const {
    return addresses[operand][copy % addresses[operand].size()];
  }

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
    addresses.emplace_back();
    for (unsigned copy = 0; copy < work.numCopies(i) && !error; ++copy) {
      uint64_t &address = addresses.back().emplace_back();
      error = allocate(address, work.bytes(i));
      if (!error)
        error = api.copy_to_device(address, work.data(i, copy), work.bytes(i), stream);
    }
  }
  return error ? error : api.stream_wait(stream);
}

int GpuEngine::Operands::reset() {
  for (size_t i = 0; i < work.numOperands(); ++i)
    if (work.isWritten(i))
      if (int error = api.fill(address(i, 0), 0, work.bytes(i), stream))
        return error;
  return 0;
}

int GpuEngine::Operands::fetch(Workload &into) {
  for (size_t i = 0; i < into.numOperands(); ++i)
    if (into.isWritten(i))
      if (int error = api.copy_to_host(into.data(i, 0), address(i, 0), into.bytes(i), stream))
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

llvm::Error GpuEngine::launch(const Code &any, Operands &on, unsigned copy) {
  const auto &code = static_cast<const GpuCode &>(any);
  std::vector<uint64_t> arguments = {on.step, on.scratch};
  std::vector<rt::LaunchRange> ranges = {{on.step, sizeof(stoop_step), 1, "step"},
                                         {on.scratch, on.scratchBytes, 3, "scratch"}};
  for (size_t i = 0; i < on.work.numOperands(); ++i) {
    arguments.push_back(on.address(i, copy));
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
  if (llvm::Error failed = launch(code, **on, 0))
    return failed;
  return check((*on)->fetch(work), "launch");
}

llvm::Expected<uint64_t> GpuEngine::time(const Code &code, Workload &work, uint32_t rows) {
  llvm::Expected<Operands *> on = operandsOf(work, scratchOf(code), rows);
  if (!on)
    return on.takeError();
  for (unsigned launches = 1;; launches *= 2) {
    if (llvm::Error failed = check(api.event_record(events[0], stream), "event_record"))
      return failed;
    if (llvm::Error failed = check(api.event_wait(events[0]), "event_wait"))
      return failed;
    for (unsigned i = 0; i < launches; ++i)
      if (llvm::Error failed = launch(code, **on, nextCopy++ % work.numCopies()))
        return failed;
    float milliseconds = 0;
    if (llvm::Error failed = check(api.event_record(events[1], stream), "event_record"))
      return failed;
    if (llvm::Error failed = check(api.event_wait(events[1]), "launch"))
      return failed;
    if (llvm::Error failed = check(api.event_elapsed(&milliseconds, events[0], events[1]), "event_elapsed"))
      return failed;
    if (milliseconds * 1e6 >= kSpanNs || launches >= kMostLaunches)
      return static_cast<uint64_t>(milliseconds * 1e6 / launches);
  }
}

GpuEngine::GpuEngine(const kernels::GpuArchitecture &architecture, unsigned jobs)
    : architecture(architecture), jobs(jobs) {}

GpuEngine::~GpuEngine() {
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

//===- CudaTarget.cpp - NVIDIA GPUs as a target ---------------------------===//
//
// Prints every kernel in program order (MLIR, one thread), then compiles each distinct source for each
// architecture on a few threads. Levels are architectures and, with "ptx" in the list, PTX for GPUs that have none of the
// cubins: of the oldest architecture that is named, which most GPUs load. The result is ordered by program and level.
//
//===----------------------------------------------------------------------===//
#include "codegen/ParallelJobs.h"
#include "codegen/TargetBackend.h"
#include "codegen/cuda/CubinInfo.h"
#include "codegen/cuda/DriverMemory.h"
#include "codegen/cuda/KernelEmitter.h"
#include "codegen/cuda/LocalGpus.h"
#include "codegen/cuda/NvrtcCompiler.h"
#include "ir/lm/LmOps.h"
#include "ir/plan/Overlap.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/SymbolTable.h"
#include "stoop/abi.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <map>

using namespace mlir;
using namespace stoop;
using codegen::CodeTable;
using codegen::CompiledCode;
using codegen::KernelBinary;
using codegen::Nvrtc;

static constexpr StringLiteral kPtxSuffix = ".ptx", kSamplingRole = "sampling";

namespace {
/// A level of a program: an architecture, as cubin or as PTX.
struct Level {
  const kernels::GpuArchitecture *architecture;
  bool isPtx;

  std::string name() const { return architecture->name.str() + (isPtx ? kPtxSuffix.str() : ""); }
};

/// Kernels of one source; no kernels for the sampling code.
struct Source {
  std::string text;
  std::vector<plan::KernelOp> kernels;
};

struct Job {
  const Source *source;
  const kernels::GpuArchitecture *architecture;
  CompiledCode code;
  std::string error;
};

class CudaTarget : public codegen::TargetBackend {
public:
  StringRef getName() const override { return "cuda"; }
  std::vector<codegen::ArchitectureInfo> describe() const override;
  llvm::Expected<std::vector<std::string>> resolve(StringRef architectures) const override;
  std::vector<std::string> fusedKinds() const override;
  llvm::Error checkCompiler() const override { return Nvrtc::get().takeError(); }
  LogicalResult checkPlan(plan::ProgramOp program, StringRef architectures) const override;
  FailureOr<std::vector<KernelBinary>>
  compile(plan::ProgramOp program, const codegen::CompileOptions &options) const override;
  void settle(plan::ProgramOp program) const override;
  LogicalResult verifyBinary(plan::BinaryOp binary) const override;
  std::string sourceOf(plan::BinaryOp binary) const override;
  std::vector<std::string> devices() const override;
  uint64_t kernelCodeReserve() const override { return 192 << 10; }
  FailureOr<CodeTable> codeTable(plan::ProgramOp program) const override;
};
} // namespace

std::vector<std::string> CudaTarget::devices() const {
  std::vector<std::string> names;
  for (const codegen::LocalGpu &gpu : codegen::localGpus())
    names.push_back(gpu.name + ", compute capability " + std::to_string(gpu.capability / 10) + "." +
                    std::to_string(gpu.capability % 10));
  return names;
}

std::string CudaTarget::sourceOf(plan::BinaryOp binary) const {
  if (binary.getKernels().empty())
    return codegen::samplingSource().str();
  auto symbol = cast<FlatSymbolRefAttr>(binary.getKernels()[0]);
  auto kernel = SymbolTable::lookupNearestSymbolFrom<plan::KernelOp>(binary, symbol);
  FailureOr<std::string> text = failure();
  if (kernel)
    text = codegen::emitKernel(kernel);
  return succeeded(text) ? *text : "";
}

std::vector<codegen::ArchitectureInfo> CudaTarget::describe() const {
  std::vector<codegen::ArchitectureInfo> result;
  const std::vector<codegen::LocalGpu> gpus = codegen::localGpus();
  for (const kernels::GpuArchitecture &a : kernels::gpuArchitectures())
    result.push_back({a.name.str(),
                      "compute capability " + std::to_string(a.capability / 10) + "." +
                          std::to_string(a.capability % 10) + (a.exact ? "" : " or newer of its series") +
                          " (" + a.machines.str() + ")",
                      llvm::any_of(gpus, [&](const codegen::LocalGpu &gpu) { return a.runsOn(gpu.capability); })});
  return result;
}

/// The level of a name, e.g. sm_80 or sm_80.ptx.
static std::optional<Level> findLevel(StringRef name) {
  bool isPtx = name.consume_back(kPtxSuffix);
  const kernels::GpuArchitecture *architecture = kernels::findGpuArchitecture(name);
  if (!architecture)
    return std::nullopt;
  return Level{architecture, isPtx};
}

/// The architecture whose PTX every GPU from that capability on takes; PTX with the features of one generation is refused
/// by all others.
static const kernels::GpuArchitecture &plainForm(const kernels::GpuArchitecture &architecture) {
  for (const kernels::GpuArchitecture &a : kernels::gpuArchitectures())
    if (a.capability == architecture.capability && !a.exact)
      return a;
  return architecture;
}

/// Architectures in rising order, each once; "ptx" adds PTX of the oldest, in its plain form: kernels have one source for
/// all. Best last: code of a newer architecture before an older one's, any cubin before PTX.
llvm::Expected<std::vector<std::string>> CudaTarget::resolve(StringRef list) const {
  SmallVector<StringRef> words;
  list.split(words, ',', -1, /*KeepEmpty=*/false);
  bool withPtx = false;
  std::set<std::string> wanted;
  for (StringRef word : words) {
    std::optional<Level> level = findLevel(word.trim());
    if (word.trim() == "ptx") {
      withPtx = true;
    } else if (level) {
      wanted.insert(level->name());
    } else {
      std::string known;
      for (const kernels::GpuArchitecture &a : kernels::gpuArchitectures())
        known += a.name.str() + " ";
      return llvm::createStringError("unknown architecture '" + word + "'; known: " + known + "ptx");
    }
  }
  for (const kernels::GpuArchitecture &a : kernels::gpuArchitectures()) {
    if (!withPtx || !wanted.count(a.name.str()))
      continue;
    wanted.insert(plainForm(a).name.str() + kPtxSuffix.str());
    break;
  }
  std::vector<std::string> ptx, cubins;
  for (const kernels::GpuArchitecture &a : kernels::gpuArchitectures()) {
    std::string name = a.name.str(), ptxName = name + kPtxSuffix.str();
    if (wanted.count(ptxName))
      ptx.push_back(ptxName);
    if (wanted.count(name))
      cubins.push_back(name);
  }
  if (cubins.empty() && ptx.empty())
    return llvm::createStringError(withPtx ? "ptx is the PTX of the oldest architecture named beside it: sm_80,ptx"
                                           : "no architecture is named; 'stoop targets' lists them");
  ptx.insert(ptx.end(), cubins.begin(), cubins.end());
  return ptx;
}

std::vector<std::string> CudaTarget::fusedKinds() const {
  std::vector<std::string> kinds;
#define STOOP_GPU_TEMPLATE(name, kind, ...)                                                        \
  if (!llvm::is_contained(kinds, kind))                                                            \
    kinds.push_back(kind);
#include "kernels/catalog/GpuTemplates.def"
  return kinds;
}

/// All sources in order of first appearance; the sampling code last.
static FailureOr<std::vector<Source>> emitAll(plan::ProgramOp program) {
  std::vector<Source> sources;
  for (auto kernel : program.getOps<plan::KernelOp>()) {
    FailureOr<std::string> text = codegen::emitKernel(kernel);
    if (failed(text))
      return failure();
    auto same = llvm::find_if(sources, [&](const Source &source) { return source.text == *text; });
    if (same == sources.end())
      sources.push_back({std::move(*text), {kernel}});
    else
      same->kernels.push_back(kernel);
  }
  sources.push_back({codegen::samplingSource().str(), {}});
  return sources;
}

/// Where the model has what the kernel is for.
static Location locationOf(plan::KernelOp kernel) {
  Operation *anchor = kernel;
  kernel.walk([&](Operation *op) {
    if (isa<lm::AttentionOp, lm::LinearOp>(op))
      anchor = op;
  });
  return anchor->getLoc();
}

/// The levels of a list of architectures, best last. Reports at the program.
static FailureOr<SmallVector<Level>> levelsOf(plan::ProgramOp program, llvm::Expected<std::vector<std::string>> names) {
  if (!names)
    return program.emitOpError() << llvm::toString(names.takeError());
  SmallVector<Level> levels;
  for (const std::string &name : *names)
    levels.push_back(*findLevel(name));
  return levels;
}

static SmallVector<const kernels::GpuArchitecture *> architecturesOf(ArrayRef<Level> levels) {
  SmallVector<const kernels::GpuArchitecture *> architectures;
  for (const Level &level : levels)
    if (!llvm::is_contained(architectures, level.architecture))
      architectures.push_back(level.architecture);
  return architectures;
}

/// Shared memory that the plan reserves for a block has to be there on each architecture: no driver would launch it.
LogicalResult CudaTarget::checkPlan(plan::ProgramOp program, StringRef list) const {
  FailureOr<SmallVector<Level>> levels = levelsOf(program, resolve(list));
  if (failed(levels))
    return failure();
  SmallVector<const kernels::GpuArchitecture *> architectures = architecturesOf(*levels);
  for (auto kernel : program.getOps<plan::KernelOp>()) {
    auto geometry = kernel->getAttrOfType<plan::GeometryAttr>(plan::kGeometryAttrName);
    for (const kernels::GpuArchitecture *architecture : architectures)
      if (geometry && geometry.getShared() > architecture->sharedKib << 10)
        return emitError(locationOf(kernel))
               << "template '" << kernel.getSchedule().getTemplateName() << "' needs " << geometry.getShared()
               << " bytes of shared memory for these shapes, and a block on " << architecture->name << " has "
               << (architecture->sharedKib << 10) << " (--cuda-arch); --target cpu builds this model, 'stoop evaluate' runs it";
  }
  return success();
}

static void runJob(Job &job, const Nvrtc &nvrtc) {
  llvm::Expected<CompiledCode> code = nvrtc.compileCached(job.source->text, *job.architecture);
  if (code)
    job.code = std::move(*code);
  else
    job.error = llvm::toString(code.takeError());
}

/// The compiler's log at the kernel, its source as a note.
static LogicalResult reportFailure(plan::ProgramOp program, const Job &job) {
  Operation *at = job.source->kernels.empty() ? program.getOperation()
                                              : plan::KernelOp(job.source->kernels.front()).getOperation();
  InFlightDiagnostic error = at->emitOpError() << "could not be compiled for "
                                               << job.architecture->name << ": " << job.error;
  error.attachNote() << "the generated source is\n" << job.source->text;
  return error;
}

static KernelBinary makeBinary(const Source &source, const Level &level, const CompiledCode &code) {
  KernelBinary binary;
  binary.kernels = source.kernels;
  binary.role = source.kernels.empty() ? kSamplingRole.str() : "";
  binary.architecture = level.name();
  binary.format = level.isPtx ? "ptx" : "cubin";
  const std::string &bytes = level.isPtx ? code.ptx : code.cubin;
  binary.data.assign(bytes.begin(), bytes.end());
  if (level.isPtx)
    binary.data.push_back('\0'); // drivers read PTX as a string
  return binary;
}

FailureOr<std::vector<KernelBinary>>
CudaTarget::compile(plan::ProgramOp program, const codegen::CompileOptions &options) const {
  FailureOr<SmallVector<Level>> levels = levelsOf(program, resolve(options.architectures));
  if (failed(levels))
    return failure();
  llvm::Expected<const Nvrtc *> nvrtc = Nvrtc::get();
  if (!nvrtc)
    return program.emitOpError() << llvm::toString(nvrtc.takeError());
  FailureOr<std::vector<Source>> sources = emitAll(program);
  if (failed(sources))
    return failure();
  std::vector<Job> jobs;
  for (const Source &source : *sources)
    for (const kernels::GpuArchitecture *architecture : architecturesOf(*levels))
      jobs.push_back({&source, architecture, {}, {}});
  codegen::runJobs(jobs, options, [&](Job &job) { runJob(job, **nvrtc); });

  std::vector<KernelBinary> binaries;
  for (const Job &job : jobs) {
    if (!job.error.empty())
      return reportFailure(program, job);
    llvm::Expected<codegen::CubinInfo> info = codegen::readCubin(
        job.code.cubin, job.source->kernels.empty() ? codegen::kChooseName : codegen::kEntryName);
    if (!info)
      return program.emitOpError() << llvm::toString(info.takeError());
    for (const Level &level : *levels) {
      if (level.architecture != job.architecture)
        continue;
      binaries.push_back(makeBinary(*job.source, level, job.code));
      binaries.back().cudaVersion = (*nvrtc)->versionNumber();
      binaries.back().moduleBytes = info->deviceBytes;
      if (!level.isPtx)
        binaries.back().resources = {{"registers", info->registers},
                                     {"static_shared_bytes", info->sharedBytes},
                                     {"local_bytes", info->localBytes}};
    }
  }
  return binaries;
}

/// Registers and static shared memory are known: launches that take too much of a multiprocessor together follow one another.
void CudaTarget::settle(plan::ProgramOp program) const {
  std::map<StringRef, llvm::StringMap<DictionaryAttr>> taken; // by level and kernel
  for (auto binary : program.getOps<plan::BinaryOp>()) {
    auto resources = binary->getAttrOfType<DictionaryAttr>("resources");
    std::optional<Level> level = findLevel(binary.getLevel());
    if (resources && level && level->architecture->capability == plan::kOverlapCapability)
      for (auto symbol : binary.getKernels().getAsRange<FlatSymbolRefAttr>())
        taken[binary.getLevel()][symbol.getValue()] = resources;
  }
  for (auto &[level, kernels] : taken)
    plan::separateLaunches(program, [&](plan::KernelOp kernel) {
      auto geometry = kernel->getAttrOfType<plan::GeometryAttr>(plan::kGeometryAttrName);
      DictionaryAttr resources = kernels.lookup(kernel.getSymName());
      auto number = [&](StringRef key) { return resources.getAs<IntegerAttr>(key).getInt(); };
      // The cubin's static bytes count the system's.
      return plan::BlockNeeds{geometry.getThreads(), geometry.getShared() + number("static_shared_bytes"), number("registers")};
    });
}

LogicalResult CudaTarget::verifyBinary(plan::BinaryOp binary) const {
  std::optional<Level> level = findLevel(binary.getLevel());
  if (!level)
    return binary.emitOpError() << "names no GPU architecture: " << binary.getLevelAttr();
  StringRef format = level->isPtx ? "ptx" : "cubin";
  if (binary.getFormat() != format)
    return binary.emitOpError() << "expects format \"" << format << "\", got "
                                << binary.getFormatAttr();
  auto data = dyn_cast<DenseResourceElementsAttr>(binary.getData());
  AsmResourceBlob *blob = data ? data.getRawHandle().getBlob() : nullptr;
  if (!blob || blob->getData().empty())
    return binary.emitOpError("has no code");
  if (level->isPtx)
    return success();
  StringRef bytes(blob->getData().data(), blob->getData().size());
  llvm::Expected<codegen::CubinInfo> info = codegen::readCubin(
      bytes, binary.getKernels().empty() ? codegen::kChooseName : codegen::kEntryName);
  if (!info)
    return binary.emitOpError() << llvm::toString(info.takeError());
  return success();
}

/// Bits of stoop_level.required for a level (enum stoop_gpu_level).
static uint64_t requiredBits(const Level &level) {
  return level.architecture->capability | (level.architecture->exact ? STOOP_GPU_EXACT : 0) |
         (level.isPtx ? STOOP_GPU_PTX : 0) | (level.architecture->overlapsLaunches() ? STOOP_GPU_WAITS : 0);
}

FailureOr<CodeTable> CudaTarget::codeTable(plan::ProgramOp program) const {
  CodeTable table;
  table.gpu.emplace();
  SmallVector<std::string> names;
  for (auto binary : program.getOps<plan::BinaryOp>())
    if (!llvm::is_contained(names, binary.getLevel()))
      names.push_back(binary.getLevel().str());
  llvm::StringMap<size_t> levels;
  if (!names.empty()) {
    llvm::Expected<std::vector<std::string>> ordered = resolve(llvm::join(names, ","));
    if (!ordered)
      return program.emitOpError() << llvm::toString(ordered.takeError());
    for (const std::string &name : *ordered) {
      levels[name] = table.levels.size();
      table.levels.push_back({name, requiredBits(*findLevel(name))});
    }
  }
  llvm::DenseMap<StringAttr, size_t> numbers;
  for (auto kernel : program.getOps<plan::KernelOp>()) {
    auto geometry = kernel->getAttrOfType<plan::GeometryAttr>(plan::kGeometryAttrName);
    if (!geometry)
      return kernel.emitOpError() << "has no " << plan::kGeometryAttrName;
    numbers[kernel.getSymNameAttr()] = table.gpu->kernels.size();
    CodeTable::GpuKernel entry;
    ArrayRef<int64_t> grid = geometry.getGrid();
    entry.grid = {static_cast<uint32_t>(grid[0]), static_cast<uint32_t>(grid[1]),
                  static_cast<uint32_t>(grid[2])};
    entry.threads = geometry.getThreads();
    entry.sharedBytes = geometry.getShared();
    entry.access = codegen::operandAccess(kernel);
    entry.startsEarly = kernel->hasAttr(plan::kStartsEarlyAttrName);
    entry.images.resize(table.levels.size());
    table.gpu->kernels.push_back(std::move(entry));
    table.scratchBytes = std::max<uint64_t>(table.scratchBytes, geometry.getScratch());
    table.functions.emplace_back();
  }
  auto fact = [&](StringRef key, int64_t otherwise) {
    auto number = program.getMetadata().getAs<IntegerAttr>(key);
    return static_cast<uint32_t>(number ? number.getInt() : otherwise);
  };
  table.scratchBytes += stoop_gpu_launch_scratch_offset(fact("max_batch", 1), fact("vocab", 0));
  table.gpu->modulesBytes = codegen::modulesBytes(program);
  table.gpu->graphsBytes = codegen::graphsBytes(program);
  if (table.levels.empty()) { // what is going to make the code, if it is here
    if (llvm::Expected<const Nvrtc *> nvrtc = Nvrtc::get())
      table.gpu->cudaVersion = (*nvrtc)->versionNumber();
    else
      llvm::consumeError(nvrtc.takeError());
  }
  table.gpu->sampling.resize(table.levels.size());
  for (auto binary : program.getOps<plan::BinaryOp>()) {
    size_t level = levels[binary.getLevel()];
    if (auto version = binary->getAttrOfType<IntegerAttr>("cuda_version"))
      table.gpu->cudaVersion = std::max<uint32_t>(table.gpu->cudaVersion, version.getInt());
    if (binary.getKernels().empty())
      table.gpu->sampling[level] = binary;
    for (auto symbol : binary.getKernels().getAsRange<FlatSymbolRefAttr>())
      table.gpu->kernels[numbers[symbol.getAttr()]].images[level] = binary;
  }
  return table;
}

namespace stoop::codegen {
const TargetBackend &cudaTarget() {
  static const CudaTarget target;
  return target;
}
} // namespace stoop::codegen

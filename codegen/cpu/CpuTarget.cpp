//===- CpuTarget.cpp - the CPU as a target --------------------------------===//
//
// Describes every kernel in program order (MLIR, one thread), then compiles each distinct
// specialisation at each level on a few threads (LLVM, one context each). The result is ordered by
// program and level, never by who finished first.
//
//===----------------------------------------------------------------------===//
#include "codegen/ParallelJobs.h"
#include "codegen/TargetBackend.h"
#include "codegen/cpu/CpuLevels.h"
#include "codegen/cpu/DescribeKernel.h"
#include "codegen/cpu/DescribeSplit.h"
#include "codegen/cpu/ObjectGates.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace stoop;
using codegen::CodeTable;
using codegen::KernelBinary;
using codegen::KernelSpec;

/// Kernels keep what is large in their scratch; this holds their frames many times over.
static constexpr uint64_t kStackBytes = 256 << 10;

/// The C symbol of a kernel's code: stoop_<kernel>_<level>.
static std::string symbolOf(plan::KernelOp kernel, const kernels::KernelLevel &level) {
  return ("stoop_" + kernel.getSymName() + "_" + level.id).str();
}

namespace {
/// Kernels that are the same code, and that code per level.
struct Compilation {
  KernelSpec spec;
  std::vector<plan::KernelOp> kernels;
};

/// One object to make.
struct Job {
  const Compilation *compilation;
  const kernels::KernelLevel *level;
  SmallVector<char, 0> object;
  std::string error;
};

class CpuTarget : public codegen::TargetBackend {
public:
  StringRef getName() const override { return "cpu"; }
  uint64_t kernelCodeReserve() const override { return 8 << 10; }
  std::vector<codegen::ArchitectureInfo> describe() const override;
  llvm::Expected<std::vector<std::string>> resolve(StringRef architectures) const override;
  std::vector<std::string> fusedKinds() const override;
  FailureOr<std::vector<KernelBinary>>
  compile(plan::ProgramOp program, const codegen::CompileOptions &options) const override;
  LogicalResult verifyBinary(plan::BinaryOp binary) const override;
  FailureOr<CodeTable> codeTable(plan::ProgramOp program) const override;
};
} // namespace

std::vector<codegen::ArchitectureInfo> CpuTarget::describe() const {
  uint64_t features = codegen::detectCpuFeatures();
  std::vector<codegen::ArchitectureInfo> result;
  for (const kernels::KernelLevel &level : kernels::kernelLevels())
    result.push_back({level.name.str(), codegen::describeFeatures(level.required),
                      (level.required & ~features) == 0});
  return result;
}

llvm::Expected<std::vector<std::string>> CpuTarget::resolve(StringRef architectures) const {
  llvm::Expected<SmallVector<const kernels::KernelLevel *>> levels =
      codegen::resolveTargetCpu(architectures);
  if (!levels)
    return levels.takeError();
  std::vector<std::string> names;
  for (const kernels::KernelLevel *level : *levels)
    names.push_back(level->name.str());
  return names;
}

std::vector<std::string> CpuTarget::fusedKinds() const {
  std::vector<std::string> kinds;
  for (const kernels::KernelTemplate &entry : kernels::kernelTemplates())
    if (!llvm::is_contained(kinds, entry.kind))
      kinds.push_back(entry.kind.str());
  return kinds;
}

/// Groups the program's kernels by what they compile to, in order of first appearance.
static FailureOr<std::vector<Compilation>> describeAll(plan::ProgramOp program) {
  std::vector<Compilation> compilations;
  for (auto kernel : program.getOps<plan::KernelOp>()) {
    FailureOr<KernelSpec> spec = codegen::describeKernel(kernel);
    if (failed(spec))
      return failure();
    auto same = llvm::find_if(compilations, [&](const Compilation &c) { return c.spec == *spec; });
    if (same == compilations.end())
      compilations.push_back({std::move(*spec), {kernel}});
    else
      same->kernels.push_back(kernel);
  }
  return compilations;
}

static void runJob(Job &job) {
  SmallVector<std::string> symbols;
  for (plan::KernelOp kernel : job.compilation->kernels)
    symbols.push_back(symbolOf(kernel, *job.level));
  llvm::Expected<std::string> object =
      codegen::specializeCached(job.compilation->spec, *job.level, symbols);
  if (object)
    job.object.assign(object->begin(), object->end());
  else
    job.error = llvm::toString(object.takeError());
}

FailureOr<std::vector<KernelBinary>>
CpuTarget::compile(plan::ProgramOp program, const codegen::CompileOptions &options) const {
  llvm::Expected<SmallVector<const kernels::KernelLevel *>> levels =
      codegen::resolveTargetCpu(options.architectures);
  if (!levels)
    return program.emitOpError() << llvm::toString(levels.takeError());
  FailureOr<std::vector<Compilation>> compilations = describeAll(program);
  if (failed(compilations))
    return failure();
  std::vector<Job> jobs;
  for (const Compilation &compilation : *compilations)
    for (const kernels::KernelLevel *level : *levels)
      jobs.push_back({&compilation, level, {}, {}});
  codegen::runJobs(jobs, options, runJob);

  std::vector<KernelBinary> binaries;
  for (Job &job : jobs) {
    if (!job.error.empty()) {
      plan::KernelOp kernel = job.compilation->kernels.front();
      return kernel.emitOpError() << "could not be compiled: " << job.error;
    }
    binaries.push_back(
        {job.compilation->kernels, job.level->name.str(), "elf-object", std::move(job.object), {}, {}});
  }
  return binaries;
}

LogicalResult CpuTarget::verifyBinary(plan::BinaryOp binary) const {
  if (binary.getFormat() != "elf-object")
    return binary.emitOpError() << "expects format \"elf-object\", got " << binary.getFormatAttr();
  const kernels::KernelLevel *level = kernels::findLevel(binary.getLevel());
  if (!level)
    return binary.emitOpError() << "names no CPU feature level: " << binary.getLevelAttr();
  auto data = dyn_cast<DenseResourceElementsAttr>(binary.getData());
  AsmResourceBlob *blob = data ? data.getRawHandle().getBlob() : nullptr;
  if (!blob)
    return binary.emitOpError("has no code");
  SmallVector<std::string> symbols;
  for (Attribute symbol : binary.getKernels())
    symbols.push_back(
        ("stoop_" + cast<FlatSymbolRefAttr>(symbol).getValue() + "_" + level->id).str());
  if (llvm::Error error = codegen::checkSymbols(blob->getData(), symbols))
    return binary.emitOpError() << llvm::toString(std::move(error));
  return success();
}

FailureOr<CodeTable> CpuTarget::codeTable(plan::ProgramOp program) const {
  CodeTable table;
  table.stackBytes = kStackBytes;
  SmallVector<const kernels::KernelLevel *> levels;
  for (const kernels::KernelLevel &level : kernels::kernelLevels())
    for (auto binary : program.getOps<plan::BinaryOp>())
      if (binary.getLevel() == level.name) {
        levels.push_back(&level);
        table.levels.push_back({level.name.str(), level.required});
        break;
      }
  for (auto kernel : program.getOps<plan::KernelOp>()) {
    FailureOr<KernelSpec> spec = codegen::describeKernel(kernel);
    if (failed(spec))
      return failure();
    table.scratchBytes = std::max(table.scratchBytes, spec->scratchBytes);
    table.splits.push_back(codegen::describeSplit(kernel, *spec));
    std::vector<std::string> &functions = table.functions.emplace_back();
    for (const kernels::KernelLevel *level : levels)
      functions.push_back(symbolOf(kernel, *level));
  }
  return table;
}

namespace stoop::codegen {
const TargetBackend &cpuTarget() {
  static const CpuTarget target;
  return target;
}
} // namespace stoop::codegen

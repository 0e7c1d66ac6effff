//===- GpuCode.cpp - candidates as code for a GPU -------------------------===//
#include "compiler/tune/GpuCode.h"

#include "codegen/ParallelJobs.h"
#include "codegen/cuda/CubinInfo.h"
#include "codegen/cuda/KernelEmitter.h"
#include "passes/planning/LaunchGeometry.h"
#include "passes/schedule/GpuProvider.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;

namespace stoop::tune {

GpuCode::GpuCode(std::string source, plan::KernelOp kernel)
    : source(std::move(source)), geometry(kernel->getAttrOfType<plan::GeometryAttr>(plan::kGeometryAttrName)),
      access(codegen::operandAccess(kernel)) {}

GpuCode::~GpuCode() {
  if (module)
    api->module_unload(module);
}

void reject(Candidate &candidate, tuning::Rejection::Reason reason, std::string problem) {
  candidate.code.reset();
  candidate.reason = reason;
  candidate.problem = std::move(problem);
}

/// Whether a decode entry launches the kernel: its rows are of a sequence each.
static bool isForDecode(plan::KernelOp kernel) {
  auto program = kernel->getParentOfType<plan::ProgramOp>();
  return llvm::any_of(program.getOps<plan::EntryOp>(), [&](plan::EntryOp entry) {
    return entry.getKind() == plan::EntryKind::Decode &&
           llvm::any_of(entry.getOps<plan::LaunchOp>(),
                        [&](plan::LaunchOp launch) { return launch.getKernel() == kernel.getSymName(); });
  });
}

/// Source and geometry under the kernel's present schedule.
static void describe(Candidate &candidate, plan::KernelOp kernel, const kernels::GpuArchitecture &architecture) {
  std::string words;
  ScopedDiagnosticHandler listen(kernel->getContext(), [&](Diagnostic &diagnostic) {
    words += (words.empty() ? "" : "; ") + diagnostic.str();
  });
  std::string problem = schedule::whyNotLegal(kernel.getBody(), kernel.getSchedule(), isForDecode(kernel));
  if (!problem.empty())
    return reject(candidate, tuning::Rejection::NotLegal, problem);
  FailureOr<plan::GeometryAttr> geometry = planning::launchGeometry(kernel);
  if (failed(geometry) || !*geometry)
    return reject(candidate, tuning::Rejection::NotCompiled, words.empty() ? "has no geometry" : words);
  int64_t shared = geometry->getShared(), most = int64_t(architecture.sharedKib) << 10;
  if (shared > most)
    return reject(candidate, tuning::Rejection::NoRoom,
                  "needs " + std::to_string(shared) + " bytes of shared memory, a block on " + architecture.name.str() +
                      " has " + std::to_string(most));
  kernel->setAttr(plan::kGeometryAttrName, *geometry);
  FailureOr<std::string> source = codegen::emitKernel(kernel);
  if (failed(source))
    return reject(candidate, tuning::Rejection::NotCompiled, words);
  candidate.code = std::make_unique<GpuCode>(std::move(*source), kernel);
}

/// Compiles for the architecture; what spills is slower than what it spilled for.
static void compileSource(Candidate &candidate, const codegen::Nvrtc &nvrtc, const kernels::GpuArchitecture &architecture) {
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
  code.registers = info->registers;
  code.compiled = std::move(*compiled);
}

void compileForGpu(std::vector<Candidate> &candidates, plan::KernelOp kernel, const kernels::GpuArchitecture &architecture,
                   unsigned jobs) {
  llvm::Expected<const codegen::Nvrtc *> nvrtc = codegen::Nvrtc::get();
  if (!nvrtc) {
    std::string missing = llvm::toString(nvrtc.takeError());
    for (Candidate &candidate : candidates)
      reject(candidate, tuning::Rejection::NotCompiled, missing);
    return;
  }
  Attribute geometry = kernel->getAttr(plan::kGeometryAttrName), split = kernel->getAttr(plan::kSplitAttrName);
  auto restore = [&](StringRef name, Attribute before) {
    before ? kernel->setAttr(name, before) : (void)kernel->removeAttr(name);
  };
  for (Candidate &candidate : candidates) {
    withSchedule(kernel, candidate.tunables, [&] { describe(candidate, kernel, architecture); });
    restore(plan::kGeometryAttrName, geometry);
    restore(plan::kSplitAttrName, split);
  }
  codegen::CompileOptions parallel;
  parallel.numThreads = jobs;
  codegen::runJobs(candidates, parallel,
                   [&](Candidate &candidate) { compileSource(candidate, **nvrtc, architecture); });
}

} // namespace stoop::tune

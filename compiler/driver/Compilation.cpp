//===- Compilation.cpp - from the command line to a module ----------------===//
//
// IR from a file has passed its phase's gate when it was written; nothing says
// that it was not edited since, so the gate of its phase is not trusted: the
// next phase's pipeline starts with what its own passes check.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Compilation.h"

#include "codegen/TargetRegistry.h"
#include "compiler/driver/CompilationRecord.h"
#include "ir/lm/LmOps.h"
#include "ir/plan/PlanOps.h"
#include "passes/schedule/TargetInfo.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace stoop::driver {

std::optional<Phase> detectPhase(ModuleOp module) {
  std::optional<Phase> phase;
  module.walk([&](Operation *op) {
    Phase shown = Phase::Import;
    if (isa<plan::BinaryOp>(op))
      shown = Phase::Binaries;
    else if (isa<plan::ProgramOp>(op))
      shown = Phase::Planned;
    else if (isa<lm::FusedOp>(op))
      shown = op->hasAttr("plan.schedule") ? Phase::Scheduled : Phase::Fused;
    else if (auto entry = dyn_cast<lm::EntryOp>(op))
      shown = entry.getKind() == lm::EntryKind::Forward ? Phase::Import : Phase::Graph;
    else
      return;
    phase = phase ? std::max(*phase, shown) : shown;
  });
  return phase;
}

/// What the fusion passes may form: kinds that the target has kernels for, and what those can hold.
static std::string fusedOptions(const codegen::TargetBackend &backend) {
  std::string text = "kinds=" + llvm::join(backend.fusedKinds(), ",");
  const schedule::TargetInfo *info = schedule::findTarget(backend.getName());
  return info ? text + " " + info->fusion.pipelineOptions() : text;
}

int Compilation::configure() {
  const codegen::TargetBackend *backend = codegen::findTarget(compileOptions.target);
  if (!backend) {
    session.error("target '" + compileOptions.target + "' has no code generator");
    return ExitUsage;
  }
  bool isGpu = compileOptions.target == "cuda";
  const CompileOptions defaults;
  if (isGpu && compileOptions.targetCpus != defaults.targetCpus) {
    session.error("--target-cpu belongs to --target cpu; --target cuda takes --cuda-arch");
    return ExitUsage;
  }
  if (!isGpu && compileOptions.cudaArchitectures != defaults.cudaArchitectures) {
    session.error("--cuda-arch belongs to --target cuda");
    return ExitUsage;
  }
  std::string requested =
      llvm::join(isGpu ? compileOptions.cudaArchitectures : compileOptions.targetCpus, ",");
  llvm::Expected<std::vector<std::string>> resolved = backend->resolve(requested);
  if (!resolved) {
    session.error((isGpu ? "--cuda-arch: " : "--target-cpu: ") +
                  llvm::toString(resolved.takeError()));
    return requested == "host" ? ExitMachine : ExitUsage;
  }
  levels = std::move(*resolved);
  session.setArchitectures(llvm::join(levels, ","));
  std::string buckets;
  for (int64_t bucket : compileOptions.prefillBuckets)
    buckets += (buckets.empty() ? "prefill-buckets=" : ",") + std::to_string(bucket);
  session.setPipelineOptions(Phase::Graph, buckets);
  session.setPipelineOptions(Phase::Fused, fusedOptions(*backend));
  session.setPipelineOptions(Phase::Scheduled,
                             "target=" + compileOptions.target +
                                 " target-cpu-levels=" + llvm::join(levels, ","));
  session.setPipelineOptions(Phase::Planned, "target=" + compileOptions.target);
  if (failed(session.disablePasses(compileOptions.disabledPasses)))
    return ExitUsage;
  if (!compileOptions.remarksFilter.empty() &&
      failed(session.printRemarks(compileOptions.remarksFilter)))
    return ExitUsage;
  session.dumpPhasesTo(!compileOptions.dumpPhasesTo.empty() ? compileOptions.dumpPhasesTo
                                                            : compileOptions.saveTemps);
  return ExitOk;
}

LogicalResult Compilation::fromCheckpoint(Phase to) {
  FailureOr<ImportedCheckpoint> loaded =
      loadCheckpoint(session, modelOptions, compileOptions.maxBatchSize);
  if (failed(loaded))
    return failure();
  checkpoint = std::move(*loaded);
  recordCompilation(module(), flags, levels);
  return session.advance(module(), Phase::Import, to, /*runFrom=*/true);
}

LogicalResult Compilation::fromFile(const std::string &path, Phase from, Phase to) {
  if (!checkpoint.module)
    checkpoint.module = session.parse(path);
  if (!checkpoint.module)
    return failure();
  isFromFile = true;
  std::optional<Phase> shown = detectPhase(module());
  if (!shown || *shown != from) {
    session.error("'" + path + "' is not at phase " + phaseName(from) +
                  (shown ? (" but at phase " + phaseName(*shown)).str() : ": it holds no model"));
    return failure();
  }
  recordCompilation(module(), flags, levels);
  return session.advance(module(), from, to, /*runFrom=*/false);
}

LogicalResult Compilation::fromFile(const std::string &path, Phase to) {
  checkpoint.module = session.parse(path);
  if (!checkpoint.module)
    return failure();
  std::optional<Phase> shown = detectPhase(module());
  if (!shown) {
    session.error("'" + path + "' holds no model");
    return failure();
  }
  return fromFile(path, *shown, std::max(*shown, to));
}

/// Folder of the first checkpoint file that a weight of the program names.
static std::string weightsFolderOf(plan::ProgramOp program) {
  for (auto weight : program.getBody().getOps<plan::WeightOp>())
    if (auto sources = weight.getOrigin().getAs<ArrayAttr>("sources"))
      for (Attribute source : sources)
        if (auto tensor = dyn_cast<lm::SourceAttr>(source))
          return llvm::sys::path::parent_path(tensor.getFile()).str();
  return "";
}

FailureOr<TokenizerBlob> Compilation::tokenizer(const std::string &weightsFolder) {
  if (!isFromFile)
    return checkpoint.tokenizer;
  for (auto program : module().getOps<plan::ProgramOp>()) {
    auto carried = program.getMetadata().getAs<BoolAttr>("has_tokenizer");
    if (carried && carried.getValue())
      return loadTokenizer(session,
                           weightsFolder.empty() ? weightsFolderOf(program) : weightsFolder);
  }
  return TokenizerBlob();
}

} // namespace stoop::driver

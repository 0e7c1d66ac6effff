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
#include "compiler/driver/Tuning.h"
#include "ir/lm/LmAttrNames.h"
#include "ir/lm/LmOps.h"
#include "ir/support/DType.h"
#include "ir/plan/PlanOps.h"
#include "passes/report/Roofline.h"
#include "passes/schedule/TargetInfo.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ThreadPool.h"
#include "stoop/abi.h"
#include <cmath>

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

/// What it costs tiles of the target to normalise rows, on the first machine that steps are predicted for.
static std::string tileCosts(const schedule::TargetInfo &info) {
  std::vector<report::StepPrediction> narrow = report::predictedMachines(info.name, "bf16"),
                                      wide = report::predictedMachines(info.name, "f32");
  if (!info.fusion.normTileRows || narrow.empty())
    return "";
  const report::StepPrediction &machine = narrow.front();
  return llvm::formatv(" tile-costs={0},{1},{2},{3},{4},{5}", info.fusion.normTileRows, info.fusion.normTileColumns,
                       std::llround(machine.launchNanoseconds), std::llround(machine.bytesPerSecond / 1e9),
                       std::llround(machine.flopsPerSecond / 1e9), std::llround(wide.front().flopsPerSecond / 1e9))
      .str();
}

/// What the fusion passes may form: kinds that the target has kernels for, and what those can hold.
static std::string fusedOptions(const codegen::TargetBackend &backend) {
  std::string text = "kinds=" + llvm::join(backend.fusedKinds(), ",");
  const schedule::TargetInfo *info = schedule::findTarget(backend.getName());
  return info ? text + " " + info->fusion.pipelineOptions() + tileCosts(*info) : text;
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
  if (isGpu && compileOptions.maxThreads) {
    session.error("--max-threads belongs to --target cpu: kernels of --target cuda run on the GPU");
    return ExitUsage;
  }
  const QuantizationOptions &quantization = compileOptions.quantization;
  if (isGpu && quantization.activationDtype != "auto") {
    session.error("--activation-dtype belongs to --target cpu: kernels of --target cuda never round activations to integers");
    return ExitUsage;
  }
  auto isFloat = [](llvm::StringRef choice) { return choice == "fp8" || choice.ends_with("=fp8"); };
  if (!isGpu && (isFloat(quantization.scheme) || llvm::any_of(quantization.overrides, isFloat))) {
    session.error("--quantization fp8 belongs to --target cuda: kernels of --target cpu multiply integers (int8, int4)");
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
  if (modelOptions.fitContext && !compileOptions.memoryBudget) {
    session.error("--max-seq-len fit needs --memory-budget: fit into what?");
    return ExitUsage;
  }
  if (!isGpu && !compileOptions.tuningDevice.empty()) {
    session.error("--tuning-device belongs to --target cuda: --target cpu is tuned for this machine");
    return ExitUsage;
  }
  FailureOr<std::string> tuning = driver::tuningOptions(session, compileOptions, levels);
  if (failed(tuning))
    return ExitBadInput;
  tuningOptions = std::move(*tuning);
  preparePhases(session);
  if (failed(session.disablePasses(compileOptions.disabledPasses, compileOptions.target)))
    return ExitUsage;
  if (!compileOptions.remarksFilter.empty() &&
      failed(session.printRemarks(compileOptions.remarksFilter)))
    return ExitUsage;
  session.dumpPhasesTo(!compileOptions.dumpPhasesTo.empty() ? compileOptions.dumpPhasesTo
                                                            : compileOptions.saveTemps);
  return ExitOk;
}

/// What every session that runs the phases is told.
void Compilation::preparePhases(Session &phases) const {
  std::string target = "target=" + compileOptions.target, buckets;
  for (int64_t bucket : compileOptions.prefillBuckets)
    buckets += (buckets.empty() ? "prefill-buckets=" : ",") + std::to_string(bucket);
  const QuantizationOptions &quantization = compileOptions.quantization;
  std::string overrides = llvm::join(quantization.overrides, ",");
  phases.setPipelineOptions(Phase::Graph,
                            buckets + " quantization=" + quantization.scheme +
                                (overrides.empty() ? "" : " quantization-overrides=" + overrides));
  phases.setPipelineOptions(Phase::Fused,
                            fusedOptions(*codegen::findTarget(compileOptions.target)));
  phases.setPipelineOptions(Phase::Scheduled,
                            target + " target-cpu-levels=" + llvm::join(levels, ",") + tuningOptions);
  phases.setPipelineOptions(Phase::Planned, target);
  phases.setArchitectures(llvm::join(levels, ","));
  phases.setMaxThreads(compileOptions.memoryBudget ? threads() : compileOptions.maxThreads);
}

/// Whether the checkpoint stores matrices as integers.
static bool holdsIntegers(ModuleOp module) {
  return module
      .walk([](lm::WeightOp weight) {
        return weight->hasAttr(lm::kStoredFormAttrName) ? WalkResult::interrupt()
                                                        : WalkResult::advance();
      })
      .wasInterrupted();
}

/// Tensor cores multiply codes as bf16 or f16, which activations have to be then.
LogicalResult Compilation::checkFactors() {
  const QuantizationOptions &quantization = compileOptions.quantization;
  bool isStored = holdsIntegers(module()), isCoded = isStored || quantization.scheme != "none" || !quantization.overrides.empty();
  if (compileOptions.target != "cuda" || !isCoded || !(*module().getOps<lm::ModelOp>().begin()).getDtype().isF32())
    return success();
  return refuseUsage((isStored ? "'" + modelOptions.checkpoint + "' is quantised (quantization_config)" : std::string("--quantization")) +
                     ": kernels of --target cuda multiply codes by activations of bf16 or f16, and this model's are f32; --dtype bf16 "
                     "or f16 makes them narrow, --target cpu takes f32");
}

/// Notes in the model what --activation-dtype asks for: the float path is named by the only type that
/// activations can have, the model's.
LogicalResult Compilation::chooseActivations() {
  const QuantizationOptions &quantization = compileOptions.quantization;
  const std::string &wanted = quantization.activationDtype;
  if (wanted == "auto")
    return success();
  auto model = *module().getOps<lm::ModelOp>().begin();
  std::string own = elementName(model.getDtype()).str(), problem;
  if (wanted != own)
    problem = "activations of this model are " + own + " (--dtype)";
  else if (quantization.scheme == "none" && quantization.overrides.empty() && !holdsIntegers(module()))
    problem = "it is about integer weights, and --quantization is none";
  if (!problem.empty()) {
    session.error("--activation-dtype " + wanted + ": " + problem);
    failedFor = ExitUsage;
    return failure();
  }
  NamedAttrList metadata(model.getMetadata());
  metadata.set("activation_dtype", StringAttr::get(model.getContext(), wanted));
  model.setMetadataAttr(metadata.getDictionary(model.getContext()));
  return success();
}

LogicalResult Compilation::refuseUsage(const llvm::Twine &message) {
  session.error(message);
  failedFor = ExitUsage;
  return failure();
}

LogicalResult Compilation::checkDisabled(Phase first, Phase last) {
  for (const std::string &pass : compileOptions.disabledPasses)
    for (Phase phase = Phase::Import; phase <= Phase::Binaries; phase = nextPhase(phase))
      if ((phase < first || phase > last) &&
          llvm::is_contained(passFlags(session.context(), phase), pass))
        return refuseUsage("--disable-pass " + pass + ": it belongs to phase " + phaseName(phase) +
                           ", which does not run" +
                           (phase < first ? ": the IR is behind it" : " (--compile-to)"));
  return success();
}

LogicalResult Compilation::checkCompiler(Phase last) {
  if (last < Phase::Binaries)
    return success();
  llvm::Error missing = codegen::findTarget(compileOptions.target)->checkCompiler();
  if (!missing)
    return success();
  failedFor = ExitMachine;
  session.error(std::move(missing));
  return failure();
}

/// Whether what comes of phase `to` is linked with code for this machine's memory; a device's is not there.
bool Compilation::isLinked(Phase to) const {
  return to >= Phase::Binaries && compileOptions.target == "cpu";
}

LogicalResult Compilation::fromCheckpoint(Phase to) {
  if (failed(checkDisabled(Phase::Import, to)) || failed(checkCompiler(to)))
    return failure();
  linksCode = isLinked(to);
  if (modelOptions.fitContext && failed(fitContext()))
    return failure();
  FailureOr<ImportedCheckpoint> loaded =
      loadCheckpoint(session, modelOptions, compileOptions.maxBatchSize);
  if (failed(loaded))
    return failure();
  checkpoint = std::move(*loaded);
  if (failed(checkFactors()) || failed(chooseActivations()))
    return failure();
  FailureOr<CalibratedFiles> files =
      calibrate(session, checkpoint, modelOptions, compileOptions.quantization);
  if (failed(files))
    return failure();
  calibrated = std::move(*files);
  int64_t context = (*module().getOps<lm::ModelOp>().begin()).getMaxPositions();
  for (int64_t bucket : compileOptions.prefillBuckets)
    if (bucket > context)
      session.warning("--prefill-buckets: " + llvm::Twine(bucket) + " is clipped to " +
                      llvm::Twine(context) + ", the compiled context (--max-seq-len)");
  recordCompilation(module(), flags, levels);
  return advance(Phase::Import, to, /*runFrom=*/true);
}

/// The session's advance, with the budget checked as soon as the module is planned.
LogicalResult Compilation::advance(Phase from, Phase to, bool runFrom) {
  if (from < Phase::Planned) {
    if (failed(session.advance(module(), from, std::min(to, Phase::Planned), runFrom)))
      return failure();
    if (to < Phase::Planned)
      return success();
    from = Phase::Planned;
  }
  if (failed(checkBudget()))
    return failure();
  if (failed(session.advance(module(), from, to, /*runFrom=*/false)))
    return failure();
  // What was reserved for code on a device is known now; a host's is counted when it is linked.
  return to >= Phase::Binaries ? checkBudget() : success();
}

//===----------------------------------------------------------------------===//
// IR from a file
//===----------------------------------------------------------------------===//

static bool isGiven(const llvm::json::Object &flags, llvm::StringRef flag) {
  const llvm::json::Array *used = flags.getArray("used");
  return used && llvm::any_of(*used, [&](const llvm::json::Value &entry) {
           return entry.getAsObject()->getString("key") == flag;
         });
}

/// Why the flags contradict IR at phase `from`: what was decided in the phases that are skipped
/// cannot be changed any more. Empty if they do not.
static std::string contradictsPhase(const llvm::json::Object &flags, Phase from) {
  const std::pair<const char *, Phase> decided[] = {
      {"--dtype", Phase::Import},          {"--alibi", Phase::Import},
      {"--max-seq-len", Phase::Import},    {"--no-tokenizer", Phase::Import},
      {"--allow-extra", Phase::Import},    {"--force-tie", Phase::Import},
      {"--eos-id", Phase::Import},         {"--max-batch-size", Phase::Import},
      {"--tuning-db", Phase::Scheduled},   {"--max-threads", Phase::Planned},
      {"--tuning-device", Phase::Scheduled},
      {"--prefill-buckets", Phase::Graph}, {"--quantization", Phase::Graph},
      {"--quantization-override", Phase::Graph}, {"--calibration", Phase::Import},
      {"--activation-dtype", Phase::Import}, {"--target-cpu", Phase::Binaries},
      {"--cuda-arch", Phase::Binaries}};
  for (const auto &[flag, phase] : decided)
    if (from >= phase && isGiven(flags, flag))
      return (flag + llvm::Twine(" and IR at phase ") + phaseName(from) +
              " contradict each other: phase " + phaseName(phase) + " has decided it")
          .str();
  return "";
}

/// The target that IR was made for; empty where nothing says so.
static std::string targetOf(ModuleOp module) {
  for (auto program : module.getOps<plan::ProgramOp>())
    return program.getTarget().str();
  for (auto model : module.getOps<lm::ModelOp>())
    if (auto options = model.getMetadata().getAs<DictionaryAttr>("options"))
      if (auto target = options.getAs<StringAttr>("target"))
        return target.str();
  return "";
}

LogicalResult Compilation::fromFile(const std::string &path, Phase from, Phase to) {
  std::string contradiction = contradictsPhase(flags, from);
  if (!contradiction.empty())
    return refuseUsage(contradiction);
  if (failed(checkDisabled(nextPhase(from), to)) || (from < Phase::Binaries && failed(checkCompiler(to))))
    return failure();
  if (!checkpoint.module)
    checkpoint.module = session.parse(path);
  if (!checkpoint.module)
    return failure();
  isFromFile = true;
  linksCode = isLinked(to);
  std::optional<Phase> shown = detectPhase(module());
  if (!shown || *shown != from) {
    session.error("'" + path + "' is not at phase " + phaseName(from) +
                  (shown ? (" but at phase " + phaseName(*shown)).str() : ": it holds no model"));
    return failure();
  }
  // Regions are formed for a target.
  std::string target = from >= Phase::Fused ? targetOf(module()) : "";
  if (!target.empty() && target != compileOptions.target && (isGiven(flags, "--target") || to > from))
    return refuseUsage("'" + path + "' was made for --target " + target + ", not " +
                  compileOptions.target + ": phase " + phaseName(Phase::Fused) + " has decided it");
  recordCompilation(module(), flags, levels);
  return advance(from, to, /*runFrom=*/false);
}

LogicalResult Compilation::fromFile(const std::string &path, Phase to) {
  checkpoint.module = session.parse(path);
  if (!checkpoint.module)
    return failure();
  std::optional<Phase> shown = detectPhase(module());
  if (!shown) {
    session.error("'" + path + "' holds no model: expected lm.model or plan.program");
    return failure();
  }
  return fromFile(path, *shown, std::max(*shown, to));
}

std::vector<std::string> Compilation::weightsFolders(const std::string &weightsFolder) {
  if (!weightsFolder.empty())
    return {weightsFolder};
  llvm::SetVector<llvm::StringRef> folders;
  module().walk([&](Operation *op) {
    if (isa<lm::WeightOp, plan::WeightOp>(op))
      op->getAttrDictionary().walk([&](lm::SourceAttr source) {
        folders.insert(llvm::sys::path::parent_path(source.getFile()));
      });
  });
  return {folders.begin(), folders.end()};
}

FailureOr<TokenizerBlob> Compilation::tokenizer(const std::string &weightsFolder) {
  if (!isFromFile)
    return checkpoint.tokenizer;
  for (auto program : module().getOps<plan::ProgramOp>()) {
    auto carried = program.getMetadata().getAs<BoolAttr>("has_tokenizer");
    std::vector<std::string> folders = weightsFolders(weightsFolder);
    if (carried && carried.getValue())
      return loadTokenizer(session, folders.empty() ? "" : folders.front());
  }
  return TokenizerBlob();
}

} // namespace stoop::driver

//===- Session.cpp - one run of the compiler ------------------------------===//
//
// Diagnostics are printed when they arise, one line each plus their notes; the
// functions that fail then return failure without a second message.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Session.h"

#include "codegen/Pipelines.h"
#include "compiler/driver/RemarkPrinter.h"
#include "compiler/inspect/Text.h"
#include "ir/lm/LmDialect.h"
#include "ir/plan/PlanDialect.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Support/FileUtilities.h"
#include "passes/pipelines/Pipelines.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;

namespace stoop::driver {

std::string describeLocation(Location location) {
  return llvm::TypeSwitch<Location, std::string>(location)
      .Case([](NameLoc name) { return name.getName().str(); })
      .Case([](FileLineColLoc file) {
        return file.getFilename().str() + ":" + std::to_string(file.getLine()) + ":" +
               std::to_string(file.getColumn());
      })
      .Case([](FusedLoc fused) { return describeLocation(fused.getLocations().front()); })
      .Case([](CallSiteLoc call) { return describeLocation(call.getCallee()); })
      .Default([](Location) { return std::string(); });
}

Session::Session(const OutputOptions &output)
    : outputOptions(output), style(ProgressStyle::detect(output.quiet)) {
  static const bool registered = [] {
    registerPhasePipelines();
    codegen::registerPipelines();
    return true;
  }();
  (void)registered;
  DialectRegistry registry;
  registry.insert<lm::LmDialect, plan::PlanDialect>();
  mlirContext = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  if (numThreads() > 1)
    mlirContext->enableMultithreading();
  mlirContext->loadAllAvailableDialects();
  mlirContext->printOpOnDiagnostic(false);
  handler = mlirContext->getDiagEngine().registerHandler(
      [this](Diagnostic &diagnostic) { return handle(diagnostic); });
  mlirContext->registerActionHandler(
      [this](llvm::function_ref<void()> transform, const tracing::Action &action) {
        const auto *execution = llvm::dyn_cast<PassExecutionAction>(&action);
        if (!execution || !disabled.count(execution->getPass().getArgument().str()))
          transform();
      });
}

Session::~Session() { mlirContext->getDiagEngine().eraseHandler(handler); }

unsigned Session::numThreads() const {
  return outputOptions.jobs ? outputOptions.jobs
                            : llvm::hardware_concurrency().compute_thread_count();
}

/// Messages may have lines; anything else that steers a terminal is from a file.
static constexpr llvm::StringLiteral kept = "\n\t";

void Session::error(const llvm::Twine &message) {
  llvm::errs() << "stoop: error: " << inspect::printable(message.str(), kept) << "\n";
}

void Session::warning(const llvm::Twine &message) {
  allWarnings.push_back(message.str());
  if (!isMuted)
    llvm::errs() << "stoop: warning: " << inspect::printable(message.str(), kept) << "\n";
}

void Session::say(const llvm::Twine &message) {
  if (outputOptions.verbose)
    llvm::errs() << "stoop: " << message << "\n";
}

LogicalResult Session::handle(Diagnostic &diagnostic) {
  std::string place = describeLocation(diagnostic.getLocation());
  std::string message = (place.empty() ? "" : place + ": ") + diagnostic.str();
  switch (diagnostic.getSeverity()) {
  case DiagnosticSeverity::Error:
    error(message);
    break;
  case DiagnosticSeverity::Warning:
    warning(message);
    break;
  case DiagnosticSeverity::Note:
  case DiagnosticSeverity::Remark:
    say(message);
    return success();
  }
  for (Diagnostic &note : diagnostic.getNotes())
    if (std::string text = note.str(); text.rfind("see current operation", 0) != 0)
      llvm::errs() << "  note: " << text << "\n";
  return success();
}

OwningOpRef<ModuleOp> Session::parse(const std::string &path) {
  std::string message;
  auto file = openInputFile(path, &message);
  if (!file) {
    error(message);
    return nullptr;
  }
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(file), llvm::SMLoc());
  return parseSourceFile<ModuleOp>(sources, ParserConfig(&context()));
}

std::vector<std::string> passFlags(MLIRContext &context, Phase phase) {
  PassManager manager(&context, ModuleOp::getOperationName());
  auto ignore = [](const llvm::Twine &) { return failure(); };
  if (const PassPipelineInfo *pipeline = PassPipelineInfo::lookup(phasePipeline(phase)))
    (void)pipeline->addToPipeline(manager, "", ignore);
  if (phase == Phase::Planned)
    codegen::addPlannedPasses(manager, 0, "");
  if (phase == Phase::Binaries)
    codegen::buildBinariesPipeline(manager, codegen::CompileOptions());
  // Passes that are nested in others' ops are in the text alone: op(pass{options},op(pass)).
  std::string text, name;
  llvm::raw_string_ostream stream(text);
  manager.printAsTextualPipeline(stream);
  std::vector<std::string> flags;
  unsigned depth = 0; // of braces
  for (char c : text) {
    depth -= c == '}';
    bool isName = depth == 0 && c != '{' && c != '}' && c != '(' && c != ')' && c != ',';
    if (!isName && c != '(' && depth == 0 && !name.empty())
      flags.push_back(name);
    name = isName ? name + c : "";
    depth += c == '{';
  }
  return flags;
}

/// Passes without which no module passes the gate of their phase, and those that only some targets need.
static constexpr llvm::StringLiteral kRequiredPasses[] = {
    "lm-split-entry-points", "lm-form-fused-regions", "lm-log-fusion", "lm-select-schedule",
    "plan-lower-fused", "plan-pack-weights", "plan-layout-kv-cache", "plan-assign-offsets",
    "plan-size-threads", "plan-emit-binaries"};
static constexpr std::pair<llvm::StringLiteral, llvm::StringLiteral> kRequiredByTarget[] = {
    {"plan-set-geometry", "cuda"}};

LogicalResult Session::disablePasses(const std::vector<std::string> &flags, llvm::StringRef target) {
  if (flags.empty())
    return success();
  std::vector<std::string> known;
  for (Phase phase = Phase::Import; phase <= Phase::Binaries; phase = nextPhase(phase))
    llvm::append_range(known, passFlags(context(), phase));
  for (const std::string &flag : flags) {
    if (llvm::StringRef(flag).contains("-verify-") && llvm::is_contained(known, flag)) {
      error("--disable-pass: '" + flag +
            "' is a gate: it checks what later phases rely on and always runs");
      return failure();
    }
    if (llvm::is_contained(kRequiredPasses, flag)) {
      error("--disable-pass: every program needs '" + flag + "'");
      return failure();
    }
    if (llvm::any_of(kRequiredByTarget, [&](const auto &row) { return row.first == flag && row.second == target; })) {
      error("--disable-pass: every program of --target " + target + " needs '" + flag + "'");
      return failure();
    }
    if (!llvm::is_contained(known, flag)) {
      auto nearest = llvm::min_element(known, [&](const std::string &a, const std::string &b) {
        return llvm::StringRef(a).edit_distance(flag) < llvm::StringRef(b).edit_distance(flag);
      });
      error("--disable-pass: no phase has a pass '" + flag + "'; nearest: " + *nearest);
      return failure();
    }
    disabled.insert(flag);
  }
  return success();
}

LogicalResult Session::printRemarks(const std::string &filter) {
  std::string message;
  if (succeeded(driver::printRemarks(context(), filter, message)))
    return success();
  error("--remarks-filter: '" + filter + "' is no regular expression: " + message);
  return failure();
}

void Session::setPipelineOptions(Phase phase, std::string options) {
  pipelineOptions[static_cast<size_t>(phase)] = std::move(options);
}

/// As its registered pipeline, but with progress.
LogicalResult Session::runBinaries(ModuleOp module) {
  ProgressStep step(style, "compiling kernels", 0);
  codegen::CompileOptions options;
  options.architectures = architectures;
  options.numThreads = numThreads();
  options.progress = [&](size_t done, size_t total) { step.advance(done, total); };
  PassManager manager(&context(), ModuleOp::getOperationName());
  codegen::buildBinariesPipeline(manager, options);
  return manager.run(module);
}

LogicalResult Session::runPhase(ModuleOp module, Phase phase) {
  say("phase " + phaseName(phase));
  if (phase == Phase::Binaries)
    return runBinaries(module);
  const PassPipelineInfo *pipeline = PassPipelineInfo::lookup(phasePipeline(phase));
  if (!pipeline) {
    error("pipeline " + phasePipeline(phase) + " is not registered");
    return failure();
  }
  PassManager manager(&context(), ModuleOp::getOperationName());
  auto report = [&](const llvm::Twine &message) {
    error(message);
    return failure();
  };
  if (failed(pipeline->addToPipeline(manager, pipelineOptions[static_cast<size_t>(phase)], report)))
    return failure();
  if (phase == Phase::Planned)
    codegen::addPlannedPasses(manager, maxThreads, architectures);
  ProgressStep step(style, ("phase " + phaseName(phase)).str(), 0);
  return manager.run(module);
}

LogicalResult Session::dump(ModuleOp module, Phase phase) {
  if (dumpDirectory.empty())
    return success();
  llvm::SmallString<128> path(dumpDirectory);
  if (std::error_code code = llvm::sys::fs::create_directories(path)) {
    error("cannot make folder '" + path + "': " + code.message());
    return failure();
  }
  std::string name =
      std::to_string(static_cast<int>(phase)) + "-" + phaseName(phase).str() + ".mlir";
  llvm::sys::path::append(path, name);
  std::string message;
  auto file = openOutputFile(path, &message);
  if (!file) {
    error(message);
    return failure();
  }
  module->print(file->os(), OpPrintingFlags().enableDebugInfo());
  file->keep();
  return success();
}

LogicalResult Session::advance(ModuleOp module, Phase from, Phase to, bool runFrom) {
  for (Phase phase = runFrom ? from : nextPhase(from); phase <= to; phase = nextPhase(phase))
    if (failed(runPhase(module, phase)) || failed(dump(module, phase)))
      return failure();
  return success();
}

} // namespace stoop::driver

//===- Packaging.cpp - reports and executables from a module --------------===//
//
// Finds the runtime object beside the stoop program: <prefix>/bin/stoop and
// <prefix>/lib/stoop/stoop_rt.o.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Packaging.h"

#include "codegen/ProgramDescriptor.h"
#include "codegen/package/Package.h"
#include "compiler/driver/Fit.h"
#include "compiler/inspect/ReportText.h"
#include "passes/report/ProgramReport.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace stoop::driver {

static std::string runtimeObjectPath() {
  static int anchor; // any address in this program
  std::string program = llvm::sys::fs::getMainExecutable("stoop", &anchor);
  llvm::SmallString<128> path(llvm::sys::path::parent_path(llvm::sys::path::parent_path(program)));
  llvm::sys::path::append(path, "lib", "stoop", "stoop_rt.o");
  return path.str().str();
}

llvm::json::Object makeReport(ModuleOp module) {
  llvm::json::Object report;
  for (auto program : module.getOps<plan::ProgramOp>())
    report = report::toJson(report::collectReport(program));
  return report;
}

void printReport(Session &session, const llvm::json::Object &report) {
  inspect::TextOutput out = inspect::TextOutput::standard();
  if (session.output().json)
    llvm::outs() << llvm::formatv("{0:2}", llvm::json::Value(llvm::json::Object(report))) << "\n";
  else if (session.output().verbose)
    inspect::printSections(report, std::string("all"), out);
  else
    inspect::printSummary(report, out);
}

void printPlan(Session &session, Compilation &compilation) {
  llvm::json::Object report = makeReport(compilation.module());
  MemoryNeed need = compilation.need();
  std::optional<uint64_t> budget = compilation.memoryBudget();
  if (llvm::json::Object *memory = report.getObject("memory"))
    (*memory)["need"] = need.toJson(budget);
  if (!session.output().json) {
    DictionaryAttr model = (*compilation.module().getOps<plan::ProgramOp>().begin()).getMetadata();
    auto number = [&](llvm::StringRef key) { return model.getAs<IntegerAttr>(key).getInt(); };
    llvm::outs() << inspect::printable(model.getAs<StringAttr>("name").getValue()) << " needs "
                 << need.totalText() << ": context " << number("max_positions") << ", batch "
                 << number("max_batch") << ", " << model.getAs<StringAttr>("dtype").getValue();
    if (!need.isOnDevice())
      llvm::outs() << ", " << need.threads << (need.threads == 1 ? " thread" : " threads");
    llvm::outs() << "\n";
  }
  printReport(session, report);
}

/// The gate of phase executable.
static llvm::Error checkManifest(const std::string &path) {
  llvm::Expected<std::string> manifest = codegen::readManifest(path);
  if (!manifest)
    return manifest.takeError();
  return llvm::json::parse(*manifest).takeError();
}

FailureOr<uint64_t> linkedBytes(Session &session, Compilation &compilation) {
  plan::ProgramOp program = *compilation.module().getOps<plan::ProgramOp>().begin();
  FailureOr<TokenizerBlob> tokenizer = compilation.tokenizer("");
  if (failed(tokenizer))
    return failure();
  auto descriptor =
      codegen::emitProgramDescriptor(program, /*hasTokenizer=*/!tokenizer->bytes.empty());
  if (failed(descriptor))
    return failure();
  llvm::Expected<uint64_t> bytes =
      codegen::linkedCodeBytes(program, {descriptor->begin(), descriptor->end()}, runtimeObjectPath());
  if (bytes)
    return *bytes;
  session.error(bytes.takeError());
  return failure();
}

FailureOr<llvm::json::Object> packageExecutable(Session &session, Compilation &compilation,
                                                TokenizerBlob tokenizer, PackagingOptions options) {
  ModuleOp module = compilation.module();
  auto programs = module.getOps<plan::ProgramOp>();
  if (programs.empty()) {
    session.error("the module holds no program");
    return failure();
  }
  ProgressStep step(session.progressStyle(), "packing weights", 0, /*bytes=*/true);
  auto descriptor =
      codegen::emitProgramDescriptor(*programs.begin(), /*hasTokenizer=*/!tokenizer.bytes.empty());
  if (failed(descriptor))
    return failure();
  codegen::PackageJob job;
  job.descriptor.assign(descriptor->begin(), descriptor->end());
  job.runtimeObject = runtimeObjectPath();
  job.tokenizer = std::move(tokenizer.bytes);
  job.weightsFolder = options.weightsFolder;
  job.report = makeReport(module);
  job.provenance.stoopVersion = STOOP_VERSION;
  job.provenance.configHash =
      job.report.getObject("model")->getString("config_sha256").value_or("").str();
  job.provenance.tokenizerHash = job.tokenizer.empty() ? "" : codegen::hashBytes(job.tokenizer);
  job.saveTemps = options.saveTemps;
  job.mostCodeBytes = compilation.mostCodeBytes();
  job.numThreads = std::min(session.numThreads(), 2u); // more would wait for the disk
  job.progress = [&](uint64_t done, uint64_t total) { step.advance(done, total); };
  job.warn = [&](const std::string &message) { session.warning(message); };
  llvm::Expected<llvm::json::Object> manifest =
      codegen::packageProgram(*programs.begin(), std::move(job), options.output);
  if (!manifest) {
    llvm::Error other = llvm::handleErrors(
        manifest.takeError(), [&](const codegen::CodeTooLarge &code) { compilation.refuseCode(code.getBytes()); });
    if (other)
      session.error(std::move(other));
    return failure();
  }
  if (llvm::Error unreadable = checkManifest(options.output)) {
    session.error(std::move(unreadable));
    return failure();
  }
  uint64_t bytes = 0;
  llvm::sys::fs::file_size(options.output, bytes);
  if (!session.output().quiet)
    llvm::errs() << "stoop: wrote " << options.output
                 << llvm::formatv(", {0:F1} MiB\n", double(bytes) / (1 << 20));
  return std::move(*manifest);
}

} // namespace stoop::driver

//===- CompileCommand.cpp - stoop compile ---------------------------------===//
//
// Runs the phases from --compile-from to --compile-to. Phases before the last
// print the module; the last writes the executable.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/OutputFile.h"
#include "compiler/commands/Command.h"
#include "compiler/commands/OutputCheck.h"
#include "compiler/driver/Compilation.h"
#include "compiler/driver/Packaging.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include <CLI/CLI.hpp>

using namespace mlir;

namespace stoop::driver {

namespace {

class CompileCommand : public Command {
public:
  void declare(CLI::App &app) override;
  int run(const CLI::App &app) override;

private:
  std::string checkFlags(const CLI::App &app) const;
  int checkOutput(Session &session, std::vector<std::string> inputs) const;
  int printModule(Session &session, ModuleOp module) const;
  int writeProgram(Session &session, Compilation &compilation) const;
  std::string defaultOutput() const;

  OutputOptions output;
  ModelOptions model;
  CompileOptions options;
  std::string outputFile, toName = "executable", fromName, weightsFolder;
  bool dryRun = false;
  Phase to = Phase::Executable;
  std::optional<Phase> from;
};

} // namespace

/// Accepts the names of Phase.def, without the last if `resumable`.
static CLI::Validator phaseValidator(bool resumable) {
  auto check = [resumable](const std::string &name) -> std::string {
    std::optional<Phase> phase = phaseFromName(name);
    if (phase && !(resumable && *phase == Phase::Executable))
      return "";
    return "'" + name + "' is not a phase to " + (resumable ? "start from" : "stop at") +
           "; phases: " + phaseNames(!resumable);
  };
  return CLI::Validator(check, "", "phase");
}

void CompileCommand::declare(CLI::App &app) {
  app.add_option("-o,--output", outputFile,
                 "file to write (default: the directory's name; with .out behind it where that is "
                 "a directory)");
  declareModelOptions(app, model, /*required=*/true);
  declareCompileOptions(app, options);
  declareCalibration(app, options.quantization);
  app.add_option("--compile-to", toName, "stop at this phase and print the module (-o: to a file)")
      ->check(phaseValidator(false))
      ->capture_default_str();
  app.add_option("--compile-from", fromName, "CHECKPOINT is IR at this phase instead")
      ->check(phaseValidator(true));
  app.add_option("--weights", weightsFolder, "with --compile-from: where the checkpoint lies now");
  app.add_flag("--dry-run", dryRun, "as 'stoop plan'");
  declareOutputOptions(app, output);
}

/// The first contradiction between flags; empty when there is none.
std::string CompileCommand::checkFlags(const CLI::App &app) const {
  if (outputFile.empty() && app.get_option("--output")->count())
    return "-o expects a file to write, got ''";
  if (dryRun && to != Phase::Executable)
    return "--dry-run and --compile-to contradict each other";
  if (dryRun && !outputFile.empty())
    return "--dry-run and -o contradict each other: nothing is written";
  if (output.json && to != Phase::Executable)
    return "--json and --compile-to " + toName + " contradict each other: IR is not JSON";
  if (!options.quantization.calibration.empty() && (dryRun || to != Phase::Executable))
    return std::string("--calibration and ") + (dryRun ? "--dry-run" : "--compile-to " + toName) +
           " contradict each other: its integers are kept in the executable alone";
  if (!from)
    return weightsFolder.empty() ? "" : "--weights needs --compile-from";
  if (to < *from)
    return "--compile-to " + toName + " is before --compile-from " + fromName;
  return "";
}

std::string CompileCommand::defaultOutput() const {
  if (!outputFile.empty())
    return outputFile;
  llvm::SmallString<128> path(model.checkpoint);
  llvm::sys::fs::make_absolute(path);
  llvm::sys::path::remove_dots(path, /*remove_dot_dot=*/true);
  llvm::StringRef name = llvm::sys::path::filename(path);
  std::string output = (from ? llvm::sys::path::stem(name) : name).str();
  // Beside the checkpoint, its name is taken.
  return llvm::sys::fs::is_directory(output) ? output + ".out" : output;
}

/// Refuses to write over one of the inputs.
int CompileCommand::checkOutput(Session &session, std::vector<std::string> inputs) const {
  if (dryRun)
    return ExitOk;
  inputs.push_back(options.quantization.calibration);
  return refuseInputAsOutput(session, "-o", to == Phase::Executable ? defaultOutput() : outputFile,
                             inputs);
}

int CompileCommand::printModule(Session &session, ModuleOp module) const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream, OpPrintingFlags().enableDebugInfo());
  if (outputFile.empty()) {
    llvm::outs() << text << "\n";
    return ExitOk;
  }
  auto file = codegen::OutputFile::create(outputFile);
  llvm::Error failed = file ? (*file)->write(text.data(), text.size(), 0) : file.takeError();
  if (!failed)
    failed = (*file)->commit(0644);
  if (!failed)
    return ExitOk;
  session.error(std::move(failed));
  return ExitBadInput;
}

int CompileCommand::writeProgram(Session &session, Compilation &compilation) const {
  FailureOr<TokenizerBlob> tokenizer = compilation.tokenizer(weightsFolder);
  if (failed(tokenizer))
    return ExitBadInput;
  PackagingOptions packaging;
  packaging.output = defaultOutput();
  packaging.weightsFolder = weightsFolder;
  packaging.saveTemps = options.saveTemps;
  FailureOr<llvm::json::Object> manifest =
      packageExecutable(session, compilation, std::move(*tokenizer), std::move(packaging));
  if (failed(manifest))
    return compilation.failureCode();
  if (output.json)
    llvm::outs() << llvm::formatv("{0:2}", llvm::json::Value(std::move(*manifest))) << "\n";
  return ExitOk;
}

int CompileCommand::run(const CLI::App &app) {
  Session session(output);
  to = *phaseFromName(toName);
  from = phaseFromName(fromName);
  if (std::string contradiction = checkFlags(app); !contradiction.empty()) {
    session.error(contradiction);
    return ExitUsage;
  }
  if (int code = checkOutput(session, filesOf(model.checkpoint)))
    return code;
  model.configAlone = dryRun;
  Compilation compilation(session, model, options, flagLedger(app));
  if (int code = compilation.configure())
    return code;
  if (to == Phase::Executable && !dryRun) // an output that cannot be is said before the work
    if (auto probe = codegen::OutputFile::create(defaultOutput()); !probe) {
      session.error(probe.takeError());
      return ExitBadInput;
    }
  Phase last = dryRun ? Phase::Planned : std::min(to, Phase::Binaries);
  if (failed(from ? compilation.fromFile(model.checkpoint, *from, std::max(last, *from))
                  : compilation.fromCheckpoint(last)))
    return compilation.failureCode();
  if (from) // IR says only now where its weights lie
    for (const std::string &folder : compilation.weightsFolders(weightsFolder))
      if (int code = checkOutput(session, filesOf(folder)))
        return code;
  if (dryRun) {
    printPlan(session, compilation);
    return ExitOk;
  }
  if (to != Phase::Executable)
    return printModule(session, compilation.module());
  return writeProgram(session, compilation);
}

std::unique_ptr<Command> createCompileCommand() { return std::make_unique<CompileCommand>(); }

} // namespace stoop::driver

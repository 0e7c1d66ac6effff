//===- InspectCommand.cpp - stoop inspect ---------------------------------===//
//
// One report from three kinds of input: the manifest of a program, dumped IR (a
// report needs phase planned, so earlier phases are taken there), a checkpoint.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/Manifest.h"
#include "compiler/commands/Command.h"
#include "compiler/driver/Compilation.h"
#include "compiler/driver/Packaging.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Support/FileSystem.h"
#include <CLI/CLI.hpp>

using namespace mlir;

namespace stoop::driver {

namespace {

class InspectCommand : public Command {
public:
  void declare(CLI::App &app) override;
  int run(const CLI::App &app) override;

private:
  int inspectProgram(Session &session, const CLI::App &app);
  int inspectModel(Session &session, const CLI::App &app, bool isCheckpoint);

  OutputOptions output;
  ModelOptions model;
  CompileOptions options;
  std::string format = "text";
};

} // namespace

void InspectCommand::declare(CLI::App &app) {
  declareModelOptions(app, model, /*required=*/true);
  app.get_option("CHECKPOINT")
      ->description("program, dumped IR, or directory in Hugging Face layout");
  declareCompileOptions(app, options);
  app.add_option("--format", format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  declareOutputOptions(app, output);
}

int InspectCommand::inspectProgram(Session &session, const CLI::App &app) {
  const llvm::json::Object flags = flagLedger(app);
  if (const llvm::json::Array &used = *flags.getArray("used"); !used.empty()) {
    session.error(used[0].getAsObject()->getString("key").value_or("") + " does not apply to '" +
                  model.checkpoint + "': it is compiled already");
    return ExitUsage;
  }
  llvm::Expected<std::string> manifest = codegen::readManifest(model.checkpoint);
  if (!manifest) {
    session.error(manifest.takeError());
    return ExitBadInput;
  }
  llvm::Expected<llvm::json::Value> report = llvm::json::parse(*manifest);
  if (!report || !report->getAsObject()) {
    session.error("'" + model.checkpoint + "' carries a damaged manifest" +
                  (report ? std::string() : ": " + llvm::toString(report.takeError())));
    return ExitBadInput;
  }
  printReport(session, *report->getAsObject());
  return ExitOk;
}

int InspectCommand::inspectModel(Session &session, const CLI::App &app, bool isCheckpoint) {
  Compilation compilation(session, model, options, flagLedger(app));
  if (int code = compilation.configure())
    return code;
  if (failed(isCheckpoint ? compilation.fromCheckpoint(Phase::Planned)
                          : compilation.fromFile(model.checkpoint, Phase::Planned)))
    return ExitBadInput;
  printReport(session, makeReport(compilation.module()));
  return ExitOk;
}

int InspectCommand::run(const CLI::App &app) {
  output.json |= format == "json";
  Session session(output);
  if (!llvm::sys::fs::exists(model.checkpoint)) {
    session.error("'" + model.checkpoint + "' does not exist");
    return ExitBadInput;
  }
  if (llvm::sys::fs::is_directory(model.checkpoint))
    return inspectModel(session, app, /*isCheckpoint=*/true);
  llvm::file_magic magic;
  if (!llvm::identify_magic(model.checkpoint, magic) && magic.is_object())
    return inspectProgram(session, app);
  return inspectModel(session, app, /*isCheckpoint=*/false);
}

std::unique_ptr<Command> createInspectCommand() { return std::make_unique<InspectCommand>(); }

} // namespace stoop::driver

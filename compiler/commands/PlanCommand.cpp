//===- PlanCommand.cpp - stoop plan ---------------------------------------===//
//
// The report of what compile would make: everything up to phase planned. Needs no
// weights: config.json says their shapes.
//
//===----------------------------------------------------------------------===//
#include "compiler/commands/Command.h"
#include "compiler/commands/ReportInput.h"
#include "compiler/driver/Compilation.h"
#include "compiler/driver/Packaging.h"
#include <CLI/CLI.hpp>

namespace stoop::driver {

namespace {

class PlanCommand : public Command {
public:
  void declare(CLI::App &app) override {
    declareModelOptions(app, model, /*required=*/true);
    app.get_option("CHECKPOINT")
        ->description("directory in Hugging Face layout, or a config.json alone");
    model.configAlone = true;
    declareCompileOptions(app, options);
    declareOutputOptions(app, output);
  }

  int run(const CLI::App &app) override {
    Session session(output);
    if (int code = refuseCompiled(session, model.checkpoint, "plan"))
      return code;
    Compilation compilation(session, model, options, flagLedger(app));
    if (int code = compilation.configure())
      return code;
    if (mlir::failed(compilation.fromCheckpoint(Phase::Planned)))
      return compilation.failureCode();
    printPlan(session, compilation);
    return ExitOk;
  }

private:
  OutputOptions output;
  ModelOptions model;
  CompileOptions options;
};

} // namespace

std::unique_ptr<Command> createPlanCommand() { return std::make_unique<PlanCommand>(); }

} // namespace stoop::driver

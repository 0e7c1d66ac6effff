//===- TargetsCommand.cpp - stoop targets ---------------------------------===//
//
// What can be compiled for, and what of it runs here.
//
//===----------------------------------------------------------------------===//
#include "codegen/TargetRegistry.h"
#include "compiler/commands/Command.h"
#include "compiler/driver/Options.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <CLI/CLI.hpp>

namespace stoop::driver {

namespace {

class TargetsCommand : public Command {
public:
  void declare(CLI::App &app) override {
    app.add_flag("--json", json, "one JSON document on standard output");
  }
  int run(const CLI::App &) override {
    json ? printJson() : printText();
    return ExitOk;
  }

private:
  static void printText();
  static void printJson();
  bool json = false;
};

} // namespace

void TargetsCommand::printText() {
  for (const codegen::TargetBackend *backend : codegen::targetBackends()) {
    llvm::outs() << "target " << backend->getName() << "\n";
    for (const std::string &device : backend->devices())
      llvm::outs() << "  this machine has " << device << "\n";
    for (const codegen::ArchitectureInfo &level : backend->describe())
      llvm::outs() << "  " << llvm::left_justify(level.name, 16)
                   << (level.onThisMachine ? " runs here   needs " : " not here    needs ")
                   << level.needs << "\n";
  }
}

void TargetsCommand::printJson() {
  llvm::json::Array targets;
  for (const codegen::TargetBackend *backend : codegen::targetBackends()) {
    llvm::json::Array levels;
    for (const codegen::ArchitectureInfo &level : backend->describe())
      levels.push_back(llvm::json::Object{
          {"name", level.name}, {"needs", level.needs}, {"on_this_machine", level.onThisMachine}});
    targets.push_back(
        llvm::json::Object{{"name", backend->getName()},
                           {"devices", llvm::json::Array(backend->devices())},
                           {"levels", std::move(levels)}});
  }
  llvm::json::Object document{{"schema_version", 1}, {"targets", std::move(targets)}};
  llvm::outs() << llvm::formatv("{0:2}", llvm::json::Value(std::move(document))) << "\n";
}

std::unique_ptr<Command> createTargetsCommand() { return std::make_unique<TargetsCommand>(); }

} // namespace stoop::driver

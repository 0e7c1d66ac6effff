//===- DiffCommand.cpp - stoop diff ---------------------------------------===//
//
// What changed between two programs, or whatever else has a report. Like diff(1), exits with 1 when
// something did; an error does so too, and says why on standard error. --quiet leaves the code alone.
//
//===----------------------------------------------------------------------===//
#include "compiler/commands/Command.h"
#include "compiler/commands/OutputCheck.h"
#include "compiler/commands/ReportInput.h"
#include "compiler/inspect/Diff.h"
#include "compiler/inspect/Html.h"
#include "llvm/Support/FormatVariadic.h"
#include <CLI/CLI.hpp>

namespace stoop::driver {

namespace {

class DiffCommand : public Command {
public:
  void declare(CLI::App &app) override;
  int run(const CLI::App &app) override;

private:
  int print(Session &session, const llvm::json::Object &a, const llvm::json::Object &b,
            const llvm::json::Array &differences) const;

  OutputOptions output;
  std::string first, second, format = "text", outputFile;
  bool all = false;
};

} // namespace

void DiffCommand::declare(CLI::App &app) {
  app.add_option("A", first, "program, dumped IR, report, checkpoint directory or config.json")->required();
  app.add_option("B", second, "the same of what it is compared with")->required();
  app.add_option("--format", format, "text, json or html")
      ->check(CLI::IsMember({"text", "json", "html"}))
      ->capture_default_str();
  app.add_option("-o,--output", outputFile, "file to write (default: standard output)");
  app.add_flag("--all", all, "every difference, not the first ones of each section");
  declareOutputOptions(app, output);
}

int DiffCommand::print(Session &session, const llvm::json::Object &a, const llvm::json::Object &b,
                       const llvm::json::Array &differences) const {
  if (format == "text" && !output.json && outputFile.empty()) {
    inspect::printDiff(differences, all ? ~size_t(0) : 10, inspect::TextOutput::standard());
    return ExitOk;
  }
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (output.json || format == "json")
    stream << llvm::formatv(
        "{0:2}\n",
        llvm::json::Value(llvm::json::Object{
            {"a", first}, {"b", second}, {"differences", llvm::json::Array(differences)}}));
  else if (format == "html")
    inspect::writeHtml(b, &a, stream);
  else
    inspect::printDiff(differences, all ? ~size_t(0) : 10, {stream});
  return writeText(session, outputFile, text);
}

/// The flags of a compile that was given none: a checkpoint is compared as that would make it.
static llvm::json::Object defaultFlags() {
  CLI::App app;
  ModelOptions model;
  CompileOptions options;
  declareModelOptions(app, model, /*required=*/false);
  declareCompileOptions(app, options);
  return flagLedger(app);
}

int DiffCommand::run(const CLI::App &) {
  Session session(output);
  if (output.json && format == "html") {
    session.error("--json and --format html contradict each other");
    return ExitUsage;
  }
  if (output.quiet && (output.json || format != "text" || !outputFile.empty())) {
    session.error("--quiet and " +
                  std::string(output.json ? "--json" : format != "text" ? "--format" : "-o") +
                  " contradict each other: it leaves nothing but the exit code");
    return ExitUsage;
  }
  for (const std::string &input : {first, second})
    if (int code = refuseInputAsOutput(session, "-o", outputFile, filesOf(input)))
      return code;
  llvm::json::Object a, b;
  for (auto [path, report] : {std::pair(&first, &a), std::pair(&second, &b)}) {
    ModelOptions model;
    model.checkpoint = *path;
    if (int code = loadReport(session, model, CompileOptions(), defaultFlags(), *report))
      return code;
  }
  llvm::json::Array differences = inspect::diffReports(a, b);
  if (int code = output.quiet ? int(ExitOk) : print(session, a, b, differences))
    return code;
  return differences.empty() ? ExitOk : ExitBadInput;
}

std::unique_ptr<Command> createDiffCommand() { return std::make_unique<DiffCommand>(); }

} // namespace stoop::driver

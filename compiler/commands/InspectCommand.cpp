//===- InspectCommand.cpp - stoop inspect ---------------------------------===//
//
// One report, whatever holds it, as text, JSON or a page; or one op's story.
//
//===----------------------------------------------------------------------===//
#include "compiler/commands/Command.h"
#include "compiler/commands/OutputCheck.h"
#include "compiler/commands/ReportInput.h"
#include "compiler/inspect/Html.h"
#include "compiler/inspect/ReportText.h"
#include "compiler/inspect/Why.h"
#include "llvm/Support/FormatVariadic.h"
#include <CLI/CLI.hpp>

namespace stoop::driver {

namespace {

class InspectCommand : public Command {
public:
  void declare(CLI::App &app) override;
  int run(const CLI::App &app) override;

private:
  std::string contradiction(const CLI::App &app) const;
  int explain(Session &session, const llvm::json::Object &report) const;
  std::string render(Session &session, const llvm::json::Object &report) const;

  OutputOptions output;
  ModelOptions model;
  CompileOptions options;
  std::string format = "text", outputFile, why;
  std::vector<std::string> sections;
};

} // namespace

void InspectCommand::declare(CLI::App &app) {
  declareModelOptions(app, model, /*required=*/true);
  app.get_option("CHECKPOINT")
      ->description("program, dumped IR, report, directory in Hugging Face layout, or a config.json alone");
  declareCompileOptions(app, options);
  app.add_option("--format", format, "text, json or html")
      ->check(CLI::IsMember({"text", "json", "html"}))
      ->capture_default_str();
  app.add_option("-o,--output", outputFile, "file to write (default: standard output)");
  std::vector<std::string> names(inspect::sectionNames().begin(), inspect::sectionNames().end());
  app.add_option("--section", sections, "print these sections in full; comma list")
      ->delimiter(',')
      ->allow_extra_args(false) // else the list would swallow CHECKPOINT
      ->transform([](std::string name) { return CLI::detail::trim(name); })
      ->check(CLI::IsMember(names));
  app.add_option("--why", why,
                 "tell one op's story: layers.3.attn.out, layers.3.self_attention.dense, lm.norm");
  declareOutputOptions(app, output);
}

/// The first contradiction between flags; empty when there is none.
std::string InspectCommand::contradiction(const CLI::App &app) const {
  if (why.empty() && app.get_option("--why")->count())
    return "--why expects the name of an op or of a part of the model, got ''";
  if (!why.empty() && format == "html")
    return "--why and --format html contradict each other: a page tells of every op";
  if (!why.empty() && !sections.empty())
    return "--why and --section contradict each other";
  if (!sections.empty() && (output.json || format != "text"))
    return "--section and --format " + (output.json ? "json" : format) +
           " contradict each other: it holds all sections";
  if (output.json && format == "html")
    return "--json and --format html contradict each other";
  return "";
}

static std::string jsonText(const llvm::json::Object &object) {
  return llvm::formatv("{0:2}\n", llvm::json::Value(llvm::json::Object(object))).str();
}

int InspectCommand::explain(Session &session, const llvm::json::Object &report) const {
  llvm::Expected<llvm::json::Object> answer = inspect::explain(report, why);
  if (!answer) {
    session.error(answer.takeError());
    return ExitBadInput;
  }
  if (output.json)
    return writeText(session, outputFile, jsonText(*answer));
  if (outputFile.empty())
    return inspect::printExplanation(*answer, inspect::TextOutput::standard()), ExitOk;
  std::string text;
  llvm::raw_string_ostream stream(text);
  inspect::printExplanation(*answer, {stream});
  return writeText(session, outputFile, text);
}

/// The whole report in the format asked for, without colour.
std::string InspectCommand::render(Session &session, const llvm::json::Object &report) const {
  if (output.json)
    return jsonText(report);
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (format == "html")
    inspect::writeHtml(report, nullptr, stream);
  else if (!sections.empty() || session.output().verbose)
    inspect::printSections(report, sections, {stream});
  else
    inspect::printSummary(report, {stream});
  return text;
}

int InspectCommand::run(const CLI::App &app) {
  output.json |= format == "json";
  Session session(output);
  if (std::string why = contradiction(app); !why.empty()) {
    session.error(why);
    return ExitUsage;
  }
  if (int code = refuseInputAsOutput(session, "-o", outputFile, filesOf(model.checkpoint)))
    return code;
  if (output.verbose && sections.empty())
    sections = {"all"};
  llvm::json::Object report;
  if (int code = loadReport(session, model, options, flagLedger(app), report))
    return code;
  if (!why.empty())
    return explain(session, report);
  inspect::TextOutput standard = inspect::TextOutput::standard();
  if (!outputFile.empty() || output.json || format == "html" || !standard.color)
    return writeText(session, outputFile, render(session, report));
  if (sections.empty())
    inspect::printSummary(report, standard);
  else
    inspect::printSections(report, sections, standard);
  return ExitOk;
}

std::unique_ptr<Command> createInspectCommand() { return std::make_unique<InspectCommand>(); }

} // namespace stoop::driver

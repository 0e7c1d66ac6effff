//===- main.cpp - the stoop program ---------------------------------------===//
//
// Parses the command line and runs one subcommand. Usage errors exit with 2.
//
//===----------------------------------------------------------------------===//
#include "compiler/commands/Command.h"
#include "compiler/driver/Options.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <unistd.h>

using namespace stoop::driver;

static void exitInterrupted() { _exit(ExitInterrupted); }

static int usageError(const std::string &message) {
  std::cerr << "stoop: error: " << message << "\nRun with --help for more information.\n";
  return ExitUsage;
}

static bool isLaterCommand(const std::string &name) {
#define STOOP_COMMAND(Id, name, summary)
#define STOOP_LATER_COMMAND(later)                                                                 \
  if (name == later)                                                                               \
    return true;
#include "compiler/commands/Commands.def"
  return false;
}

/// Flushes standard output; a full disk or a closed pipe is an error with a message, not LLVM's abort at exit.
static int finishOutput(int exitCode) {
  llvm::raw_fd_ostream &out = llvm::outs();
  out.flush();
  std::cout.flush();
  if (!out.has_error() && std::cout)
    return exitCode;
  std::string reason = out.has_error() ? out.error().message() : "write failed";
  out.clear_error();
  std::cerr << "stoop: error: standard output: " << reason << '\n';
  return exitCode == ExitOk ? ExitBadInput : exitCode;
}

static int runStoop(int argc, char **argv) {
  CLI::App app("Stoop compiles a Falcon checkpoint into one executable.", "stoop");
  app.set_version_flag("--version", "stoop " STOOP_VERSION);
  app.require_subcommand(0, 1);
  std::vector<std::pair<CLI::App *, std::unique_ptr<Command>>> commands;
#define STOOP_COMMAND(Id, name, summary)                                                           \
  commands.emplace_back(app.add_subcommand(name, summary), create##Id##Command());                 \
  commands.back().second->declare(*commands.back().first);
#include "compiler/commands/Commands.def"
  std::string topic;
  CLI::App *help = app.add_subcommand("help", "explain a command");
  help->add_option("COMMAND", topic);

  std::vector<std::string> words = normalizeArguments(argc, argv);
  if (!words.empty() && isLaterCommand(words[0]))
    return usageError("command '" + words[0] + "' is not part of this version");
  std::reverse(words.begin(), words.end()); // as CLI11 wants them
  try {
    app.parse(words);
  } catch (const CLI::Success &success) { // --help, --version
    return app.exit(success, std::cout, std::cerr);
  } catch (const CLI::ParseError &error) {
    return usageError(error.what());
  }
  for (auto &[subcommand, command] : commands) {
    if (help->parsed() && subcommand->get_name() == topic)
      return std::cout << subcommand->help("stoop"), ExitOk;
    if (subcommand->parsed())
      return command->run(*subcommand);
  }
  if (help->parsed() && !topic.empty())
    return usageError("there is no command '" + topic + "'");
  (help->parsed() ? std::cout : std::cerr) << app.help();
  return help->parsed() ? ExitOk : ExitUsage;
}

int main(int argc, char **argv) {
  llvm::sys::SetInterruptFunction(exitInterrupted);
  return finishOutput(runStoop(argc, argv));
}

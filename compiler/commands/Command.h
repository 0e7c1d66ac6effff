//===- Command.h - one subcommand of stoop ----------------------*- C++ -*-===//
//
// A command declares its flags on an app of its own and then runs. Commands.def
// lists them; each lives in a file of its own.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_COMMANDS_COMMAND_H
#define STOOP_COMPILER_COMMANDS_COMMAND_H

#include <memory>

namespace CLI {
class App;
}

namespace stoop::driver {

/// A subcommand; lives from declaration to the end of the process.
class Command {
public:
  virtual ~Command() = default;
  /// Declares flags and positionals; they are bound to this object.
  virtual void declare(CLI::App &app) = 0;
  /// Does the work after parsing; returns an ExitCode (compiler/driver/Options.h).
  virtual int run(const CLI::App &app) = 0;
};

#define STOOP_COMMAND(Id, name, summary) std::unique_ptr<Command> create##Id##Command();
#include "compiler/commands/Commands.def"

} // namespace stoop::driver

#endif

//===- ReportInput.h - a report from whatever holds one ---------*- C++ -*-===//
#ifndef STOOP_COMPILER_COMMANDS_REPORTINPUT_H
#define STOOP_COMPILER_COMMANDS_REPORTINPUT_H

#include "compiler/driver/Session.h"
#include "llvm/Support/JSON.h"

namespace stoop::driver {

/// The report of `model.checkpoint`, which is a program, IR (taken to phase planned where it is
/// earlier), a report as JSON, a checkpoint, or a config.json alone. `flags` is the command's ledger; flags that shape a
/// program contradict what has its shape already. Returns ExitOk, or the code of the error that it
/// reported.
int loadReport(Session &session, const ModelOptions &model, const CompileOptions &options,
               llvm::json::Object flags, llvm::json::Object &report);

/// Refuses a file that `command` cannot take for a checkpoint or config.json and says which command
/// does. ExitOk, or after an error the code.
int refuseCompiled(Session &session, const std::string &path, const std::string &command);

/// Writes text to a file, or to standard output if `path` is empty; ExitOk, or after an error the
/// code.
int writeText(Session &session, const std::string &path, const std::string &text);

} // namespace stoop::driver

#endif

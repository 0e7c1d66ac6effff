//===- OutputCheck.h - an output is never an input --------------*- C++ -*-===//
//
// A file is its device and inode, so that links and other spellings of a path are found out.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_COMMANDS_OUTPUTCHECK_H
#define STOOP_COMPILER_COMMANDS_OUTPUTCHECK_H

#include "compiler/driver/Session.h"

namespace stoop::driver {

/// The files that a command reads of `path`: itself if it is a file; of a checkpoint directory the
/// config, the tokenizer, the weights and the shards that their index names.
std::vector<std::string> filesOf(const std::string &path);

/// Reports `output` (of the flag `flag`) that is one of `inputs` and returns ExitUsage, else ExitOk.
/// Empty and missing files are none.
int refuseInputAsOutput(Session &session, llvm::StringRef flag, const std::string &output,
                        llvm::ArrayRef<std::string> inputs);

} // namespace stoop::driver

#endif

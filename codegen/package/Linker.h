//===- Linker.h - Objects to a position-independent executable --*- C++ -*-===//
//
// Links the runtime object and the model's objects with lld inside this
// process, against the libc.so.6 of this machine, so that compiling a model
// needs neither a linker nor libc's development files.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_PACKAGE_LINKER_H
#define STOOP_CODEGEN_PACKAGE_LINKER_H

#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace stoop::codegen {

/// What one link needs.
struct LinkJob {
  std::string runtimeObject; ///< path of stoop_rt.o; defines _start
  /// Kernels and program descriptor: a name for messages, and the object file's bytes.
  std::vector<std::pair<std::string, std::string>> objects;
  std::string libc; ///< path of libc.so.6; empty: the one this process runs with
};

/// Path of the libc.so.6 that this process has loaded, or an error when it is linked statically.
llvm::Expected<std::string> findLibc();

/// Links `job` and returns the program's bytes. The error holds lld's own messages. Safe to call
/// from several threads: links are serialised, because lld keeps global state.
llvm::Expected<std::string> link(const LinkJob &job);

} // namespace stoop::codegen

#endif

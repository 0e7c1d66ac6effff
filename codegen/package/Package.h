//===- Package.h - a compiled program to an executable file -----*- C++ -*-===//
//
// The last phase: links the binaries of a plan.program with the runtime and
// writes the executable with its weights. Everything before is IR.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_PACKAGE_PACKAGE_H
#define STOOP_CODEGEN_PACKAGE_PACKAGE_H

#include "codegen/package/Linker.h"
#include "codegen/package/Manifest.h"
#include "ir/plan/PlanOps.h"

namespace stoop::codegen {

/// What packaging needs besides the program.
struct PackageJob {
  std::string runtimeObject; ///< path of stoop_rt.o
  std::string descriptor;    ///< object that defines stoop_program_query
  std::string tokenizer;     ///< blob; empty: none
  std::string weightsFolder; ///< where the checkpoint lies now; empty: where the IR says
  llvm::json::Object report; ///< becomes the manifest
  Provenance provenance;
  std::string saveTemps; ///< folder for objects; empty: keep none
  std::optional<uint64_t> mostCodeBytes; ///< more are refused
  unsigned numThreads = 1;
  PackProgress progress;
  std::function<void(const std::string &)> warn;
};

/// Writes the executable of `program` (phase binaries) to `output`. Returns the manifest.
llvm::Expected<llvm::json::Object> packageProgram(plan::ProgramOp program, PackageJob job,
                                                  const std::string &output);

} // namespace stoop::codegen

#endif

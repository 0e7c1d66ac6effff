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

/// The linked code takes more than the job's mostCodeBytes.
class CodeTooLarge : public llvm::ErrorInfo<CodeTooLarge> {
public:
  static char ID;
  explicit CodeTooLarge(uint64_t bytes) : bytes(bytes) {}
  uint64_t getBytes() const { return bytes; }
  void log(llvm::raw_ostream &out) const override { out << "the code takes " << bytes << " bytes"; }
  std::error_code convertToErrorCode() const override {
    return std::make_error_code(std::errc::not_enough_memory);
  }

private:
  uint64_t bytes;
};

/// What packaging needs besides the program.
struct PackageJob {
  std::string runtimeObject; ///< path of stoop_rt.o
  std::string descriptor;    ///< object that defines stoop_program_query
  std::string tokenizer;     ///< blob; empty: none
  std::string weightsFolder; ///< where the checkpoint lies now; empty: where the IR says
  llvm::json::Object report; ///< becomes the manifest
  Provenance provenance;
  std::string saveTemps; ///< folder for objects; empty: keep none
  std::optional<uint64_t> mostCodeBytes; ///< more are a CodeTooLarge
  unsigned numThreads = 1;
  PackProgress progress;
  std::function<void(const std::string &)> warn;
};

/// Bytes that the code of `program` (phase binaries) takes in memory, linked with a descriptor and the
/// runtime object at `runtimeObject`.
llvm::Expected<uint64_t> linkedCodeBytes(plan::ProgramOp program, std::string descriptor,
                                         std::string runtimeObject);

/// Writes the executable of `program` (phase binaries) to `output`. Returns the manifest.
llvm::Expected<llvm::json::Object> packageProgram(plan::ProgramOp program, PackageJob job,
                                                  const std::string &output);

} // namespace stoop::codegen

#endif

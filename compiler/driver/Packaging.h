//===- Packaging.h - reports and executables from a module ------*- C++ -*-===//
#ifndef STOOP_COMPILER_DRIVER_PACKAGING_H
#define STOOP_COMPILER_DRIVER_PACKAGING_H

#include "compiler/driver/Compilation.h"

namespace stoop::driver {

/// The report of a module at phase planned or later; empty if it holds no program.
llvm::json::Object makeReport(mlir::ModuleOp module);

/// Prints what a planned compilation needs on this machine, then its report; with --json one
/// document with the need in its memory section.
void printPlan(Session &session, Compilation &compilation);

/// Prints the report of a planned module to standard output, as text or, with --json, as JSON.
void printReport(Session &session, const llvm::json::Object &report);

/// Bytes that the linked code of a compilation at phase binaries takes in memory.
mlir::FailureOr<uint64_t> linkedBytes(Session &session, Compilation &compilation);

/// Where and how to write an executable.
struct PackagingOptions {
  std::string output;
  std::string weightsFolder; ///< empty: where the IR says
  std::string saveTemps;     ///< empty: keep no objects
};

/// Writes the executable of a compilation at phase binaries and reads its manifest back, which is
/// the phase's gate. Returns the manifest. With a memory budget the code must fit too.
mlir::FailureOr<llvm::json::Object> packageExecutable(Session &session, Compilation &compilation,
                                                      TokenizerBlob tokenizer,
                                                      PackagingOptions options);

} // namespace stoop::driver

#endif

//===- Session.h - one run of the compiler ----------------------*- C++ -*-===//
//
// Owns the MLIR context, runs phases with their pipelines and gates, and is the
// one place where errors become messages on standard error. Nothing is printed
// to standard output.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_DRIVER_SESSION_H
#define STOOP_COMPILER_DRIVER_SESSION_H

#include "compiler/driver/Options.h"
#include "compiler/driver/Phase.h"
#include "compiler/driver/Progress.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include <array>
#include <set>

namespace stoop::driver {

/// The flags of all passes of a phase, in order.
std::vector<std::string> passFlags(mlir::MLIRContext &context, Phase phase);

/// Context, diagnostics and phases of one command.
class Session {
public:
  explicit Session(const OutputOptions &output);
  ~Session();

  mlir::MLIRContext &context() { return *mlirContext; }
  const ProgressStyle &progressStyle() const { return style; }
  const OutputOptions &output() const { return outputOptions; }
  /// Threads to use for work outside MLIR.
  unsigned numThreads() const;

  /// Prints "stoop: error: ..."; the command then fails.
  void error(const llvm::Twine &message);
  void error(llvm::Error failure) { error(llvm::toString(std::move(failure))); }
  /// Prints "stoop: warning: ...", unless muted: what is compiled on the side has been warned of.
  void warning(const llvm::Twine &message);
  void muteWarnings() { isMuted = true; }
  /// Prints a line under --verbose.
  void say(const llvm::Twine &message);
  /// Warnings so far, for the manifest.
  const std::vector<std::string> &warnings() const { return allWarnings; }

  /// Reads IR from a file, text or bytecode. Null after an error.
  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &path);

  /// Leaves out these passes, named by their flags. Fails on a gate, on what every program (of the target) needs, and on a
  /// name that is no pass of a phase.
  mlir::LogicalResult disablePasses(const std::vector<std::string> &flags, llvm::StringRef target);
  /// Prints the passes' remarks of categories that match. Fails on what is no regular expression.
  mlir::LogicalResult printRemarks(const std::string &filter);
  /// Writes the module to DIR/N-phase.mlir after each phase.
  void dumpPhasesTo(const std::string &directory) { dumpDirectory = directory; }
  /// Options of a phase's pipeline, in the syntax of pass pipelines. Phase binaries has its own.
  void setPipelineOptions(Phase phase, std::string options);
  /// CPU levels, or what else the target calls architectures, to compile for.
  void setArchitectures(std::string list) { architectures = std::move(list); }

  /// Most threads that the program may use; 0: no limit of its own.
  void setMaxThreads(unsigned count) { maxThreads = count; }

  /// Takes a module that is at phase `from` (its gate not yet run, if `runFrom`) to phase `to`,
  /// which is at most `binaries`.
  mlir::LogicalResult advance(mlir::ModuleOp module, Phase from, Phase to, bool runFrom);

private:
  mlir::LogicalResult handle(mlir::Diagnostic &diagnostic);
  mlir::LogicalResult runPhase(mlir::ModuleOp module, Phase phase);
  mlir::LogicalResult runBinaries(mlir::ModuleOp module);
  mlir::LogicalResult dump(mlir::ModuleOp module, Phase phase);

  OutputOptions outputOptions;
  ProgressStyle style;
  std::unique_ptr<mlir::MLIRContext> mlirContext;
  mlir::DiagnosticEngine::HandlerID handler;
  std::set<std::string> disabled;
  std::string dumpDirectory, architectures = "host";
  std::array<std::string, 7> pipelineOptions;
  unsigned maxThreads = 0;
  bool isMuted = false;
  std::vector<std::string> allWarnings;
};

/// Where a location points, for messages: a model path or file:line:column; empty if unknown.
std::string describeLocation(mlir::Location location);

} // namespace stoop::driver

#endif

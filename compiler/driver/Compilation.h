//===- Compilation.h - from the command line to a module --------*- C++ -*-===//
//
// What compile, plan and inspect share: checking options against each other,
// getting a module from a checkpoint or from IR, and taking it to a phase.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_DRIVER_COMPILATION_H
#define STOOP_COMPILER_DRIVER_COMPILATION_H

#include "compiler/driver/Budget.h"
#include "compiler/driver/Calibration.h"
#include "compiler/driver/Frontend.h"

namespace stoop::driver {

/// A module on its way through the phases.
class Compilation {
public:
  /// `flags`: the command's ledger of flags (flagLedger), which the module remembers.
  Compilation(Session &session, ModelOptions model, CompileOptions options,
              llvm::json::Object flags)
      : session(session), modelOptions(std::move(model)), compileOptions(std::move(options)),
        flags(std::move(flags)) {}

  /// Checks options that depend on the machine or on passes and hands them to the session. Returns
  /// ExitOk or the exit code of the error that it reported.
  int configure();

  /// Imports the checkpoint and runs the phases up to `to` (at most binaries).
  mlir::LogicalResult fromCheckpoint(Phase to);
  /// Reads IR that is at phase `from` and runs the phases behind it up to `to`.
  mlir::LogicalResult fromFile(const std::string &path, Phase from, Phase to);
  /// The same with the phase found out from the IR.
  mlir::LogicalResult fromFile(const std::string &path, Phase to);

  /// The exit code of the failure that one of these returned.
  int failureCode() const { return failedFor; }

  /// What the program of phase planned needs here; no threads given: this machine's processors.
  MemoryNeed need();
  std::optional<uint64_t> memoryBudget() const { return compileOptions.memoryBudget; }

  /// What the budget leaves for the code; none without a budget.
  std::optional<uint64_t> mostCodeBytes();
  /// Refuses a program whose linked code takes more than that.
  void refuseCode(uint64_t bytes);

  mlir::ModuleOp module() { return *checkpoint.module; }
  /// The tokenizer to carry; when the module came from a file, it is read from `weightsFolder` or
  /// from where the weights lie, if the module says that it has one.
  mlir::FailureOr<TokenizerBlob> tokenizer(const std::string &weightsFolder);
  /// The folders of the checkpoint files that weights name: `weightsFolder` if one is given.
  std::vector<std::string> weightsFolders(const std::string &weightsFolder);

private:
  /// What a candidate is planned for: tokens (0: the config's) and sequences.
  struct Shape {
    int64_t context, batch;
  };
  /// A plan that is made to know what it needs.
  struct Trial {
    int64_t context;
    MemoryNeed need;
  };

  void preparePhases(Session &phases) const;
  /// Reports an error of usage and remembers its exit code.
  mlir::LogicalResult refuseUsage(const llvm::Twine &message);
  /// Refuses --disable-pass of a pass that no phase from `first` to `last` runs.
  mlir::LogicalResult checkDisabled(Phase first, Phase last);
  /// Refuses to begin what phase binaries could not end on this machine.
  mlir::LogicalResult checkCompiler(Phase last);
  mlir::LogicalResult advance(Phase from, Phase to, bool runFrom);
  mlir::LogicalResult fitContext();
  mlir::LogicalResult checkFactors();
  mlir::LogicalResult chooseActivations();
  MemoryNeed needOf(plan::ProgramOp program) const;
  mlir::LogicalResult checkBudget();
  void refuse(const MemoryNeed &planned);
  std::optional<Trial> tryOut(Shape shape);
  mlir::LogicalResult learnCode(Shape shape);
  std::optional<int64_t> largest(int64_t most, llvm::function_ref<Shape(int64_t)> shapeOf);
  std::optional<int64_t> largestContext(int64_t most, int64_t batch);
  std::string whatFits(Shape shape);
  bool isLinked(Phase to) const;
  unsigned threads() const;

  Session &session;
  ModelOptions modelOptions;
  CompileOptions compileOptions;
  llvm::json::Object flags;
  std::vector<std::string> levels; ///< of the target, resolved
  std::string tuningOptions;       ///< of phase scheduled
  ImportedCheckpoint checkpoint;
  CalibratedFiles calibrated; ///< that weights of the module are read from
  bool isFromFile = false;
  int failedFor = ExitBadInput;
  bool linksCode = false;  ///< the budget counts what the code takes, not a reserve
  uint64_t linkedCode = 0; ///< bytes; 0: not known yet
  std::unique_ptr<Session> trialSession;
};

/// The phase that a module's ops show; nothing for a module that is none of Stoop's.
std::optional<Phase> detectPhase(mlir::ModuleOp module);

} // namespace stoop::driver

#endif

//===- Evaluator.h - executes lm entries ------------------------------------------------------===//
//
// The numeric oracle: runs an lm.entry of any phase up to `scheduled` op by op. Rows of a static
// entry beyond the step's tokens are padding (slot -1): they are computed and never observed.
//
//===------------------------------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_REFERENCE_EVALUATOR_H
#define STOOP_CODEGEN_REFERENCE_EVALUATOR_H

#include "codegen/reference/Tensor.h"
#include "codegen/reference/Weights.h"
#include "ir/lm/LmOps.h"

#include "llvm/ADT/DenseMap.h"

#include <variant>
#include <vector>

namespace mlir {
class DialectRegistry;
}

namespace stoop::reference {

/// One step's input: a token, its position and its sequence per row.
struct Step {
  std::vector<int32_t> tokens, positions, slots;
};

/// What an SSA value holds. Tensors share storage; a cache is owned by the evaluator.
using Datum = std::variant<Tensor, std::vector<int32_t>, KvLayer *>;

class Evaluator;

/// The values of one block under evaluation.
class Frame {
public:
  Frame(Evaluator &evaluator, int64_t validRows) : evaluator(evaluator), validRows(validRows) {}

  void define(mlir::Value value, Datum datum) { values[value] = std::move(datum); }
  const Datum &datum(mlir::Value value) const;
  const Tensor &tensor(mlir::Value value) const { return std::get<Tensor>(datum(value)); }
  llvm::ArrayRef<int32_t> indices(mlir::Value value) const {
    return std::get<std::vector<int32_t>>(datum(value));
  }
  KvLayer &cache(mlir::Value value) const { return *std::get<KvLayer *>(datum(value)); }

  /// Drops a value that no later op reads.
  void forget(mlir::Value value) { values.erase(value); }

  /// Evaluates all ops of `block` but its terminator, whose operands' values are returned.
  llvm::FailureOr<std::vector<Datum>> run(mlir::Block &block);

  Evaluator &evaluator; ///< weights and caches
  int64_t validRows;    ///< rows of this step that carry a token

private:
  llvm::DenseMap<mlir::Value, Datum> values;
};

/// Executes entries of one model and keeps its KV caches between steps.
class Evaluator {
public:
  /// `model` must outlive the evaluator; weights are read from the files that it names.
  explicit Evaluator(lm::ModelOp model) : model(model) {}

  /// The logits of one step, [rows or 1, vocab]; padding rows are cut off. Errors are emitted: rows
  /// that do not fit the entry, ids, positions or slots out of range, ops without a reference.
  llvm::FailureOr<Tensor> run(lm::EntryOp entry, const Step &step);

  /// The entry named `name`, or null.
  lm::EntryOp lookup(llvm::StringRef name) { return model.lookupSymbol<lm::EntryOp>(name); }
  lm::ModelOp getModel() { return model; }

  /// A new frame of `entry` whose arguments hold `step`, with padding rows; errors as for run().
  llvm::FailureOr<Frame> enter(lm::EntryOp entry, const Step &step);

  /// Forgets all cached keys and values.
  void resetCaches() { caches.clear(); }
  /// Forgets one layer's.
  void release(KvLayer *layer);
  /// Forgets converted weights; values that hold one keep it.
  void releaseWeights() { weights.clear(); }

  llvm::FailureOr<Tensor> weight(mlir::Operation *user, mlir::FlatSymbolRefAttr symbol);
  llvm::FailureOr<KvLayer *> cache(mlir::Operation *user, mlir::FlatSymbolRefAttr symbol,
                                   int64_t layer);

private:
  llvm::LogicalResult checkStep(lm::EntryOp entry, const Step &step);

  lm::ModelOp model;
  Weights weights;
  llvm::DenseMap<mlir::Operation *, std::vector<std::unique_ptr<KvLayer>>> caches; ///< by layer
};

/// Attaches the evaluation of every lm op to `registry`.
void registerReferenceModels(mlir::DialectRegistry &registry);

} // namespace stoop::reference

#include "codegen/reference/ReferenceOpInterface.h.inc"

#endif // STOOP_CODEGEN_REFERENCE_EVALUATOR_H

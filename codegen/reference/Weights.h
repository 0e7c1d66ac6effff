//===- Weights.h - parameters of a model as float32 -------------------------------------------===//
//
// Reads what an lm.weight describes: tensors stacked from checkpoint files (mapped, not copied),
// reordered and rounded, or a generated table. Each weight is converted once, at its first use.
//
//===------------------------------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_REFERENCE_WEIGHTS_H
#define STOOP_CODEGEN_REFERENCE_WEIGHTS_H

#include "codegen/quant/Anticipate.h"
#include "codegen/quant/Stored.h"
#include "codegen/reference/Tensor.h"
#include "ir/lm/LmOps.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"

namespace stoop::reference {

/// The element type behind an MLIR float type; fails on any other type.
llvm::FailureOr<Element> elementOf(mlir::Type type);

/// Weights of one model. Holds mapped files and converted values; not for concurrent use.
class Weights {
public:
  /// The values of `weight`; a vector is a matrix of one row. Errors are emitted at the op.
  llvm::FailureOr<Tensor> get(lm::WeightOp weight);

  /// Forgets converted values; files stay mapped.
  void clear() { values.clear(); }

private:
  llvm::FailureOr<Tensor> read(lm::WeightOp weight);
  /// Values as stored, rows in the weight's order.
  llvm::FailureOr<std::vector<float>> readFloats(lm::WeightOp weight);
  /// What a matrix in integers is rounded against.
  llvm::FailureOr<quant::Anticipation> anticipate(lm::WeightOp weight, lm::InputsAttr inputs);
  llvm::LogicalResult quantize(lm::WeightOp weight, const std::vector<float> &stored, Tensor &tensor);
  llvm::FailureOr<Tensor> readStored(lm::WeightOp weight, mlir::StringAttr form);
  llvm::FailureOr<std::vector<quant::StoredMatrix>> mapStored(lm::WeightOp weight,
                                                              mlir::StringAttr form);
  llvm::FailureOr<const llvm::MemoryBuffer *> map(lm::WeightOp user, llvm::StringRef file);

  llvm::StringMap<std::unique_ptr<llvm::MemoryBuffer>> files;
  llvm::DenseMap<mlir::Operation *, Tensor> values;
};

} // namespace stoop::reference

#endif // STOOP_CODEGEN_REFERENCE_WEIGHTS_H

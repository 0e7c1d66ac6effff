//===- SegmentEmitter.h - prologue and epilogue functors ----------*- C++ -*-===//
//
// The two kinds of generated structs: what happens to an element of a whole row, and what becomes of a
// column's sums.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CUDA_SEGMENTEMITTER_H
#define STOOP_CODEGEN_CUDA_SEGMENTEMITTER_H

#include "ir/lm/RegionParts.h"
#include "ir/plan/PlanOps.h"
#include "llvm/Support/raw_ostream.h"

namespace stoop::codegen {

/// The name of an element type in the kernels: float, bf16, f16.
llvm::StringRef deviceType(mlir::Type element);

/// A float32 constant that CUDA C++ reads back exactly.
std::string floatLiteral(float value);

/// Prints functors of one kernel. Values get short names in program order.
class SegmentEmitter {
public:
  SegmentEmitter(plan::KernelOp kernel, const lm::RegionParts &parts, llvm::raw_ostream &out)
      : kernel(kernel), parts(parts), out(out) {}

  /// struct Rows: the prologue. Linears normalise the rows that they multiply; what is a result is stored besides.
  mlir::LogicalResult emitPrologue();
  /// struct Segment<number>. `shape`: what its template asks for besides, as further constants.
  mlir::LogicalResult emitSegment(const lm::RegionSegment &segment, unsigned number, llvm::StringRef shape = "");

private:
  unsigned argument(mlir::Value value) const {
    return llvm::cast<mlir::BlockArgument>(value).getArgNumber();
  }
  int64_t stride(unsigned operand) { return kernel.getRowStrides()[operand]; }
  llvm::StringRef elementOf(mlir::Value value) const;
  /// Operand numbers of the results that yield `value`.
  llvm::SmallVector<unsigned> resultsOf(mlir::Value value);
  std::string nameOf(mlir::Value value);
  void emitLine(mlir::Operation *op);

  mlir::FailureOr<std::string> rowSource();
  void emitResults(llvm::StringRef norm);
  std::string normedRows(mlir::Value value);
  mlir::FailureOr<std::string> linearType(lm::LinearOp linear);
  int64_t vectorOf(lm::LinearOp linear);
  std::string productOf(lm::LinearOp linear, unsigned index);
  mlir::LogicalResult emitValues(const lm::RegionSegment &segment);
  mlir::FailureOr<std::string> readOperand(mlir::Value operand);
  mlir::LogicalResult emitElementwise(lm::ElementwiseOpInterface op);
  void emitStore(const lm::RegionSegment &segment);
  void emitAppend(lm::KvAppendOp append, int64_t columns);
  std::string finalValue(mlir::Value value);
  /// What a view at the end of an epilogue looks at, and from which column on.
  struct Place {
    mlir::Value base;
    int64_t offset;
  };
  Place placeOf(mlir::Value value) const;
  std::string elementAt(mlir::Value base, llvm::StringRef values, llvm::StringRef column);

  plan::KernelOp kernel;
  const lm::RegionParts &parts;
  llvm::raw_ostream &out;
  llvm::DenseMap<mlir::Value, std::string> names;
  unsigned numNames = 0;
};

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CUDA_SEGMENTEMITTER_H

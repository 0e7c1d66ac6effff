//===- VerifyGraph.cpp - gate of phase graph -----------------------------===//
//
// What fusion and planning rely on: nothing dynamic is left, and each entry has the rows that its
// kind promises.
//
//===----------------------------------------------------------------------===//
#include "passes/graph/Passes.h"

#include "ir/lm/LmOps.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::graph {
#define GEN_PASS_DEF_VERIFYGRAPH
#include "passes/graph/Passes.h.inc"
} // namespace stoop::graph

using namespace mlir;
using namespace stoop;

/// Results are static; tensors computed from rows have the entry's rows, or one row behind an
/// lm.gather_last.
static LogicalResult verifyOp(lm::EntryOp entry, Operation &op) {
  for (Value result : op.getResults()) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (!type)
      continue;
    if (!type.hasStaticShape())
      return op.emitOpError() << "expects a static shape in phase graph, got " << type;
    bool isRows = !isa<lm::LoadWeightOp>(op);
    if (isRows && type.getDimSize(0) != entry.getRows() && type.getDimSize(0) != 1)
      return op.emitOpError() << "expects " << entry.getRows()
                              << " rows, as its entry, or one, got " << type;
  }
  return success();
}

/// A second result is the maxima of the first.
static LogicalResult verifyMaxima(lm::EntryOp entry) {
  OperandRange results = entry.getBody().front().getTerminator()->getOperands();
  if (results.size() < 2)
    return success();
  auto maxima = results[1].getDefiningOp<lm::BlockMaxOp>();
  if (!maxima || maxima.getInput() != results[0])
    return entry.emitOpError() << "expects lm.block_max of its logits as a second result";
  return success();
}

static LogicalResult verifyEntry(lm::ModelOp model, lm::EntryOp entry) {
  if (entry.getKind() == lm::EntryKind::Forward)
    return entry.emitOpError() << "of kind forward is not allowed behind phase import";
  int64_t rows = entry.getRows();
  if (ShapedType::isDynamic(rows))
    return entry.emitOpError() << "expects a static number of rows in phase graph";
  auto limit =
      entry.getKind() == lm::EntryKind::Decode ? model.getBatch() : model.getMaxPositions();
  if (rows > int64_t(limit))
    return entry.emitOpError() << "has " << rows << " rows, more than the model's "
                               << (entry.getKind() == lm::EntryKind::Decode ? "batch of "
                                                                            : "context of ")
                               << limit;
  int64_t logitRows = entry.getKind() == lm::EntryKind::Prefill ? 1 : rows;
  auto expected = RankedTensorType::get({logitRows, int64_t(model.getVocab())},
                                        Float32Type::get(entry.getContext()));
  if (entry.getResultTypes()[0] != expected)
    return entry.emitOpError() << "of kind " << stringifyEntryKind(entry.getKind())
                               << " expects logits of type " << expected << ", got "
                               << entry.getResultTypes()[0];
  if (failed(verifyMaxima(entry)))
    return failure();
  for (Operation &op : entry.getBody().front())
    if (failed(verifyOp(entry, op)))
      return failure();
  return success();
}

namespace {
struct VerifyGraph : graph::impl::VerifyGraphBase<VerifyGraph> {
  void runOnOperation() override {
    for (lm::ModelOp model : getOperation().getOps<lm::ModelOp>())
      if (failed(verifyModel(model)))
        return signalPassFailure();
    markAllAnalysesPreserved();
  }

  LogicalResult verifyModel(lm::ModelOp model) {
    bool canDecode = false, canPrefill = false;
    for (lm::EntryOp entry : model.getOps<lm::EntryOp>()) {
      if (failed(verifyEntry(model, entry)))
        return failure();
      canDecode |= entry.getKind() == lm::EntryKind::Decode;
      canPrefill |= entry.getKind() == lm::EntryKind::Prefill;
    }
    if (!canDecode || !canPrefill)
      return model.emitOpError() << "expects an entry of kind "
                                 << (canDecode ? "prefill" : "decode") << ", got none";
    return success();
  }
};
} // namespace

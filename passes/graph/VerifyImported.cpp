//===- VerifyImported.cpp - gate of phase import -------------------------===//
//
// What later phases may rely on about an imported model. Local rules of single ops are their
// verifiers' business; here stand the rules that need the whole model in view.
//
//===----------------------------------------------------------------------===//
#include "passes/graph/Passes.h"

#include "ir/lm/LmOps.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace stoop::graph {
#define GEN_PASS_DEF_VERIFYIMPORTED
#include "passes/graph/Passes.h.inc"
} // namespace stoop::graph

using namespace mlir;
using namespace stoop;

/// The module's only op, an lm.model; null after an error.
static lm::ModelOp singleModel(ModuleOp module) {
  lm::ModelOp model;
  for (Operation &op : module.getOps()) {
    auto candidate = dyn_cast<lm::ModelOp>(op);
    if (!candidate) {
      op.emitOpError()
          << "stands beside the model; phase import allows one lm.model and nothing else";
      return {};
    }
    if (model) {
      candidate.emitOpError() << "is a second model; phase import allows one";
      return {};
    }
    model = candidate;
  }
  if (!model)
    module.emitError() << "expects one lm.model, got none";
  return model;
}

/// The model's only entry, of kind forward and dynamic in its rows; null after an error.
static lm::EntryOp forwardEntry(lm::ModelOp model) {
  lm::EntryOp forward;
  for (lm::EntryOp entry : model.getOps<lm::EntryOp>()) {
    if (forward || entry.getKind() != lm::EntryKind::Forward) {
      entry.emitOpError() << "expects a model with one entry, of kind forward";
      return {};
    }
    forward = entry;
  }
  if (!forward) {
    model.emitOpError() << "expects one entry of kind forward, got none";
    return {};
  }
  if (!ShapedType::isDynamic(forward.getRows())) {
    forward.emitOpError() << "expects a dynamic number of rows, got " << forward.getRows();
    return {};
  }
  return forward;
}

static LogicalResult verifyKvState(lm::ModelOp model) {
  auto states = model.getOps<lm::KvStateOp>();
  if (!llvm::hasSingleElement(states))
    return model.emitOpError() << "expects one lm.kv_state, got "
                               << std::distance(states.begin(), states.end());
  lm::KvStateOp state = *states.begin();
  auto type = cast<lm::KvType>(state.getType());
  auto agree = [&](StringRef what, int64_t actual, int64_t expected) -> LogicalResult {
    if (actual == expected)
      return success();
    return state.emitOpError() << "expects the model's " << expected << " " << what << ", got "
                               << actual;
  };
  return success(succeeded(agree("layers", state.getLayers(), model.getLayers())) &&
                 succeeded(agree("sequences", type.getBatch(), model.getBatch())) &&
                 succeeded(agree("positions", type.getPositions(), model.getMaxPositions())) &&
                 succeeded(agree("KV heads", type.getHeads(), model.getKvHeads())) &&
                 succeeded(agree("elements per head", type.getHeadDim(), model.getHeadDim())));
}

/// Tensors over rows are dynamic in their rows only, and of the model's dtype or, like the residual stream and the
/// logits, float32.
static LogicalResult verifyTypes(lm::ModelOp model, lm::EntryOp entry) {
  for (Operation &op : entry.getBody().front().without_terminator()) {
    if (isa<lm::FusedOp>(op))
      return op.emitOpError() << "is not allowed before phase fused";
    for (OpResult result : op.getResults()) {
      auto type = dyn_cast<RankedTensorType>(result.getType());
      if (!type || type.hasStaticShape())
        continue;
      if (llvm::any_of(type.getShape().drop_front(), ShapedType::isDynamic))
        return op.emitOpError() << "expects a result that is dynamic in its rows only, got "
                                << type;
      if (!type.getElementType().isF32() && type.getElementType() != model.getDtype())
        return op.emitOpError() << "expects a result of f32 or the model's dtype "
                                << model.getDtype() << ", got " << type;
    }
  }
  auto logits = cast<RankedTensorType>(entry.getResultTypes()[0]);
  if (logits.getDimSize(1) != int64_t(model.getVocab()))
    return entry.emitOpError() << "expects logits of the model's " << model.getVocab()
                               << " columns, got " << logits;
  return success();
}

/// Every layer of the cache is appended to once, then attended to.
static LogicalResult verifyKvUses(lm::ModelOp model, lm::EntryOp entry) {
  llvm::SmallDenseMap<int64_t, unsigned> appends, reads;
  WalkResult walked = entry.walk([&](Operation *op) {
    auto append = dyn_cast<lm::KvAppendOp>(op);
    auto attention = dyn_cast<lm::AttentionOp>(op);
    if (!append && !attention)
      return WalkResult::advance();
    auto view = (append ? append.getCache() : attention.getCache()).getDefiningOp<lm::KvViewOp>();
    if (!view) {
      op->emitOpError() << "expects a cache from lm.kv_view";
      return WalkResult::interrupt();
    }
    int64_t layer = view.getLayer();
    if (append && ++appends[layer] > 1) {
      op->emitOpError() << "appends to layer " << layer << " of the KV cache a second time";
      return WalkResult::interrupt();
    }
    if (attention && !appends.contains(layer)) {
      op->emitOpError() << "attends to layer " << layer
                        << " of the KV cache before its keys are appended";
      return WalkResult::interrupt();
    }
    if (attention)
      ++reads[layer];
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();
  for (int64_t layer = 0; layer < int64_t(model.getLayers()); ++layer)
    if (!reads.contains(layer))
      return entry.emitOpError() << "never attends to layer " << layer << " of the KV cache";
  return success();
}

static LogicalResult verifyWeightsUsed(lm::ModelOp model, lm::EntryOp entry) {
  llvm::DenseSet<StringAttr> used;
  entry.walk([&](lm::LoadWeightOp load) { used.insert(load.getWeightAttr().getAttr()); });
  for (lm::WeightOp weight : model.getOps<lm::WeightOp>())
    if (!used.contains(weight.getSymNameAttr()))
      return weight.emitOpError() << "is never used";
  return success();
}

namespace {
struct VerifyImported : graph::impl::VerifyImportedBase<VerifyImported> {
  void runOnOperation() override {
    lm::ModelOp model = singleModel(getOperation());
    lm::EntryOp entry = model ? forwardEntry(model) : lm::EntryOp();
    if (!entry || failed(verifyKvState(model)) || failed(verifyTypes(model, entry)) ||
        failed(verifyKvUses(model, entry)) || failed(verifyWeightsUsed(model, entry)))
      return signalPassFailure();
    markAllAnalysesPreserved();
  }
};
} // namespace

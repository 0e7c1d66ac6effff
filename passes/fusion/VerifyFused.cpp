//===- VerifyFused.cpp - gate of phase fused -----------------------------===//
//
// What schedule selection and planning rely on: a launch is an lm.fused, and its body is what a
// kernel template can be specialised with: one anchor and an elementwise chain.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionLegality.h"
#include "passes/fusion/Passes.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::fusion {
#define GEN_PASS_DEF_VERIFYFUSED
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

using namespace mlir;
using namespace stoop;

/// One anchor of the region's kind, or none in kind "elementwise", then elementwise ops, each using
/// the one before.
static LogicalResult verifyRegion(lm::FusedOp fused) {
  Block &body = fused.getBody().front();
  if (body.without_terminator().empty())
    return fused.emitOpError() << "has an empty body";
  Operation *previous = nullptr;
  for (Operation &op : body.without_terminator()) {
    StringRef kind = fusion::isElementwise(&op) ? StringRef() : fusion::anchorKind(&op);
    if (!previous) {
      StringRef actual = fusion::isElementwise(&op) ? StringRef(fusion::kElementwiseKind) : kind;
      if (actual != fused.getKind())
        return op.emitOpError() << "starts a region of kind '" << fused.getKind()
                                << "', expects kind '" << actual << "'";
    } else if (!fusion::isElementwise(&op)) {
      return op.emitOpError() << "is not elementwise, and the region has its anchor already";
    } else if (!fusion::isElementwise(previous) && !fusion::acceptsEpilogue(previous)) {
      return op.emitOpError() << "follows an anchor of kind '" << fused.getKind()
                              << "', which takes no epilogue";
    } else if (!llvm::is_contained(op.getOperands(), previous->getResult(0)) ||
               !previous->hasOneUse()) {
      return op.emitOpError() << "expects to be the only user of the op in front of it";
    }
    previous = &op;
  }
  if (body.getTerminator()->getOperands() != previous->getResults())
    return fused.emitOpError() << "expects to yield the results of its last op";
  return success();
}

namespace {
struct VerifyFused : fusion::impl::VerifyFusedBase<VerifyFused> {
  void runOnOperation() override {
    for (lm::ModelOp model : getOperation().getOps<lm::ModelOp>())
      for (lm::EntryOp entry : model.getOps<lm::EntryOp>())
        for (Operation &op : entry.getBody().front())
          if (failed(verifyOp(op)))
            return signalPassFailure();
    markAllAnalysesPreserved();
  }

  LogicalResult verifyOp(Operation &op) {
    if (auto fused = dyn_cast<lm::FusedOp>(op))
      return verifyRegion(fused);
    if (isa<lm::LoadWeightOp, lm::ViewOp, lm::KvViewOp, lm::ReturnOp>(op))
      return success();
    return op.emitOpError()
           << "stands outside of a region; phase fused allows lm.fused, lm.load_weight, lm.view, "
              "lm.kv_view and lm.return";
  }
};
} // namespace

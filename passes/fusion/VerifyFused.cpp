//===- VerifyFused.cpp - gate of phase fused -----------------------------===//
//
// What schedule selection, planning and code generation rely on: a launch is an lm.fused, and its
// body keeps to the grammar of lm.fused.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/Passes.h"
#include "passes/fusion/RegionGrammar.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::fusion {
#define GEN_PASS_DEF_VERIFYFUSED
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

using namespace mlir;
using namespace stoop;

/// A region of its kind that keeps to the grammar.
static LogicalResult verifyRegion(lm::FusedOp fused) {
  Block &body = fused.getBody().front();
  SmallVector<Operation *> ops;
  for (Operation &op : body.without_terminator())
    ops.push_back(&op);
  if (ops.empty())
    return fused.emitOpError() << "has an empty body";
  StringRef kind = fusion::regionKind(ops);
  if (kind != fused.getKind())
    return ops.front()->emitOpError()
           << "starts a region of kind '" << fused.getKind() << "', expects kind '" << kind << "'";
  auto same = [](Value value) { return value; };
  SmallVector<Value> results(body.getTerminator()->getOperands());
  if (std::optional<fusion::GrammarError> error = fusion::checkRegion(ops, results, same))
    return error->op->emitOpError() << error->text;
  return success();
}

namespace {
struct VerifyFused : fusion::impl::VerifyFusedBase<VerifyFused> {
  void runOnOperation() override {
    bool allHold = true;
    for (lm::ModelOp model : getOperation().getOps<lm::ModelOp>())
      for (lm::EntryOp entry : model.getOps<lm::EntryOp>())
        for (Operation &op : entry.getBody().front())
          allHold &= succeeded(verifyOp(op));
    if (!allHold)
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

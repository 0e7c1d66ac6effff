//===- FormFusedRegions.cpp - every op ends up in a region ---------------===//
//
// Behind this pass a launch is an lm.fused and nothing else. It fuses nothing but elementwise
// chains: fusions that need an anchor are made by the passes in front of it.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionLegality.h"
#include "passes/fusion/FusionRemarks.h"
#include "passes/fusion/Passes.h"

#include "ir/lm/LmAttrNames.h"
#include "ir/lm/LmDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::fusion {
#define GEN_PASS_DEF_FORMFUSEDREGIONS
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

using namespace mlir;
using namespace stoop;

namespace {
struct FormFusedRegions : fusion::impl::FormFusedRegionsBase<FormFusedRegions> {
  using FormFusedRegionsBase::FormFusedRegionsBase;

  void runOnOperation() override {
    for (lm::ModelOp model : getOperation().getOps<lm::ModelOp>())
      for (lm::EntryOp entry : model.getOps<lm::EntryOp>())
        if (failed(runOnEntry(entry)))
          return signalPassFailure();
  }

  /// Each op is looked at once and in order, so an elementwise op sees the regions of its operands
  /// already formed.
  LogicalResult runOnEntry(lm::EntryOp entry) {
    Block &body = entry.getBody().front();
    for (Operation *op = &body.front(); op;) {
      Operation *next = op->getNextNode();
      if (auto fused = dyn_cast<lm::FusedOp>(op)) {
        if (failed(requireKind(op, fused.getKind())))
          return failure();
      } else if (fusion::isElementwise(op)) {
        FailureOr<Operation *> after = formElementwise(op);
        if (failed(after))
          return failure();
        next = *after;
      } else if (StringRef kind = fusion::anchorKind(op); !kind.empty()) {
        if (failed(requireKind(op, kind)))
          return failure();
        fusion::outlineFused(op, kind);
      }
      op = next;
    }
    return success();
  }

  /// Returns the op from which to go on: the chain may end behind ops that are not in regions yet.
  FailureOr<Operation *> formElementwise(Operation *op) {
    if (failed(requireKind(op, fusion::kElementwiseKind)))
      return failure();
    std::string reason = fusion::missedReason(op);
    if (!reason.empty())
      fusion::remarkMissed(op, getArgument(), reason);
    SmallVector<Operation *> chain = fusion::epilogueChain(op);
    Operation *next = op->getNextNode();
    while (llvm::is_contained(chain, next))
      next = next->getNextNode();
    lm::FusedOp fused = fusion::outlineFused(chain, fusion::kElementwiseKind);
    if (!reason.empty())
      fused->setAttr(lm::kMissedAttrName, StringAttr::get(&getContext(), reason));
    return next;
  }

  LogicalResult requireKind(Operation *op, StringRef kind) {
    if (kinds.empty() || llvm::is_contained(kinds, kind))
      return success();
    InFlightDiagnostic error = op->emitOpError()
                               << "needs a kernel of kind '" << kind << "'; the target has ";
    auto quote = [&](const std::string &known) { error << "'" << known << "'"; };
    llvm::interleaveComma(ArrayRef<std::string>(kinds), error, quote);
    return error;
  }
};
} // namespace

//===- FuseEpilogue.cpp - elementwise users join the anchor's region -----===//
//
// Bias, activation and residual sums run on the anchor's sums before they are stored. A chain is
// taken as far as each value has one use; the region stands where the chain ended, so every other
// operand is already there.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionLegality.h"
#include "passes/fusion/FusionRemarks.h"
#include "passes/fusion/Passes.h"

#include "ir/lm/LmDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::fusion {
#define GEN_PASS_DEF_FUSEEPILOGUE
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

using namespace mlir;
using namespace stoop;

namespace {
struct FuseEpilogue : fusion::impl::FuseEpilogueBase<FuseEpilogue> {
  void runOnOperation() override {
    for (lm::ModelOp model : getOperation().getOps<lm::ModelOp>())
      for (lm::EntryOp entry : model.getOps<lm::EntryOp>())
        runOnEntry(entry);
  }

  void runOnEntry(lm::EntryOp entry) {
    SmallVector<Operation *> anchors;
    for (Operation &op : entry.getBody().front())
      if (fusion::acceptsEpilogue(&op))
        anchors.push_back(&op);
    for (Operation *anchor : anchors) {
      SmallVector<Operation *> chain = fusion::epilogueChain(anchor);
      if (chain.size() == 1)
        continue;
      StringRef kind = fusion::anchorKind(anchor);
      for (Operation *op : ArrayRef(chain).drop_front())
        fusion::remarkPassed(op, getArgument(), kind);
      fusion::outlineFused(chain, kind);
    }
  }
};
} // namespace

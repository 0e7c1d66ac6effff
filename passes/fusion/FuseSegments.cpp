//===- FuseSegments.cpp - independent linears share a launch -------------===//
//
// Linears on the same rows do not wait for one another: one launch computes them all and has one
// barrier, at its end.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionLegality.h"
#include "passes/fusion/Passes.h"

#include "ir/lm/LmDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::fusion {
#define GEN_PASS_DEF_FUSESEGMENTS
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

using namespace mlir;
using namespace stoop;
using fusion::RegionGraph;

namespace {
struct FuseSegments : fusion::impl::FuseSegmentsBase<FuseSegments> {
  using FuseSegmentsBase::FuseSegmentsBase;

  void runOnOperation() override {
    getOperation().walk([&](lm::EntryOp entry) { runOnEntry(entry); });
  }

  void runOnEntry(lm::EntryOp entry) {
    RegionGraph graph(entry);
    fusion::FusionLegality legality(graph, {capabilities});
    llvm::DenseMap<Value, SmallVector<Operation *>> launches; // a linear of each, by rows
    for (Operation *op : graph.ops()) {
      if (fusion::roleOf(op) != lm::FusionRole::Linear)
        continue;
      SmallVector<Operation *> &others = launches[legality.rowsOf(op)];
      auto joins = [&](Operation *other) { return !legality.refuseSegments(other, op); };
      auto other = llvm::find_if(others, joins);
      if (other == others.end())
        others.push_back(op);
      else if (graph.groupOf(*other) != graph.groupOf(op))
        graph.merge(graph.groupOf(*other), graph.groupOf(op));
    }
    graph.rewrite();
  }
};
} // namespace

//===- FuseLinears.cpp - linears that meet become one segment ------------===//
//
// A value that would be stored by one launch and added by the next stays in registers: both linears
// are computed panel by panel in the same launch.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionLegality.h"
#include "passes/fusion/Passes.h"

#include "ir/lm/LmDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::fusion {
#define GEN_PASS_DEF_FUSELINEARS
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

using namespace mlir;
using namespace stoop;
using fusion::RegionGraph;

namespace {
struct FuseLinears : fusion::impl::FuseLinearsBase<FuseLinears> {
  using FuseLinearsBase::FuseLinearsBase;

  void runOnOperation() override {
    getOperation().walk([&](lm::EntryOp entry) { runOnEntry(entry); });
  }

  void runOnEntry(lm::EntryOp entry) {
    RegionGraph graph(entry);
    fusion::FusionLegality legality(graph, {capabilities});
    for (Operation *op : graph.ops()) {
      if (!fusion::isElementwise(op) || !graph.hasLinear(graph.groupOf(op)))
        continue;
      for (Value operand : op->getOperands()) {
        Operation *producer = graph.producer(operand);
        if (producer && graph.groupOf(producer) != graph.groupOf(op) &&
            graph.hasLinear(graph.groupOf(producer)) && !legality.refuse(producer, op))
          graph.merge(graph.groupOf(producer), graph.groupOf(op));
      }
    }
    graph.rewrite();
  }
};
} // namespace

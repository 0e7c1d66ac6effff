//===- FuseEpilogue.cpp - elementwise ops join the linear in front -------===//
//
// In program order, so that a chain, or whatever shape the data flow has, grows op by op. The last
// linear that an op depends on is tried first: there all other operands are available.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionLegality.h"
#include "passes/fusion/Passes.h"

#include "ir/lm/LmDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::fusion {
#define GEN_PASS_DEF_FUSEEPILOGUE
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

using namespace mlir;
using namespace stoop;
using fusion::RegionGraph;

namespace {
struct FuseEpilogue : fusion::impl::FuseEpilogueBase<FuseEpilogue> {
  using FuseEpilogueBase::FuseEpilogueBase;

  void runOnOperation() override {
    getOperation().walk([&](lm::EntryOp entry) { runOnEntry(entry); });
  }

  void runOnEntry(lm::EntryOp entry) {
    RegionGraph graph(entry);
    fusion::FusionLegality legality(graph, {capabilities});
    for (Operation *op : graph.ops())
      if (fusion::isElementwise(op))
        join(op, graph, legality);
    graph.rewrite();
  }

  void join(Operation *op, RegionGraph &graph, const fusion::FusionLegality &legality) {
    SmallVector<Operation *> producers;
    for (Value operand : op->getOperands())
      if (Operation *producer = graph.producer(operand))
        if (graph.hasLinear(graph.groupOf(producer)))
          producers.push_back(producer);
    llvm::stable_sort(producers, [&](Operation *a, Operation *b) {
      return graph.position(graph.groupOf(a)) > graph.position(graph.groupOf(b));
    });
    for (Operation *producer : producers)
      if (!legality.refuse(producer, op))
        return graph.merge(graph.groupOf(producer), graph.groupOf(op));
  }
};
} // namespace

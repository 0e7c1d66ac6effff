//===- FuseColumns.cpp - ops on heads join the launch of their columns ---===//
//
// Query, key and value are columns of one linear's result. What rotates them and what stores them
// to the cache works on whole heads, so it can follow as soon as a head is computed; so can what
// reduces blocks of columns.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionLegality.h"
#include "passes/fusion/Passes.h"

#include "ir/lm/LmDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::fusion {
#define GEN_PASS_DEF_FUSECOLUMNS
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

using namespace mlir;
using namespace stoop;
using fusion::RegionGraph;

namespace {
struct FuseColumns : fusion::impl::FuseColumnsBase<FuseColumns> {
  using FuseColumnsBase::FuseColumnsBase;

  void runOnOperation() override {
    getOperation().walk([&](lm::EntryOp entry) { runOnEntry(entry); });
  }

  void runOnEntry(lm::EntryOp entry) {
    RegionGraph graph(entry);
    fusion::FusionLegality legality(graph, {.capabilities = capabilities, .rotationTiles = rotationTiles});
    for (Operation *op : graph.ops())
      if (fusion::roleOf(op) == lm::FusionRole::Epilogue && !fusion::isElementwise(op) &&
          !fusion::selectsColumns(op))
        join(op, graph, legality);
    for (Operation *op : graph.ops())
      if (fusion::selectsColumns(op))
        joinView(op, graph);
    graph.rewrite();
  }

  /// Joins `op` and the views that it reads to the region that makes their columns.
  static void join(Operation *op, RegionGraph &graph, const fusion::FusionLegality &legality) {
    SmallVector<Operation *> views, sources;
    for (Value operand : op->getOperands())
      if (Operation *source = graph.columnsOf(operand, views))
        if (graph.hasLinear(graph.groupOf(source)))
          sources.push_back(source);
    for (Operation *source : sources) {
      if (legality.refuse(source, op))
        continue;
      for (Operation *view : views)
        merge(source, view, graph);
      return merge(source, op, graph);
    }
  }

  /// Joins a view whose neighbours have joined.
  static void joinView(Operation *view, RegionGraph &graph) {
    Operation *source = graph.producer(view->getOperand(0));
    if (!source)
      return;
    RegionGraph::Group group = graph.groupOf(source);
    bool hasNeighbour = llvm::any_of(graph.users(source), [&](Operation *user) {
      return fusion::selectsColumns(user) && graph.groupOf(user) == group;
    });
    if (hasNeighbour && group != graph.groupOf(view) && !graph.refuse(group, graph.groupOf(view)))
      merge(source, view, graph);
  }

  static void merge(Operation *a, Operation *b, RegionGraph &graph) {
    if (graph.groupOf(a) != graph.groupOf(b))
      graph.merge(graph.groupOf(a), graph.groupOf(b));
  }
};
} // namespace

//===- FusePrologue.cpp - whole rows are made where they are multiplied --===//
//
// Backwards, so that the last op in front of a linear joins first and the op in front of that one
// finds it there.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionLegality.h"
#include "passes/fusion/Passes.h"

#include "ir/lm/LmDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::fusion {
#define GEN_PASS_DEF_FUSEPROLOGUE
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

using namespace mlir;
using namespace stoop;
using fusion::RegionGraph;

namespace {
struct FusePrologue : fusion::impl::FusePrologueBase<FusePrologue> {
  using FusePrologueBase::FusePrologueBase;

  void runOnOperation() override {
    getOperation().walk([&](lm::EntryOp entry) { runOnEntry(entry); });
  }

  void runOnEntry(lm::EntryOp entry) {
    RegionGraph graph(entry);
    fusion::FusionLegality legality(
        graph, {.capabilities = capabilities, .maxPrologueRows = maxPrologueRows,
                .maxGatheredRows = maxGatheredRows, .tileCosts = tileCosts});
    for (Operation *op : llvm::reverse(graph.ops()))
      if (fusion::roleOf(op) == lm::FusionRole::Prologue)
        join(op, graph, legality);
    graph.rewrite();
  }

  /// Joins the first launch that reads the op's rows and can take it.
  void join(Operation *op, RegionGraph &graph, const fusion::FusionLegality &legality) {
    SmallVector<Operation *> readers = graph.users(op);
    llvm::stable_sort(readers, [&](Operation *a, Operation *b) {
      return graph.position(graph.groupOf(a)) < graph.position(graph.groupOf(b));
    });
    for (Operation *reader : readers)
      if (graph.hasLinear(graph.groupOf(reader)) && !legality.refuse(op, reader))
        return graph.merge(graph.groupOf(op), graph.groupOf(reader));
  }
};
} // namespace

//===- FormFusedRegions.cpp - every op ends up in a region ---------------===//
//
// Behind this pass a launch is an lm.fused and nothing else. It fuses nothing but elementwise
// chains: fusions that need a linear are made by the passes in front of it.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/Passes.h"
#include "passes/fusion/RegionGraph.h"

#include "ir/lm/LmDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::fusion {
#define GEN_PASS_DEF_FORMFUSEDREGIONS
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

using namespace mlir;
using namespace stoop;
using fusion::RegionGraph;

namespace {
struct FormFusedRegions : fusion::impl::FormFusedRegionsBase<FormFusedRegions> {
  using FormFusedRegionsBase::FormFusedRegionsBase;

  void runOnOperation() override {
    for (lm::ModelOp model : getOperation().getOps<lm::ModelOp>())
      for (lm::EntryOp entry : model.getOps<lm::EntryOp>())
        if (failed(runOnEntry(entry)))
          return signalPassFailure();
  }

  LogicalResult runOnEntry(lm::EntryOp entry) {
    RegionGraph graph(entry);
    for (Operation *op : graph.ops())
      if (fusion::isElementwise(op))
        joinChain(op, graph);
    for (Operation *op : graph.ops()) {
      SmallVector<Operation *> members = graph.members(graph.groupOf(op));
      StringRef kind = fusion::regionKind(members);
      if (kind.empty()) // a load or a view: no launch
        continue;
      if (failed(requireKind(op, kind)))
        return failure();
      graph.outline(graph.groupOf(op));
    }
    graph.rewrite();
    return success();
  }

  /// Joins `op` to the elementwise chain that ends with one of its operands.
  static void joinChain(Operation *op, RegionGraph &graph) {
    for (Value operand : op->getOperands()) {
      Operation *producer = graph.producer(operand);
      if (!producer || !fusion::isElementwise(producer))
        continue;
      RegionGraph::Group a = graph.groupOf(producer), b = graph.groupOf(op);
      if (a != b && !graph.hasLinear(a) && !graph.hasLinear(b) && !graph.refuse(a, b))
        graph.merge(a, b);
    }
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

//===- ReduceLogits.cpp - candidates for the next token ------------------===//
//
// What an entry returns besides its logits. Which launch computes it is for fusion to say.
//
//===----------------------------------------------------------------------===//
#include "passes/graph/Passes.h"

#include "ir/lm/LmDialect.h"
#include "ir/lm/LmOps.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::graph {
#define GEN_PASS_DEF_REDUCELOGITS
#include "passes/graph/Passes.h.inc"
} // namespace stoop::graph

using namespace mlir;
using namespace stoop;

namespace {
struct ReduceLogits : graph::impl::ReduceLogitsBase<ReduceLogits> {
  void runOnOperation() override {
    for (lm::ModelOp model : getOperation().getOps<lm::ModelOp>())
      for (lm::EntryOp entry : model.getOps<lm::EntryOp>())
        if (entry.getKind() == lm::EntryKind::Decode || entry.getKind() == lm::EntryKind::Prefill)
          reduce(entry);
  }

  static void reduce(lm::EntryOp entry) {
    Operation *end = entry.getBody().front().getTerminator();
    Value logits = end->getOperand(0);
    auto type = cast<RankedTensorType>(logits.getType());
    auto reduced = RankedTensorType::get({type.getDimSize(0), lm::numBlocks(type.getDimSize(1))},
                                         type.getElementType());
    OpBuilder builder(end);
    // A path of its own: reports tell ops apart by it.
    Location place = logits.getLoc();
    if (auto named = place->findInstanceOf<NameLoc>())
      place = NameLoc::get(builder.getStringAttr(named.getName().getValue() + ".max"));
    Value maxima = lm::BlockMaxOp::create(builder, place, reduced, logits);
    end->insertOperands(1, maxima);
    entry.setFunctionType(
        builder.getFunctionType(entry.getArgumentTypes(), end->getOperandTypes()));
  }
};
} // namespace

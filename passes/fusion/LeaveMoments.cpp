//===- LeaveMoments.cpp - what the next norm needs to know of its rows ---===//
//
// A norm's moments are reductions of blocks of the value that it reads: who makes the columns has them in
// registers or close by, who reads the rows would have to sum them up first. Which launch computes them is for
// fusion to say.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionLegality.h"
#include "passes/fusion/Passes.h"

#include "ir/lm/LmDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::fusion {
#define GEN_PASS_DEF_LEAVEMOMENTS
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

using namespace mlir;
using namespace stoop;
using fusion::RegionGraph;

namespace {
struct LeaveMoments : fusion::impl::LeaveMomentsBase<LeaveMoments> {
  using LeaveMomentsBase::LeaveMomentsBase;

  void runOnOperation() override {
    if (momentsBlock > 0)
      getOperation().walk([&](lm::EntryOp entry) { runOnEntry(entry); });
  }

  void runOnEntry(lm::EntryOp entry) {
    RegionGraph graph(entry);
    fusion::FusionTarget target{capabilities};
    target.maxPrologueRows = maxPrologueRows;
    target.momentsBlock = momentsBlock;
    target.leastMomentsColumns = leastMomentsColumns;
    target.tileCosts = tileCosts;
    fusion::FusionLegality legality(graph, target);
    llvm::DenseMap<std::pair<Value, lm::NormKind>, Value> left;
    for (auto norm : entry.getOps<lm::NormOp>()) {
      bool isWorth = anywhere ? isColumnwise(graph.producer(norm.getInput()))
                              : legality.isMadeByColumns(norm.getInput()) && !legality.refuseMoments(norm);
      if (norm.getMoments() || !isWorth)
        continue;
      Value &moments = left[{norm.getInput(), norm.getKind()}];
      if (!moments)
        moments = leave(norm);
      norm.getMomentsMutable().assign(moments);
      norm.setBlock(momentsBlock);
    }
  }

  static bool isColumnwise(Operation *producer) {
    return producer && (fusion::isElementwise(producer) || fusion::roleOf(producer) == lm::FusionRole::Linear);
  }

  /// Moments of what `norm` reads, right behind it.
  Value leave(lm::NormOp norm) const {
    Value input = norm.getInput();
    auto type = cast<RankedTensorType>(input.getType());
    int64_t blocks = lm::numBlocks(type.getDimSize(1), momentsBlock);
    OpBuilder builder(norm.getContext());
    builder.setInsertionPointAfterValue(input);
    auto reduced = RankedTensorType::get(
        {type.getDimSize(0), blocks * lm::BlockMomentsOp::numbersOf(norm.getKind())}, builder.getF32Type());
    // A path of its own, by the norm's: reports tell ops apart by it.
    Location place = norm.getLoc();
    if (auto named = place->findInstanceOf<NameLoc>())
      place = NameLoc::get(builder.getStringAttr(named.getName().getValue() + ".moments"));
    return lm::BlockMomentsOp::create(builder, place, reduced, norm.getKind(), input, momentsBlock);
  }
};
} // namespace

//===- FusionLegality.cpp - which ops may share a region -----------------===//
//
// Legality and the one mechanical step, outlining. Moving an op down to the end of its chain is
// sound because only operations without effects have elementwise users that join them.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionLegality.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace stoop::fusion {

bool acceptsEpilogue(Operation *op) { return roleOf(op) == lm::FusionRole::Linear; }

Operation *epilogueUser(Operation *op) {
  if (op->getNumResults() != 1 || !op->hasOneUse())
    return nullptr;
  Operation *user = *op->user_begin();
  bool joins = isElementwise(user) && user->getBlock() == op->getBlock() &&
               user->getNumResults() == 1 &&
               user->getResult(0).getType() == op->getResult(0).getType();
  return joins ? user : nullptr;
}

llvm::SmallVector<Operation *> epilogueChain(Operation *first) {
  llvm::SmallVector<Operation *> chain;
  for (Operation *op = first; op; op = epilogueUser(op))
    chain.push_back(op);
  return chain;
}

std::string missedReason(Operation *op) {
  for (Value operand : op->getOperands()) {
    if (operand.getDefiningOp<lm::ViewOp>())
      return "it uses a part of the columns that the region in front makes";
    auto producer = operand.getDefiningOp<lm::FusedOp>();
    if (!producer)
      continue;
    Operation *anchor = &producer.getBody().front().front();
    if (!acceptsEpilogue(anchor) && !isElementwise(anchor))
      return ("a region of kind '" + producer.getKind() + "' takes no epilogue").str();
    auto numUses = std::distance(operand.use_begin(), operand.use_end());
    if (numUses > 1)
      return ("the result of the region in front has " + Twine(numUses) + " uses").str();
  }
  return "";
}

lm::FusedOp outlineFused(llvm::ArrayRef<Operation *> ops, llvm::StringRef kind) {
  Operation *last = ops.back();
  llvm::SetVector<Value> inputs;
  for (Operation *op : ops)
    for (Value operand : op->getOperands())
      if (!llvm::is_contained(ops, operand.getDefiningOp()))
        inputs.insert(operand);
  auto locations = llvm::map_to_vector(ops, [](Operation *op) { return op->getLoc(); });
  OpBuilder builder(last);
  Location loc = builder.getFusedLoc(locations);
  auto fused =
      lm::FusedOp::create(builder, loc, last->getResultTypes(), kind, inputs.getArrayRef());
  Block &body = fused.getBody().emplaceBlock();
  IRMapping mapping;
  for (Value input : inputs)
    mapping.map(input, body.addArgument(input.getType(), input.getLoc()));
  builder.setInsertionPointToStart(&body);
  for (Operation *op : ops)
    builder.clone(*op, mapping);
  auto yielded =
      llvm::map_to_vector(last->getResults(), [&](Value result) { return mapping.lookup(result); });
  lm::YieldOp::create(builder, loc, yielded);
  last->replaceAllUsesWith(fused.getResults());
  for (Operation *op : llvm::reverse(ops))
    op->erase();
  return fused;
}

} // namespace stoop::fusion

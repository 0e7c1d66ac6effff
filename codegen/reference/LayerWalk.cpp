//===- LayerWalk.cpp - the inputs of all linears, one after the other -------------------------===//
#include "codegen/reference/LayerWalk.h"

using namespace mlir;

namespace stoop::reference {

/// Drops what no op behind `op` reads.
static void forgetDead(Operation &op, Frame &frame) {
  auto forget = [&](Value value) {
    for (Operation *user : value.getUsers())
      if (op.isBeforeInBlock(user))
        return;
    if (auto *layer = std::get_if<KvLayer *>(&frame.datum(value)))
      frame.evaluator.release(*layer);
    frame.forget(value);
  };
  SmallVector<Value> values(op.getOperands());
  llvm::append_range(values, op.getResults());
  llvm::sort(values, [](Value a, Value b) { return a.getAsOpaquePointer() < b.getAsOpaquePointer(); });
  values.erase(llvm::unique(values), values.end());
  llvm::for_each(values, forget);
}

LogicalResult walkLinears(Evaluator &evaluator, lm::EntryOp entry, const Step &step,
                          LinearFn onLinear) {
  FailureOr<Frame> frame = evaluator.enter(entry, step);
  if (failed(frame))
    return failure();
  for (Operation &op : entry.getBody().front().without_terminator()) {
    if (auto linear = dyn_cast<lm::LinearOp>(op))
      if (onLinear(linear, frame->tensor(linear.getInput()), frame->tensor(linear.getWeight()))
              .wasInterrupted())
        break;
    auto evaluable = dyn_cast<ReferenceOpInterface>(op);
    if (!evaluable)
      return op.emitOpError() << "cannot be evaluated by the reference";
    if (failed(evaluable.evaluate(*frame)))
      return failure();
    evaluator.releaseWeights();
    forgetDead(op, *frame);
  }
  evaluator.resetCaches();
  return success();
}

} // namespace stoop::reference

//===- Evaluator.cpp - executes lm entries ----------------------------------------------------===//
//
// Walks a block in order and asks each op's ReferenceOpInterface; input is checked before the first
// op, so that the numeric functions may assume it.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/Evaluator.h"

using namespace mlir;

#include "codegen/reference/ReferenceOpInterface.cpp.inc"

namespace stoop::reference {

const Datum &Frame::datum(Value value) const {
  auto found = values.find(value);
  assert(found != values.end() && "value used before it was evaluated");
  return found->second;
}

FailureOr<std::vector<Datum>> Frame::run(Block &block) {
  for (Operation &op : block.without_terminator()) {
    auto evaluable = dyn_cast<ReferenceOpInterface>(op);
    if (!evaluable)
      return op.emitOpError() << "cannot be evaluated by the reference";
    if (failed(evaluable.evaluate(*this)))
      return failure();
  }
  std::vector<Datum> results;
  for (Value operand : block.getTerminator()->getOperands())
    results.push_back(datum(operand));
  return results;
}

LogicalResult Evaluator::checkStep(lm::EntryOp entry, const Step &step) {
  size_t count = step.tokens.size();
  if (count == 0 || step.positions.size() != count || step.slots.size() != count)
    return entry.emitOpError() << "needs as many positions and slots as tokens, at least one; got "
                               << count << " tokens, " << step.positions.size() << " positions, "
                               << step.slots.size() << " slots";
  int64_t rows = entry.getRows();
  if (!ShapedType::isDynamic(rows) && int64_t(count) > rows)
    return entry.emitOpError() << "takes " << rows << " rows, got " << count;
  for (size_t t = 0; t < count; ++t) {
    if (step.tokens[t] < 0 || step.tokens[t] >= int64_t(model.getVocab()))
      return entry.emitOpError() << "token id " << step.tokens[t]
                                 << " is outside of the vocabulary of " << model.getVocab();
    if (step.positions[t] < 0 || step.positions[t] >= int64_t(model.getMaxPositions()))
      return entry.emitOpError() << "position " << step.positions[t]
                                 << " is outside of the compiled context of "
                                 << model.getMaxPositions();
    if (step.slots[t] >= int64_t(model.getBatch()))
      return entry.emitOpError() << "slot " << step.slots[t] << " is outside of the batch of "
                                 << model.getBatch();
  }
  return success();
}

FailureOr<Frame> Evaluator::enter(lm::EntryOp entry, const Step &step) {
  if (failed(checkStep(entry, step)))
    return failure();
  int64_t count = step.tokens.size();
  int64_t rows = ShapedType::isDynamic(entry.getRows()) ? count : entry.getRows();
  Step padded = step;
  padded.tokens.resize(rows, 0);
  padded.positions.resize(rows, 0);
  padded.slots.resize(rows, -1);

  Frame frame(*this, count);
  frame.define(entry.getTokens(), std::move(padded.tokens));
  frame.define(entry.getPositions(), std::move(padded.positions));
  frame.define(entry.getSlots(), std::move(padded.slots));
  return frame;
}

FailureOr<Tensor> Evaluator::run(lm::EntryOp entry, const Step &step) {
  FailureOr<Frame> frame = enter(entry, step);
  if (failed(frame))
    return failure();
  FailureOr<std::vector<Datum>> results = frame->run(entry.getBody().front());
  if (failed(results))
    return failure();
  Tensor logits = std::get<Tensor>(results->front());
  int64_t count = static_cast<int64_t>(step.tokens.size());
  if (logits.rows() <= count)
    return logits;
  Tensor valid(count, logits.cols(), logits.element());
  llvm::copy(logits.values().take_front(count * logits.cols()), valid.mutableValues().begin());
  return valid;
}

FailureOr<Tensor> Evaluator::weight(Operation *user, FlatSymbolRefAttr symbol) {
  auto op = model.lookupSymbol<lm::WeightOp>(symbol.getAttr());
  if (!op)
    return user->emitOpError() << "no weight " << symbol;
  return weights.get(op);
}

FailureOr<KvLayer *> Evaluator::cache(Operation *user, FlatSymbolRefAttr symbol, int64_t layer) {
  auto op = model.lookupSymbol<lm::KvStateOp>(symbol.getAttr());
  if (!op || layer < 0 || layer >= int64_t(op.getLayers()))
    return user->emitOpError() << "no layer " << layer << " of KV cache " << symbol;
  std::vector<std::unique_ptr<KvLayer>> &layers = caches[op];
  layers.resize(op.getLayers());
  if (!layers[layer]) {
    auto type = cast<lm::KvType>(op.getType());
    FailureOr<Element> element = elementOf(type.getElementType());
    if (failed(element))
      return op.emitOpError() << "has an element type that cannot be evaluated: " << type;
    layers[layer] = std::make_unique<KvLayer>(type.getBatch(), type.getHeads(),
                                              type.getPositions(), type.getHeadDim(), *element);
  }
  return layers[layer].get();
}

void Evaluator::release(KvLayer *layer) {
  for (auto &entry : caches)
    for (std::unique_ptr<KvLayer> &held : entry.second)
      if (held.get() == layer)
        held.reset();
}

} // namespace stoop::reference

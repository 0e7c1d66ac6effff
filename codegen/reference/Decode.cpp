//===- Decode.cpp - sequences on the reference evaluator --------------------------------------===//
//
// See Decode.h. A window of perplexity is a sequence of its own: nothing is carried over.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/Decode.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace stoop::reference {

LogicalResult Sequence::feed(ArrayRef<int32_t> tokens, size_t firstRow, RowFn onRow) {
  constexpr size_t kChunk = 256;
  for (size_t start = 0; start < tokens.size(); start += kChunk) {
    ArrayRef<int32_t> part = tokens.slice(start, std::min(kChunk, tokens.size() - start));
    Step step{part.vec(), std::vector<int32_t>(part.size()), std::vector<int32_t>(part.size(), 0)};
    for (int32_t &at : step.positions)
      at = static_cast<int32_t>(position++);
    FailureOr<Tensor> logits = evaluator.run(entry, step);
    if (failed(logits))
      return failure();
    for (size_t row = 0; row < part.size(); ++row)
      if (start + row >= firstRow)
        onRow(start + row, logits->row(row));
  }
  return success();
}

int32_t argmax(ArrayRef<float> logits, int64_t count) {
  int32_t best = -1;
  for (int64_t id = 0; id < count; ++id)
    if (!std::isnan(logits[id]) && (best < 0 || logits[id] > logits[best]))
      best = static_cast<int32_t>(id);
  return best;
}

FailureOr<Generation> generate(Sequence &sequence, ArrayRef<int32_t> prompt,
                               const GenerationSettings &settings) {
  Generation result;
  std::vector<float> next;
  auto keep = [&](size_t, ArrayRef<float> logits) {
    next = logits.vec();
    if (settings.onFed)
      settings.onFed(sequence.length());
  };
  if (failed(sequence.feed(prompt, prompt.size() - 1, keep)))
    return failure();
  while (result.ids.size() < settings.maxTokens) {
    int32_t id = argmax(next, settings.numTokenIds);
    if (id < 0)
      return sequence.entryOp().emitOpError()
             << "gives no logit that is a number at position " << sequence.length() - 1;
    result.ids.push_back(id);
    result.logits.insert(result.logits.end(), next.begin(), next.end());
    result.stopped = llvm::is_contained(settings.stopIds, result.ids.back());
    if (result.stopped || sequence.room() == 0 || result.ids.size() == settings.maxTokens)
      break;
    if (failed(sequence.feed(result.ids.back(), 0, keep)))
      return failure();
  }
  return result;
}

double negativeLogLikelihood(ArrayRef<float> logits, int32_t id) {
  double highest = *std::max_element(logits.begin(), logits.end()), total = 0;
  for (float logit : logits)
    total += std::exp(logit - highest);
  return std::log(total) + highest - logits[id];
}

FailureOr<Score> score(Evaluator &evaluator, lm::EntryOp entry, ArrayRef<int32_t> ids,
                       size_t window, size_t last, llvm::function_ref<void(size_t)> onWindow,
                       llvm::function_ref<void(ArrayRef<float>)> onLogits) {
  Score result;
  for (size_t start = 0; start + 1 < ids.size(); start += window) {
    size_t count = std::min(window, ids.size() - 1 - start);
    size_t skipped = last == 0 || last >= count ? 0 : count - last;
    Sequence sequence(evaluator, entry);
    auto add = [&](size_t row, ArrayRef<float> logits) {
      result.nats += negativeLogLikelihood(logits, ids[start + row + 1]);
      ++result.tokens;
      if (onLogits)
        onLogits(logits);
    };
    if (failed(sequence.feed(ids.slice(start, count), skipped, add)))
      return failure();
    onWindow(start + count);
  }
  return result;
}

} // namespace stoop::reference

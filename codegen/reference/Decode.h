//===- Decode.h - sequences on the reference evaluator ----------------------------------------===//
//
// Feeds tokens to a model's @forward, chooses greedily and scores text: what the emitted programs
// do, in the plainest form. Rows of long input are fed in chunks so that memory stays bounded.
//
//===------------------------------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_REFERENCE_DECODE_H
#define STOOP_CODEGEN_REFERENCE_DECODE_H

#include "codegen/reference/Evaluator.h"

#include "llvm/ADT/STLFunctionalExtras.h"

#include <functional>

namespace stoop::reference {

/// Called with the row's number within the call and its logits [vocab].
using RowFn = llvm::function_ref<void(size_t row, llvm::ArrayRef<float> logits)>;

/// One sequence of tokens in slot 0 of an evaluator's cache.
class Sequence {
public:
  /// `entry` takes any number of rows and gives the logits of all of them.
  Sequence(Evaluator &evaluator, lm::EntryOp entry) : evaluator(evaluator), entry(entry) {
    evaluator.resetCaches();
  }

  /// Feeds tokens behind those fed before; reports the logits of each row from `firstRow` on.
  /// Errors are emitted; a sequence beyond the compiled context is one.
  llvm::LogicalResult feed(llvm::ArrayRef<int32_t> tokens, size_t firstRow, RowFn onRow);

  /// Tokens fed so far, and how many still fit.
  int64_t length() const { return position; }
  lm::EntryOp entryOp() const { return entry; }
  int64_t room() { return static_cast<int64_t>(evaluator.getModel().getMaxPositions()) - position; }

private:
  Evaluator &evaluator;
  lm::EntryOp entry;
  int64_t position = 0;
};

/// How to generate.
struct GenerationSettings {
  size_t maxTokens = 128;
  std::vector<int32_t> stopIds; ///< generation ends behind one of these
  int64_t numTokenIds = 0; ///< ids from here on are never chosen (padding rows of the vocabulary)
  std::function<void(int64_t tokens)> onFed =
      nullptr; ///< called with the sequence's length; may be empty
};

/// What was generated.
struct Generation {
  std::vector<int32_t> ids;
  std::vector<float> logits; ///< [ids.size(), vocab]: row i is what ids[i] was chosen from
  bool stopped = false;      ///< the last id is a stop id; else length or context ended it
};

/// The lowest id with the largest logit among the first `count`; -1 if none of them is a number.
int32_t argmax(llvm::ArrayRef<float> logits, int64_t count);

/// Feeds the prompt (at least one token, at most the room) and generates greedily. Emits an error
/// when no logit is a number.
llvm::FailureOr<Generation> generate(Sequence &sequence, llvm::ArrayRef<int32_t> prompt,
                                     const GenerationSettings &settings);

/// -log softmax(logits)[id], in nats.
double negativeLogLikelihood(llvm::ArrayRef<float> logits, int32_t id);

/// A sum of negative log-likelihoods.
struct Score {
  size_t tokens = 0;
  double nats = 0;
};

/// Scores ids in independent windows: window s feeds ids[s, s + window) and predicts ids[s + 1, s +
/// window + 1); only the last `last` predictions of each window count (0: all). `onWindow` is
/// called with the ids scored so far, `onLogits` (if any) with the logits behind each prediction.
llvm::FailureOr<Score> score(Evaluator &evaluator, lm::EntryOp entry, llvm::ArrayRef<int32_t> ids,
                             size_t window, size_t last, llvm::function_ref<void(size_t)> onWindow,
                             llvm::function_ref<void(llvm::ArrayRef<float>)> onLogits = nullptr);

} // namespace stoop::reference

#endif // STOOP_CODEGEN_REFERENCE_DECODE_H

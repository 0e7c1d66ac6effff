//===- ModelSpec.h - A model's facts, free of its family --------*- C++ -*-===//
//
// What the graph builder needs to know of a checkpoint, after the family's own key names, aliases
// and defaults have been resolved. Invariant of a spec returned by a family: all sizes are
// positive, heads is a multiple of kvHeads, and with RoPE headDim is even.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_MODELSPEC_H
#define STOOP_COMPILER_IMPORT_MODELSPEC_H

#include "compiler/import/Positions.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace stoop::importer {

enum class NormForm { Layer, Rms };

/// How attention and MLP of a block are joined.
enum class BlockForm {
  Sequential,      ///< r = x + attn(norm(x)); r + mlp(norm'(r))
  ParallelOneNorm, ///< n = norm(x); x + (mlp(n) + attn(n))
  ParallelTwoNorms ///< x + (mlp(norm'(x)) + attn(norm(x)))
};

struct ModelSpec {
  std::string family;
  int64_t vocab = 0;
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kvHeads = 0; ///< effective; 0: to be inferred from the fused weight's shape
  int64_t headDim = 0;
  int64_t ffn = 0;
  int64_t maxPositions = 0; ///< the config's, in tokens

  NormForm norm = NormForm::Layer;
  double normEps = 1e-5;
  BlockForm block = BlockForm::Sequential;
  std::string activation; ///< keyword of lm.activation
  bool gatedMlp = false;  ///< down(act(gate(x)) · up(x)) instead of down(act(up(x)))
  bool attentionBias = false;
  bool mlpBias = false;
  bool alibi = false; ///< else RoPE
  RopeSpec rope;
  bool tiedHead = false; ///< what tie_word_embeddings says

  std::vector<int64_t> eos; ///< config.json's, or the family's default
  std::optional<int64_t> bos;

  int64_t queriesPerKv() const { return heads / kvHeads; }
  int64_t queryColumns() const { return heads * headDim; }
  int64_t kvColumns() const { return kvHeads * headDim; }
  int64_t qkvColumns() const { return queryColumns() + 2 * kvColumns(); }
};

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_MODELSPEC_H

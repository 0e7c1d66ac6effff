//===- Positions.h - RoPE frequencies and ALiBi slopes ----------*- C++ -*-===//
//
// The numbers behind both position schemes, computed once at import in the float32 steps of Hugging
// Face's implementation, so that tables agree with it to the last bits.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_POSITIONS_H
#define STOOP_COMPILER_IMPORT_POSITIONS_H

#include "llvm/Support/Error.h"
#include <cstdint>
#include <vector>

namespace stoop::importer {

class ConfigReader;

struct RopeSpec {
  enum class Kind { Default, Linear, Dynamic, Llama3, Yarn };
  Kind kind = Kind::Default;
  double theta = 10000.0;
  double factor = 1.0;
  int64_t trainedPositions = 0;  ///< max_position_embeddings
  int64_t originalPositions = 0; ///< original_max_position_embeddings (llama3, yarn)
  double lowFreqFactor = 1.0, highFreqFactor = 4.0; // llama3
  double betaFast = 32.0, betaSlow = 1.0;           // yarn
  bool truncate = true;                             // yarn
  double attentionFactor = 1.0;                     ///< multiplies cos and sin (yarn)
};

/// Reads rope_theta, rope_scaling and rope_parameters in the order of Hugging Face v5: a non-empty
/// rope_scaling replaces rope_parameters; theta is that dictionary's, else the top-level one, else
/// 10000; rope_type beats type. Problems are left in `config`.
RopeSpec readRope(ConfigReader &config, int64_t maxPositions);

/// As readRope for a model with ALiBi: the keys have no effect, but a type other than default
/// contradicts `alibi`.
void ignoreRope(ConfigReader &config);

/// Inverse frequencies, headDim / 2 of them. `positions` is the compiled context: dynamic scaling
/// is specialised for it. Errors: a frequency that is not finite and positive.
llvm::Expected<std::vector<float>> ropeFrequencies(const RopeSpec &rope, int64_t headDim,
                                                   int64_t positions);

/// ALiBi slopes of `heads` query heads: powers of 2^(-8/n), n the largest power of two ≤ heads,
/// then odd powers of 2^(-4/n); bases and powers in float32.
std::vector<float> alibiSlopes(int64_t heads);

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_POSITIONS_H

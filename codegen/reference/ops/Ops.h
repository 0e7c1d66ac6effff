//===- Ops.h - the reference's formulas, one free function per lm op --------------------------===//
//
// Straight from the model's definition, with sums in double so that the oracle is the more exact
// side of a comparison. Nothing here knows MLIR: the external models in ReferenceModels.cpp turn
// operations into these calls. Shapes are [rows, features]; a row is one token of the step.
//
//===------------------------------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_REFERENCE_OPS_OPS_H
#define STOOP_CODEGEN_REFERENCE_OPS_OPS_H

#include "codegen/reference/Tensor.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <optional>

namespace stoop::reference {

/// The MLP activations; names as in the lm dialect.
enum class Activation { Gelu, GeluTanh, GeluFast, QuickGelu, Relu, Silu };
/// How ALiBi biases are rounded: as Hugging Face does (bf16 operands and product) or not at all.
enum class AlibiRounding { Hf, Exact };

/// ALiBi of an attention: one slope per query head.
struct Alibi {
  AlibiRounding rounding;
  llvm::ArrayRef<float> slopes;
};

/// Row t of the result is row tokens[t] of `table` [vocab, cols]. Ids must lie in [0, vocab).
Tensor embedding(llvm::ArrayRef<int32_t> tokens, const Tensor &table, Element result);

/// x [T, K] times transposed `weight` [N, K] -> [T, N].
Tensor linear(const Tensor &x, const Tensor &weight, Element result);

/// x [T, N] plus the vector `bias` [N], as a rounding of its own.
Tensor bias(const Tensor &x, const Tensor &bias, Element result);

/// (x - mean) / sqrt(variance + epsilon) * gamma + beta with the population variance of each row.
Tensor layerNorm(const Tensor &x, const Tensor &gamma, const Tensor &beta, double epsilon,
                 Element result);

/// gamma * round(x / sqrt(mean(x^2) + epsilon)): rounded to the result type before and after gamma.
Tensor rmsNorm(const Tensor &x, const Tensor &gamma, double epsilon, Element result);

/// The scalar function behind `activation`.
double activate(double x, Activation kind);
/// `activate` of each element.
Tensor activation(const Tensor &x, Activation kind, Element result);

/// Sum (or product) of each pair of elements.
Tensor add(const Tensor &a, const Tensor &b, Element result);
Tensor multiply(const Tensor &a, const Tensor &b, Element result);

/// Row p of a RoPE table: cos(p * invFreq[j]) * factor for each j, then the sines likewise. Angles,
/// sines and products are float32 values, rounded to `round` at the end. -> [positions, 2 *
/// |invFreq|]
Tensor ropeTable(llvm::ArrayRef<float> invFreq, float factor, int64_t positions, Element round);

/// Rotates each of `heads` heads of x [T, heads * D] by the table row of the token's position,
/// first half against second half; the two products and their sum are each rounded to the result
/// type.
Tensor rope(const Tensor &x, llvm::ArrayRef<int32_t> positions, const Tensor &table, int64_t heads,
            Element result);

/// Stores row t of keys and values [T, heads * D] at (slots[t], positions[t]); negative slots skip.
void kvAppend(KvLayer &cache, const Tensor &keys, const Tensor &values,
              llvm::ArrayRef<int32_t> positions, llvm::ArrayRef<int32_t> slots);

/// The ALiBi term of one key: slope * position, with the rounding asked for.
float alibiBias(float slope, int64_t position, AlibiRounding rounding);

/// Causal attention of q [T, heads * D] over positions 0..positions[t] of slots[t] in the cache;
/// query head h reads KV head h / (heads / cache.heads). Scores are (q.k + alibi) * scale; softmax
/// and the weighted sum are unrounded. Rows of negative slots are zero.
Tensor attention(const Tensor &q, const KvLayer &cache, llvm::ArrayRef<int32_t> positions,
                 llvm::ArrayRef<int32_t> slots, int64_t heads, double scale,
                 std::optional<Alibi> alibi, Element result);

/// Columns [begin, begin + count).
Tensor columns(const Tensor &x, int64_t begin, int64_t count);
/// The largest of each `block` columns (the last has what is left), NaN if one of them is; float32.
Tensor blockMax(const Tensor &x, int64_t block);
/// Of each `block` columns (the last has what is left) the mean and the sum of squared distances from it, or, if not
/// `centred`, the sum of squares alone; float32.
Tensor blockMoments(const Tensor &x, int64_t block, bool centred);
/// Row `index` alone.
Tensor gatherRow(const Tensor &x, int64_t index);

/// Runs body(i) for 0 <= i < count on all cores when `work` (multiply-adds) pays for the threads.
void parallelRows(size_t count, double work, llvm::function_ref<void(size_t)> body);

} // namespace stoop::reference

#endif // STOOP_CODEGEN_REFERENCE_OPS_OPS_H

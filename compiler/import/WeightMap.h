//===- WeightMap.h - From checkpoint tensors to lm weights ------*- C++ -*-===//
//
// Each entry names one lm.weight, the checkpoint tensors that are stacked along rows to make it,
// and their expected shapes. Symbols are the same for all families. Invariant after resolve():
// every part has a tensor of the expected shape in F32, F16 or BF16, or the tensors of a quantised
// matrix.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_WEIGHTMAP_H
#define STOOP_COMPILER_IMPORT_WEIGHTMAP_H

#include "compiler/import/Checkpoint.h"
#include "compiler/import/Ledger.h"
#include "compiler/import/Quantization.h"
#include "llvm/ADT/StringMap.h"

namespace stoop::importer {

/// Symbols of weights; those of a layer go through layerSymbol.
namespace symbols {
inline constexpr llvm::StringLiteral embed = "embed", head = "head", finalNorm = "final_norm",
                                     rope = "rope", kv = "kv";
inline constexpr llvm::StringLiteral norm = "norm"; ///< of a block with one norm for both branches
inline constexpr llvm::StringLiteral attnNorm = "attn.norm", qkv = "attn.qkv", attnOut = "attn.out";
inline constexpr llvm::StringLiteral mlpNorm = "mlp.norm", up = "mlp.up", gate = "mlp.gate",
                                     down = "mlp.down";
/// "layers.3.attn.qkv"
std::string layer(int64_t index, llvm::StringRef name);
/// "layers.3.attn.qkv.bias"
std::string bias(llvm::StringRef symbol);
} // namespace symbols

/// One checkpoint tensor of a weight. A vector has one row.
struct WeightPart {
  std::string key;
  int64_t rows = 0;
  TensorRef tensor;    ///< after resolve()
  StoredMatrix stored; ///< after resolve(), instead of `tensor`: the matrix as integers
};

struct Weight {
  std::string symbol;
  std::vector<WeightPart> parts;
  int64_t rows = 0; ///< all parts together; 1 for a vector
  int64_t cols = 0;
  bool isVector = false;
  bool fusedQkv = false; ///< rows (of a vector: elements) are stored per KV group

  /// Whether its parts are integers already; all or none are.
  bool isStored() const { return static_cast<bool>(parts.front().stored); }
};

class WeightMap {
public:
  /// A matrix [Σ rows, cols] of tensors [rows, cols] stacked in order.
  void addMatrix(std::string symbol, std::vector<std::pair<std::string, int64_t>> parts,
                 int64_t cols, bool fusedQkv = false);
  /// A vector of the concatenated tensors, each [size].
  void addVector(std::string symbol, std::vector<std::pair<std::string, int64_t>> parts,
                 bool fusedQkv = false);
  /// The embedding and the output head, both [vocab, hidden]; see resolve() for tying.
  void addEmbedding(std::string embeddingKey, std::string headKey, int64_t vocab, int64_t hidden);

  /// Finds every part in the checkpoint and settles the head: one copy if the checkpoint stores it
  /// once and `tied`, or twice with equal bytes; two if the stored head differs (with a warning if
  /// `tied`), unless `forceTie` drops it. All tensors of the checkpoint are entered in the ledger.
  /// With `quantization`, matrices may be stored as integers instead. Errors name every missing
  /// tensor, wrong shape (both shapes) and unusable dtype.
  llvm::Error resolve(const Checkpoint &checkpoint,
                      const std::optional<StoredQuantization> &quantization, bool tied,
                      bool forceTie, Ledger &ledger);

  /// The tensors that resolve() looks for, in safetensors' `dtype`, one head only if `tied`.
  std::vector<TensorInfo> expectedTensors(llvm::StringRef dtype, bool tied) const;

  const std::vector<Weight> &weights() const { return all; }
  const Weight *find(llvm::StringRef symbol) const;
  bool contains(llvm::StringRef symbol) const { return find(symbol) != nullptr; }
  /// symbols::head, or symbols::embed when the head is tied to it.
  llvm::StringRef headSymbol() const;

private:
  void add(Weight weight);
  void settleHead(const Checkpoint &checkpoint, bool tied, bool forceTie, Ledger &ledger,
                  std::vector<std::string> &missing);

  std::vector<Weight> all;
  llvm::StringMap<size_t> indexOf;
  std::string embeddingKey, headKey;
  int64_t vocab = 0, hidden = 0;
};

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_WEIGHTMAP_H

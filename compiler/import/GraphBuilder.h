//===- GraphBuilder.h - The decoder as lm ops -------------------*- C++ -*-===//
//
// Builds the weights, the KV cache and the entry @forward of an lm.model from a ModelSpec and a
// WeightMap. Every op is located by its model path ("layers.3.attn.qkv"), the same for all
// families.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_GRAPHBUILDER_H
#define STOOP_COMPILER_IMPORT_GRAPHBUILDER_H

#include "compiler/import/ModelSpec.h"
#include "compiler/import/WeightMap.h"
#include "ir/lm/LmOps.h"

namespace stoop::importer {

/// Choices of the compilation that shape the graph.
struct GraphOptions {
  mlir::FloatType computeType;
  mlir::FloatType kvType;
  int64_t positions = 0; ///< compiled context
  int64_t batch = 1;
  lm::AlibiMode alibi = lm::AlibiMode::None;
  std::vector<float> ropeFrequencies; ///< empty with ALiBi
  std::optional<StoredQuantization> quantization; ///< of stored weights
};

class GraphBuilder {
public:
  /// All arguments must outlive the builder; `weights` is resolved.
  GraphBuilder(lm::ModelOp model, const ModelSpec &spec, const WeightMap &weights,
               const GraphOptions &options);

  /// Fills the model's body.
  void build();

private:
  using Value = mlir::Value;

  // Symbols.
  void buildWeight(const Weight &weight);
  void buildRopeTable();
  void buildKvState();
  mlir::FloatType elementType(const Weight &weight) const;

  // The entry.
  void buildForward();
  Value buildBlock(Value x, int64_t layer);
  /// Q|K|V projection, rope, cache append, attention, output projection.
  Value attention(Value n, int64_t layer);
  Value mlp(Value n, int64_t layer);

  // Single ops; `symbol` is the weight's and names the op.
  Value load(llvm::StringRef symbol);
  Value norm(Value x, llvm::StringRef symbol);
  /// x · Wᵀ, then the bias as an addition of its own if the weight map has one.
  Value linear(Value x, llvm::StringRef symbol, mlir::Type element);
  Value view(Value x, int64_t offset, int64_t columns, llvm::StringRef path);
  Value rope(Value x, int64_t heads, llvm::StringRef path);
  Value add(Value a, Value b, llvm::StringRef path);

  mlir::Location at(llvm::StringRef path) const;
  mlir::RankedTensorType rowsOf(int64_t columns, mlir::Type element) const;
  mlir::RankedTensorType activations(int64_t columns) const;
  std::string inLayer(int64_t layer, llvm::StringRef name) const;

  lm::ModelOp model;
  const ModelSpec &spec;
  const WeightMap &weights;
  const GraphOptions &options;
  mlir::OpBuilder builder;
  llvm::StringMap<mlir::RankedTensorType> typeOf; ///< of built weights
  lm::KvType kvType;
  Value tokens, positions, slots;
};

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_GRAPHBUILDER_H

//===- GraphBuilder.cpp - The decoder as lm ops ------------------------------===//
//
// Op granularity is the rounding ledger of the model: each op rounds once when it stores its
// result, so biases and residual sums are ops of their own, in Hugging Face's order (MLP +
// attention first, then the residual).
//
// The residual stream stays float32 whatever the compute type is: embedding rows, what attention
// and MLP add, and their sums. Hugging Face rounds each of them under bfloat16; keeping them costs
// no weight traffic and halves the divergence from the float32 model.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/GraphBuilder.h"

#include "ir/lm/LmAttrNames.h"
#include "ir/support/DType.h"
#include <cmath>

using namespace llvm;
using namespace mlir;
using namespace stoop::lm;

namespace stoop::importer {

GraphBuilder::GraphBuilder(ModelOp model, const ModelSpec &spec, const WeightMap &weights,
                           const GraphOptions &options)
    : model(model), spec(spec), weights(weights), options(options),
      builder(OpBuilder::atBlockEnd(&model.getBody().front())) {}

Location GraphBuilder::at(StringRef path) const {
  return NameLoc::get(StringAttr::get(builder.getContext(), path));
}

RankedTensorType GraphBuilder::rowsOf(int64_t columns, Type element) const {
  return RankedTensorType::get({ShapedType::kDynamic, columns}, element);
}

RankedTensorType GraphBuilder::activations(int64_t columns) const {
  return rowsOf(columns, options.computeType);
}

std::string GraphBuilder::inLayer(int64_t layer, StringRef name) const {
  return symbols::layer(layer, name);
}

void GraphBuilder::build() {
  for (const Weight &weight : weights.weights())
    buildWeight(weight);
  if (!spec.alibi)
    buildRopeTable();
  buildKvState();
  buildForward();
}

//===----------------------------------------------------------------------===//
// Symbols
//===----------------------------------------------------------------------===//

/// The float type of a safetensors dtype that WeightMap admits.
static FloatType storedType(StringRef dtype, MLIRContext *context) {
  if (dtype == "BF16")
    return BFloat16Type::get(context);
  if (dtype == "F16")
    return Float16Type::get(context);
  return Float32Type::get(context);
}

FloatType GraphBuilder::elementType(const Weight &weight) const {
  MLIRContext *context = builder.getContext();
  // Vectors are few and read once a row: always float32, `round` keeps a narrower type's values.
  if (weight.isVector || weight.isStored())
    return Float32Type::get(context);
  if (!options.computeType.isF32())
    return options.computeType;
  // Parity mode keeps what is stored; parts of different types meet in float32, which holds both.
  FloatType first = storedType(weight.parts.front().tensor.info->dtype, context);
  for (const WeightPart &part : weight.parts)
    if (storedType(part.tensor.info->dtype, context) != first)
      return Float32Type::get(context);
  return first;
}

/// The tensors of a quantised matrix: codes, zeros, scales.
static void addStoredSources(const StoredMatrix &stored, MLIRContext *context,
                             SmallVectorImpl<Attribute> &sources) {
  for (const TensorRef &tensor : {stored.codes, stored.zeros, stored.scales}) {
    const TensorInfo &info = *tensor.info;
    Type dtype = info.dtype == "I32" ? Type(IntegerType::get(context, 32))
                                     : Type(Float16Type::get(context));
    sources.push_back(SourceAttr::get(context, info.name, tensor.file->path(),
                                      static_cast<int64_t>(info.offsetBytes), dtype,
                                      static_cast<int64_t>(info.shape[0]),
                                      static_cast<int64_t>(info.shape[1])));
  }
}

void GraphBuilder::buildWeight(const Weight &weight) {
  MLIRContext *context = builder.getContext();
  SmallVector<Attribute> sources;
  for (const WeightPart &part : weight.parts) {
    if (part.stored) {
      addStoredSources(part.stored, context, sources);
      continue;
    }
    int64_t rows = weight.isVector ? 1 : part.rows;
    int64_t cols = weight.isVector ? part.rows : weight.cols;
    const TensorInfo &info = *part.tensor.info;
    sources.push_back(SourceAttr::get(context, part.key, part.tensor.file->path(),
                                      static_cast<int64_t>(info.offsetBytes),
                                      storedType(info.dtype, context), rows, cols));
  }
  QkvLayoutAttr layout;
  if (weight.fusedQkv)
    layout = QkvLayoutAttr::get(context, spec.kvHeads, spec.queriesPerKv(), spec.headDim);
  SmallVector<int64_t, 2> shape = {weight.rows, weight.cols};
  if (weight.isVector)
    shape = {weight.cols};
  auto type = RankedTensorType::get(shape, elementType(weight));
  if (weight.isStored())
    type = RankedTensorType::get(shape, builder.getF32Type(),
                                 builder.getStringAttr(options.quantization->scheme()));
  TypeAttr round;
  if (weight.isVector && !options.computeType.isF32())
    round = TypeAttr::get(options.computeType);
  auto op = WeightOp::create(builder, at(weight.symbol), builder.getStringAttr(weight.symbol),
                             TypeAttr::get(type), builder.getArrayAttr(sources), layout,
                             RopeTableAttr(), round);
  if (weight.isStored())
    op->setAttr(kStoredFormAttrName, builder.getStringAttr(options.quantization->form));
  typeOf[weight.symbol] = type;
}

void GraphBuilder::buildRopeTable() {
  auto type = RankedTensorType::get({options.positions, spec.headDim}, builder.getF32Type());
  StringRef round = options.computeType.isF32() ? "none" : elementName(options.computeType);
  auto table = RopeTableAttr::get(
      builder.getContext(), builder.getDenseF32ArrayAttr(options.ropeFrequencies),
      builder.getF32FloatAttr(spec.rope.attentionFactor), options.positions, round);
  WeightOp::create(builder, at(symbols::rope), builder.getStringAttr(symbols::rope),
                   TypeAttr::get(type), ArrayAttr(), QkvLayoutAttr(), table, TypeAttr());
  typeOf[symbols::rope] = type;
}

void GraphBuilder::buildKvState() {
  kvType = KvType::get(builder.getContext(), options.batch, options.positions, spec.kvHeads,
                       spec.headDim, options.kvType);
  KvStateOp::create(builder, at(symbols::kv), builder.getStringAttr(symbols::kv),
                    builder.getI64IntegerAttr(spec.layers), TypeAttr::get(kvType));
}

//===----------------------------------------------------------------------===//
// Single ops
//===----------------------------------------------------------------------===//

Value GraphBuilder::load(StringRef symbol) {
  return LoadWeightOp::create(builder, at(symbol), typeOf.at(symbol),
                              FlatSymbolRefAttr::get(builder.getContext(), symbol));
}

/// Reads the residual stream, gives activations of the compute type.
Value GraphBuilder::norm(Value x, StringRef symbol) {
  NormKind kind = spec.norm == NormForm::Rms ? NormKind::Rms : NormKind::Layer;
  Value scale = load(symbol);
  Value bias = kind == NormKind::Rms ? Value() : load(symbols::bias(symbol));
  return NormOp::create(builder, at(symbol), activations(spec.hidden),
                        NormKindAttr::get(builder.getContext(), kind), x, scale, bias,
                        builder.getF32FloatAttr(spec.normEps));
}

Value GraphBuilder::linear(Value x, StringRef symbol, Type element) {
  Value weight = load(symbol);
  RankedTensorType type = rowsOf(typeOf.at(symbol).getDimSize(0), element);
  Value y = LinearOp::create(builder, at(symbol), type, x, weight);
  std::string bias = symbols::bias(symbol);
  if (!weights.contains(bias))
    return y;
  Value vector = load(bias);
  return BiasOp::create(builder, at(bias), type, y, vector);
}

Value GraphBuilder::view(Value x, int64_t offset, int64_t columns, StringRef path) {
  return ViewOp::create(builder, at(path), activations(columns), x,
                        builder.getI64IntegerAttr(offset));
}

Value GraphBuilder::rope(Value x, int64_t heads, StringRef path) {
  Value table = load(symbols::rope);
  return RopeOp::create(builder, at(path), x.getType(), x, positions, table,
                        builder.getI64IntegerAttr(heads));
}

Value GraphBuilder::add(Value a, Value b, StringRef path) {
  return BinaryOp::create(builder, at(path), a.getType(), BinaryKind::Add, a, b);
}

//===----------------------------------------------------------------------===//
// The entry
//===----------------------------------------------------------------------===//

Value GraphBuilder::attention(Value n, int64_t layer) {
  auto path = [&](StringRef name) { return inLayer(layer, ("attn." + name).str()); };
  Value qkv = linear(n, inLayer(layer, symbols::qkv), options.computeType);
  int64_t queryColumns = spec.queryColumns(), kvColumns = spec.kvColumns();
  Value q = view(qkv, 0, queryColumns, path("q"));
  Value k = view(qkv, queryColumns, kvColumns, path("k"));
  Value v = view(qkv, queryColumns + kvColumns, kvColumns, path("v"));
  if (!spec.alibi) {
    q = rope(q, spec.heads, path("q_rope"));
    k = rope(k, spec.kvHeads, path("k_rope"));
  }
  Value cache = KvViewOp::create(builder, at(path("kv")), kvType,
                                 FlatSymbolRefAttr::get(builder.getContext(), symbols::kv),
                                 builder.getI64IntegerAttr(layer));
  KvAppendOp::create(builder, at(path("kv_append")), cache, k, v, positions, slots);

  float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(spec.headDim)));
  DenseF32ArrayAttr slopes;
  if (spec.alibi)
    slopes = builder.getDenseF32ArrayAttr(alibiSlopes(spec.heads));
  Value mixed =
      AttentionOp::create(builder, at(path("core")), q.getType(), q, cache, positions, slots,
                          builder.getI64IntegerAttr(spec.heads), builder.getF32FloatAttr(scale),
                          AlibiModeAttr::get(builder.getContext(), options.alibi), slopes);
  return linear(mixed, inLayer(layer, symbols::attnOut), builder.getF32Type());
}

Value GraphBuilder::mlp(Value n, int64_t layer) {
  auto path = [&](StringRef name) { return inLayer(layer, ("mlp." + name).str()); };
  ActivationKind kind = *symbolizeActivationKind(spec.activation);
  Value up, inner;
  if (spec.gatedMlp) {
    Value gate = linear(n, inLayer(layer, symbols::gate), options.computeType);
    Value active = ActivationOp::create(builder, at(path("act")), gate.getType(), kind, gate);
    up = linear(n, inLayer(layer, symbols::up), options.computeType);
    inner = BinaryOp::create(builder, at(path("gated")), up.getType(), BinaryKind::Mul, active, up);
  } else {
    up = linear(n, inLayer(layer, symbols::up), options.computeType);
    inner = ActivationOp::create(builder, at(path("act")), up.getType(), kind, up);
  }
  return linear(inner, inLayer(layer, symbols::down), builder.getF32Type());
}

Value GraphBuilder::buildBlock(Value x, int64_t layer) {
  auto path = [&](StringRef name) { return inLayer(layer, name); };
  switch (spec.block) {
  case BlockForm::Sequential: {
    Value attended = attention(norm(x, path(symbols::attnNorm)), layer);
    Value middle = add(x, attended, path("attn.residual"));
    Value transformed = mlp(norm(middle, path(symbols::mlpNorm)), layer);
    return add(middle, transformed, path("mlp.residual"));
  }
  case BlockForm::ParallelOneNorm: {
    Value n = norm(x, path(symbols::norm));
    Value attended = attention(n, layer);
    Value sum = add(mlp(n, layer), attended, path("join"));
    return add(x, sum, path("residual"));
  }
  case BlockForm::ParallelTwoNorms: {
    Value attended = attention(norm(x, path(symbols::attnNorm)), layer);
    Value transformed = mlp(norm(x, path(symbols::mlpNorm)), layer);
    Value sum = add(transformed, attended, path("join"));
    return add(x, sum, path("residual"));
  }
  }
  llvm_unreachable("all block forms are built");
}

void GraphBuilder::buildForward() {
  auto indices = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
  RankedTensorType logitsType = rowsOf(spec.vocab, builder.getF32Type());
  auto type = builder.getFunctionType({indices, indices, indices}, {logitsType});
  auto entry = EntryOp::create(builder, at("forward"), builder.getStringAttr("forward"),
                               EntryKindAttr::get(builder.getContext(), EntryKind::Forward),
                               TypeAttr::get(type), ArrayAttr(), ArrayAttr());
  OpBuilder::InsertionGuard guard(builder);
  Block *body = builder.createBlock(&entry.getBody());
  tokens = body->addArgument(indices, at("tokens"));
  positions = body->addArgument(indices, at("positions"));
  slots = body->addArgument(indices, at("slots"));

  Value table = load(symbols::embed);
  RankedTensorType stream = rowsOf(spec.hidden, builder.getF32Type());
  Value x =
      EmbeddingOp::create(builder, at(symbols::embed), stream, tokens, table);
  for (int64_t layer = 0; layer < spec.layers; ++layer)
    x = buildBlock(x, layer);
  x = norm(x, symbols::finalNorm);
  Value head = load(weights.headSymbol());
  Value logits = LinearOp::create(builder, at(symbols::head), logitsType, x, head);
  lm::ReturnOp::create(builder, at("forward"), logits);
}

} // namespace stoop::importer

//===- LmVerifiers.cpp - constraints of lm ops ----------------------------===//
//
// The labelled constraints (C1) ... of LmOps.td. Local rules only: what holds for a whole model is checked by
// the phase gates in passes/.
//
//===----------------------------------------------------------------------===//
#include "ir/lm/LmAttrNames.h"
#include "ir/lm/LmOps.h"
#include "ir/support/DType.h"

using namespace mlir;
using namespace stoop::lm;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Rank 2, and the same rows as `other` (rank 1 or 2).
static LogicalResult verifyRows(Operation *op, Value value, StringRef name, Value other) {
  RankedTensorType type = tensorOf(value);
  if (type.getRank() != 2)
    return op->emitOpError() << "expects " << name << " of rank 2, got " << type;
  int64_t rows = tensorOf(other).getDimSize(0);
  if (type.getDimSize(0) != rows)
    return op->emitOpError() << "expects " << name << " with the rows of " << tensorOf(other)
                             << ", got " << type;
  return success();
}

static LogicalResult verifySameType(Operation *op, Value input, Value result) {
  if (tensorOf(input).getRank() != 2 || input.getType() != result.getType())
    return op->emitOpError() << "expects a result of the input's type " << input.getType()
                             << ", got " << result.getType();
  return success();
}

static LogicalResult verifyColumns(Operation *op, int64_t actual, StringRef what, int64_t expected) {
  if (actual != expected)
    return op->emitOpError() << "expects " << expected << " " << what << ", got " << actual;
  return success();
}

LogicalResult ModelOp::verify() {
  if (elementBytes(getDtype()) == 0 || getDtype().isInteger())
    return emitOpError() << "expects dtype f32, bf16 or f16, got " << getDtype();
  for (auto [name, value] :
       {std::pair<StringRef, int64_t>{"hidden", getHidden()}, {"layers", getLayers()},
        {"heads", getHeads()}, {"kv_heads", getKvHeads()}, {"head_dim", getHeadDim()},
        {"ffn", getFfn()}, {"vocab", getVocab()}, {"max_positions", getMaxPositions()},
        {"batch", getBatch()}})
    if (value <= 0)
      return emitOpError() << "expects a positive " << name << ", got " << value;
  if (getHeads() % getKvHeads() != 0)
    return emitOpError() << "expects heads to be a multiple of kv_heads, got " << getHeads()
                         << " and " << getKvHeads();
  return success();
}

/// (C6): codes, zeros and scales of matrices whose rows are those of the weight. A row is a column
/// of the scales.
static LogicalResult verifyStoredSources(WeightOp weight) {
  auto sources = llvm::to_vector(weight.getSources()->getAsRange<SourceAttr>());
  auto form = weight->getAttrOfType<StringAttr>(kStoredFormAttrName);
  int64_t rows = 0;
  for (size_t i = 2; i < sources.size(); i += 3)
    rows += sources[i].getCols();
  if (form && stoop::quantSchemeOf(weight.getTensorType()) && sources.size() % 3 == 0 &&
      rows == weight.getTensorType().getDimSize(0))
    return success();
  return weight.emitOpError() << "expects codes, zeros and scales of quantised matrices with "
                              << weight.getTensorType().getDimSize(0) << " rows in all, got "
                              << sources.size() << " sources with " << rows << " rows";
}

LogicalResult WeightOp::verify() {
  RankedTensorType type = getTensorType();
  if (!type.hasStaticShape() || type.getRank() > 2 || elementBytes(type.getElementType()) == 0)
    return emitOpError() << "expects a static tensor of rank 1 or 2, got " << type;
  int64_t typeCols = type.getShape().back();
  int64_t typeRows = type.getRank() == 2 ? type.getDimSize(0) : 1;
  if (getSources().has_value() == getGenerator().has_value()) // (C1)
    return emitOpError() << "expects either sources or a generator";
  if (Attribute encoding = type.getEncoding()) { // (C5)
    if (!quantSchemeOf(type))
      return emitOpError() << "expects the name of a quantisation scheme as encoding, got "
                           << encoding;
    if (type.getRank() != 2 || !type.getElementType().isF32() || !getSources())
      return emitOpError() << "expects a quantised weight to be a float32 matrix with sources, got "
                           << type;
  }
  if (auto generator = getGenerator()) { // (C4)
    int64_t cols = 2 * static_cast<int64_t>(generator->getInvFreq().size());
    if (typeRows != generator->getPositions() || typeCols != cols)
      return emitOpError() << "expects the generator's shape " << generator->getPositions() << "x"
                           << cols << ", got " << type;
    return success();
  }
  if ((*this)->hasAttr(kStoredFormAttrName)) // (C6)
    return verifyStoredSources(*this);
  int64_t rows = 0, elements = 0;
  for (SourceAttr source : getSources()->getAsRange<SourceAttr>()) { // (C2)
    if (type.getRank() == 2 && source.getCols() != typeCols)
      return emitOpError() << "expects " << typeCols << " columns of source '" << source.getKey()
                           << "', got " << source.getCols();
    rows += source.getRows();
    elements += source.getRows() * source.getCols();
  }
  if (elements != type.getNumElements())
    return emitOpError() << "expects sources of " << type.getNumElements() << " elements, got "
                         << elements;
  if (auto layout = getLayout()) { // (C3)
    int64_t covered = layout->getGroups() * (layout->getQueries() + 2) * layout->getHeadDim();
    if (covered != (type.getRank() == 2 ? rows : typeCols))
      return emitOpError() << "expects a layout of " << (type.getRank() == 2 ? rows : typeCols)
                           << " rows, got " << covered;
  }
  return success();
}

LogicalResult LoadWeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight) // (C1)
    return emitOpError() << "names no weight: " << getWeightAttr();
  if (weight.getTensorType() != getResult().getType()) // (C2)
    return emitOpError() << "expects the weight's type " << weight.getTensorType() << ", got "
                         << getResult().getType();
  return success();
}

LogicalResult KvViewOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto state = symbols.lookupNearestSymbolFrom<KvStateOp>(*this, getStateAttr());
  if (!state || state.getType() != getResult().getType()) // (C1)
    return emitOpError() << "names no kv_state of type " << getResult().getType() << ": "
                         << getStateAttr();
  if (static_cast<int64_t>(getLayer()) < 0 || getLayer() >= state.getLayers()) // (C2)
    return emitOpError() << "expects a layer below " << state.getLayers() << ", got " << getLayer();
  return success();
}

LogicalResult EntryOp::verify() {
  ArrayRef<Type> inputs = getArgumentTypes();
  bool indices = inputs.size() == 3 && inputs[0] == inputs[1] && inputs[1] == inputs[2];
  auto first = indices ? dyn_cast<RankedTensorType>(inputs[0]) : RankedTensorType();
  if (!first || first.getRank() != 1 || !first.getElementType().isInteger(32)) // (C1)
    return emitOpError() << "expects tokens, positions and slots of one type tensor<rows x i32>";
  auto isRows = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && tensor.getRank() == 2 && tensor.getElementType().isF32();
  };
  ArrayRef<Type> results = getResultTypes();
  if (results.empty() || results.size() > 2 || !llvm::all_of(results, isRows)) // (C2)
    return emitOpError() << "expects one result, the logits as tensor<rows x vocab x f32>, or their "
                            "maxima by blocks as a second";
  return success();
}

LogicalResult ReturnOp::verify() {
  auto entry = cast<EntryOp>((*this)->getParentOp());
  if (getOperandTypes() != entry.getResultTypes()) // (C3) of lm.entry
    return emitOpError() << "expects values of the entry's result types";
  return success();
}

LogicalResult EmbeddingOp::verify() {
  if (failed(verifyRows(*this, getResult(), "a result", getTokens()))) // (C2)
    return failure();
  return verifyColumns(*this, tensorOf(getResult()).getDimSize(1), "columns, as the table",
                       tensorOf(getTable()).getDimSize(1)); // (C1)
}

LogicalResult LinearOp::verify() {
  if (failed(verifyRows(*this, getInput(), "an input", getInput())) ||
      failed(verifyRows(*this, getResult(), "a result", getInput()))) // (C3)
    return failure();
  RankedTensorType weight = tensorOf(getWeight());
  if (weight.getRank() != 2)
    return emitOpError() << "expects a weight of rank 2, got " << weight;
  if (failed(verifyColumns(*this, weight.getDimSize(1), "columns of the weight, as the input",
                           tensorOf(getInput()).getDimSize(1)))) // (C1)
    return failure();
  return verifyColumns(*this, tensorOf(getResult()).getDimSize(1),
                       "columns of the result, as rows of the weight", weight.getDimSize(0)); // (C2)
}

LogicalResult NormOp::verify() {
  if (failed(verifyRows(*this, getInput(), "an input", getInput())) ||
      failed(verifyRows(*this, getResult(), "a result", getInput()))) // (C1)
    return failure();
  int64_t features = tensorOf(getInput()).getDimSize(1);
  if (failed(verifyColumns(*this, tensorOf(getResult()).getDimSize(1), "columns, as the input",
                           features))) // (C1)
    return failure();
  if (failed(verifyColumns(*this, tensorOf(getScale()).getDimSize(0), "elements of scale", features)))
    return failure(); // (C2)
  if ((getKind() == NormKind::Layer) != static_cast<bool>(getBias())) // (C3)
    return emitOpError() << "expects a bias exactly for a layer norm";
  if (getBias() &&
      failed(verifyColumns(*this, tensorOf(getBias()).getDimSize(0), "elements of bias", features)))
    return failure();
  if (!getMoments() && !getBlock())
    return success();
  if (!getMoments() || getBlock().value_or(0) <= 0) // (C4)
    return emitOpError() << "expects moments and a positive block, or neither";
  auto made = getMoments().getDefiningOp<BlockMomentsOp>();
  if (made && (made.getInput() != getInput() || made.getKind() != getKind() || made.getBlock() != *getBlock()))
    return emitOpError() << "expects moments of its input, for its kind of norm and its blocks";
  if (failed(verifyRows(*this, getMoments(), "moments", getInput())))
    return failure();
  return verifyColumns(*this, tensorOf(getMoments()).getDimSize(1), "columns of moments",
                       BlockMomentsOp::numbersOf(getKind()) * numBlocks(features, *getBlock()));
}

LogicalResult BiasOp::verify() {
  if (failed(verifySameType(*this, getInput(), getResult()))) // (C1)
    return failure();
  return verifyColumns(*this, tensorOf(getVector()).getDimSize(0), "elements of the vector",
                       tensorOf(getInput()).getDimSize(1)); // (C2)
}

LogicalResult ViewOp::verify() {
  if (failed(verifyRows(*this, getResult(), "a result", getInput()))) // (C2)
    return failure();
  RankedTensorType input = tensorOf(getInput()), result = tensorOf(getResult());
  if (input.getElementType() != result.getElementType())
    return emitOpError() << "expects element type " << input.getElementType() << ", got "
                         << result.getElementType();
  int64_t offset = getOffset(), end = offset + result.getDimSize(1);
  if (offset < 0 || end > input.getDimSize(1)) // (C1)
    return emitOpError() << "expects a range within " << input.getDimSize(1) << " columns, got ["
                         << offset << ", " << end << ")";
  return success();
}

/// What reductions of blocks of columns share; `what` names their result's columns.
template <typename Op> static LogicalResult verifyReduction(Op op, llvm::StringRef what) {
  if (failed(verifyRows(op, op.getInput(), "an input", op.getInput())) ||
      failed(verifyRows(op, op.getResult(), "a result", op.getInput()))) // (C2)
    return failure();
  RankedTensorType result = tensorOf(op.getResult());
  if (!result.getElementType().isF32()) // (C3)
    return op.emitOpError() << "expects a float32 result, got " << result;
  int64_t blocks = numBlocks(tensorOf(op.getInput()).getDimSize(1), op.getBlockColumns());
  return verifyColumns(op, result.getDimSize(1), what, op.getBlockNumbers() * blocks); // (C1)
}

LogicalResult BlockMaxOp::verify() {
  return verifyReduction(*this, "columns, one for a block of the input");
}

LogicalResult BlockMomentsOp::verify() {
  if (getBlockColumns() <= 0) // (C4)
    return emitOpError() << "expects blocks of one column or more, got " << getBlockColumns();
  return verifyReduction(*this, "columns, the numbers of each block of the input");
}

LogicalResult GatherLastOp::verify() {
  RankedTensorType input = tensorOf(getInput());
  auto expected = RankedTensorType::get({1, input.getShape().back()}, input.getElementType());
  if (input.getRank() != 2 || getResult().getType() != expected) // (C1)
    return emitOpError() << "expects a result of type " << expected << ", got "
                         << getResult().getType();
  return success();
}

LogicalResult RopeOp::verify() {
  if (failed(verifySameType(*this, getInput(), getResult()))) // (C1)
    return failure();
  int64_t features = tensorOf(getInput()).getDimSize(1), heads = getHeads();
  if (heads <= 0 || features % heads != 0 || features / heads % 2 != 0) // (C2)
    return emitOpError() << "expects features to be heads times an even head dimension, got "
                         << features << " features and " << heads << " heads";
  return verifyColumns(*this, tensorOf(getTable()).getShape().back(), "columns of the table",
                       features / heads); // (C3)
}

LogicalResult KvAppendOp::verify() {
  KvType cache = getCache().getType();
  for (Value value : {getKeys(), getValues()}) { // (C1)
    if (failed(verifyRows(*this, value, "keys and values", getPositions())))
      return failure();
    if (failed(verifyColumns(*this, tensorOf(value).getDimSize(1), "columns, heads x head_dim of the cache",
                             cache.getHeads() * cache.getHeadDim())))
      return failure();
  }
  return success();
}

LogicalResult AttentionOp::verify() {
  KvType cache = getCache().getType();
  if (failed(verifySameType(*this, getQuery(), getResult()))) // (C4)
    return failure();
  int64_t heads = getHeads();
  if (failed(verifyColumns(*this, tensorOf(getQuery()).getDimSize(1), "query columns, heads x head_dim",
                           heads * cache.getHeadDim()))) // (C1)
    return failure();
  if (heads % cache.getHeads() != 0) // (C2)
    return emitOpError() << "expects heads to be a multiple of " << cache.getHeads()
                         << " KV heads, got " << heads;
  int64_t slopes = getSlopes() ? static_cast<int64_t>(getSlopes()->size()) : 0;
  return verifyColumns(*this, slopes, "ALiBi slopes", getAlibi() == AlibiMode::None ? 0 : heads); // (C3)
}

LogicalResult FusedOp::verify() {
  Block &body = getBody().front();
  if (body.getArgumentTypes() != getInputs().getTypes()) // (C1)
    return emitOpError() << "expects block arguments of the inputs' types";
  auto yield = dyn_cast_or_null<YieldOp>(body.getTerminator());
  if (!yield || yield.getOperandTypes() != getResultTypes()) // (C2)
    return emitOpError() << "expects an lm.yield of the result types";
  return success();
}

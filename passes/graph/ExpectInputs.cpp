//===- ExpectInputs.cpp - what enters matrices in integers ---------------===//
//
// Follows the input of each linear back to the norm that it comes of. A decision and nothing else: the
// attribute names weights, whose values packaging and evaluation read.
//
//===----------------------------------------------------------------------===//
#include "passes/graph/Passes.h"

#include "ir/lm/LmAttrNames.h"
#include "ir/lm/LmDialect.h"
#include "ir/lm/LmOps.h"
#include "ir/support/DType.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

namespace stoop::graph {
#define GEN_PASS_DEF_EXPECTINPUTS
#include "passes/graph/Passes.h.inc"
} // namespace stoop::graph

using namespace mlir;
using namespace stoop;

/// The weight behind a loaded value; null if it is none.
static FlatSymbolRefAttr weightOf(Value value) {
  auto load = value ? value.getDefiningOp<lm::LoadWeightOp>() : lm::LoadWeightOp();
  return load ? load.getWeightAttr() : FlatSymbolRefAttr();
}

namespace {
/// Steps from a norm to a linear's input, found from the back.
struct Derivation {
  FlatSymbolRefAttr scale, bias, matrix, offset, factor;
  int64_t first = 0, rows = 0, head = 0, repeats = 1;
  lm::ActivationKindAttr activation;

  bool isNorm(Value value) {
    auto norm = value.getDefiningOp<lm::NormOp>();
    if (!norm)
      return false;
    scale = weightOf(norm.getScale());
    bias = weightOf(norm.getBias());
    return scale && bool(bias) == bool(norm.getBias());
  }

  /// Columns of a linear layer of a norm's result.
  bool isLayer(Value value) {
    rows = cast<RankedTensorType>(value.getType()).getDimSize(1);
    if (auto view = value.getDefiningOp<lm::ViewOp>()) {
      first = static_cast<int64_t>(view.getOffset());
      value = view.getInput();
    }
    if (auto bias = value.getDefiningOp<lm::BiasOp>()) {
      offset = weightOf(bias.getVector());
      value = bias.getInput();
      if (!offset)
        return false;
    }
    auto linear = value.getDefiningOp<lm::LinearOp>();
    matrix = linear ? weightOf(linear.getWeight()) : FlatSymbolRefAttr();
    return matrix && isNorm(linear.getInput());
  }

  bool isActivation(Value value) {
    auto op = value.getDefiningOp<lm::ActivationOp>();
    if (!op)
      return false;
    activation = op.getKindAttr();
    return isLayer(op.getInput());
  }

  /// An activation times a linear of the same input, without a bias.
  bool isGated(lm::BinaryOp op) {
    auto linear = op.getRhs().getDefiningOp<lm::LinearOp>();
    if (op.getKind() != lm::BinaryKind::Mul || !linear || !isActivation(op.getLhs()))
      return false;
    factor = weightOf(linear.getWeight());
    Value gated = op.getLhs().getDefiningOp<lm::ActivationOp>().getInput();
    if (auto bias = gated.getDefiningOp<lm::BiasOp>())
      gated = bias.getInput();
    auto gate = gated.getDefiningOp<lm::LinearOp>();
    return factor && gate && gate.getInput() == linear.getInput();
  }

  /// Values that attention mixes over tokens.
  bool isMixture(lm::AttentionOp op) {
    lm::KvType cache = op.getCache().getType();
    head = cache.getHeadDim();
    repeats = static_cast<int64_t>(op.getHeads()) / cache.getHeads();
    for (Operation *user : op.getCache().getUsers())
      if (auto append = dyn_cast<lm::KvAppendOp>(user))
        return isLayer(append.getValues());
    return false;
  }

  bool isKnown(Value input) {
    if (auto op = input.getDefiningOp<lm::BinaryOp>())
      return isGated(op);
    if (auto op = input.getDefiningOp<lm::AttentionOp>())
      return isMixture(op);
    return isNorm(input) || isActivation(input);
  }
};

struct ExpectInputs : graph::impl::ExpectInputsBase<ExpectInputs> {
  void runOnOperation() override {
    for (lm::ModelOp model : getOperation().getOps<lm::ModelOp>())
      expect(model);
  }

  /// The attribute for what `linear` reads; null where the inputs are not known.
  lm::InputsAttr derive(lm::LinearOp linear, FlatSymbolRefAttr table, const SymbolTable &symbols) {
    Derivation found;
    if (!found.isKnown(linear.getInput()))
      return {};
    for (FlatSymbolRefAttr matrix : {table, found.matrix, found.factor})
      if (matrix && symbols.lookup(matrix.getAttr())->hasAttr(lm::kStoredFormAttrName))
        return {};
    return lm::InputsAttr::get(&getContext(), table, found.scale, found.bias, found.matrix, found.offset,
                               found.factor, found.first, found.rows, found.head, found.repeats,
                               found.activation);
  }

  void expect(lm::ModelOp model) {
    SymbolTable symbols(model);
    llvm::MapVector<StringAttr, lm::InputsAttr> inputs; // null: not known, or not one
    FlatSymbolRefAttr table;
    model.walk([&](lm::EmbeddingOp embedding) { table = weightOf(embedding.getTable()); });
    if (!table)
      return;
    model.walk([&](lm::LinearOp linear) {
      FlatSymbolRefAttr weight = weightOf(linear.getWeight());
      if (!weight || llvm::any_of(linear->getUsers(), llvm::IsaPred<lm::ReturnOp>))
        return;
      lm::InputsAttr own = derive(linear, table, symbols);
      auto [place, isFirst] = inputs.try_emplace(weight.getAttr(), own);
      if (!isFirst && place->second != own)
        place->second = {};
    });
    llvm::StringMap<int64_t> anticipated;
    for (auto [name, own] : inputs) {
      auto weight = symbols.lookup<lm::WeightOp>(name);
      RankedTensorType type = weight.getTensorType();
      std::optional<QuantScheme> scheme = quantSchemeOf(type);
      if (!own || !scheme || scheme->isFloat || weight->hasAttr(lm::kStoredFormAttrName))
        continue;
      weight->setAttr(lm::kInputsAttrName, own);
      ++anticipated[cast<StringAttr>(type.getEncoding()).getValue()];
    }
    recordDecisions(model, anticipated);
  }

  /// Adds `anticipated` to each entry of metadata.quantization.
  void recordDecisions(lm::ModelOp model, const llvm::StringMap<int64_t> &anticipated) {
    auto list = model.getMetadata().getAs<ArrayAttr>("quantization");
    if (!list)
      return;
    Builder builder(&getContext());
    SmallVector<Attribute> entries;
    for (auto entry : list.getAsRange<DictionaryAttr>()) {
      NamedAttrList extended(entry);
      int64_t count = anticipated.lookup(entry.getAs<StringAttr>("scheme").getValue());
      extended.set("anticipated", builder.getI64IntegerAttr(count));
      entries.push_back(extended.getDictionary(&getContext()));
    }
    NamedAttrList metadata(model.getMetadata());
    metadata.set("quantization", builder.getArrayAttr(entries));
    model.setMetadataAttr(metadata.getDictionary(&getContext()));
  }
};
} // namespace

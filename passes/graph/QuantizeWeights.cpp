//===- QuantizeWeights.cpp - an integer form for every matrix ------------===//
//
// A decision and nothing else: the scheme becomes the encoding of the matrix's type, at the weight
// and at every load of it, so that all later phases see it. Stored values are read by packaging.
//
//===----------------------------------------------------------------------===//
#include "passes/graph/Passes.h"

#include "ir/lm/LmAttrNames.h"
#include "ir/lm/LmDialect.h"
#include "ir/lm/LmOps.h"
#include "ir/support/DType.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/GlobPattern.h"

namespace stoop::graph {
#define GEN_PASS_DEF_QUANTIZEWEIGHTS
#include "passes/graph/Passes.h.inc"
} // namespace stoop::graph

using namespace mlir;
using namespace stoop;

namespace {
/// A scheme or none, as options name them.
struct Choice {
  std::optional<QuantScheme> scheme;
  std::string name() const { return scheme ? scheme->name() : "none"; }
  bool operator==(const Choice &other) const = default;
};

/// PATTERN=SCHEME.
struct Override {
  llvm::GlobPattern pattern;
  StringRef text; ///< the pattern as given
  Choice choice;
  bool matched = false;
};
} // namespace

/// Reads a scheme's name; fails on any other word.
static FailureOr<Choice> parseChoice(StringRef name) {
  if (name == "none")
    return Choice{};
  if (name == "int4") // groups of 32: the scheme that costs least accuracy
    return Choice{QuantScheme{4, 32}};
  std::optional<QuantScheme> scheme = QuantScheme::parse(name);
  if (!scheme || (scheme->bits == 4 && scheme->group != 32 && scheme->group != 128))
    return failure();
  return Choice{scheme};
}

/// The name with the fewest edits to `text`.
static StringRef nearestName(ArrayRef<lm::WeightOp> weights, StringRef text) {
  StringRef best;
  unsigned least = ~0u;
  for (lm::WeightOp weight : weights) {
    unsigned distance = text.edit_distance(weight.getSymName());
    if (distance < least) {
      least = distance;
      best = weight.getSymName();
    }
  }
  return best;
}

namespace {
struct QuantizeWeights : graph::impl::QuantizeWeightsBase<QuantizeWeights> {
  using QuantizeWeightsBase::QuantizeWeightsBase;

  void runOnOperation() override {
    FailureOr<Choice> standard = parseChoice(scheme);
    if (failed(standard)) {
      getOperation().emitError() << "--quantization: there is no scheme '" << scheme.getValue()
                                 << "'; schemes: none, int8, int4, int4-g32, int4-g128, fp8";
      return signalPassFailure();
    }
    SmallVector<Override> parsed;
    if (failed(parseOverrides(parsed)))
      return signalPassFailure();
    for (lm::ModelOp model : getOperation().getOps<lm::ModelOp>())
      if (failed(quantize(model, *standard, parsed)))
        return signalPassFailure();
  }

  LogicalResult parseOverrides(SmallVectorImpl<Override> &parsed) {
    for (StringRef text : overrides) {
      auto [pattern, name] = text.rsplit('=');
      FailureOr<Choice> choice = parseChoice(name);
      if (pattern.empty() || failed(choice))
        return getOperation().emitError()
               << "--quantization-override '" << text
               << "': expected PATTERN=SCHEME, schemes: none, int8, int4, int4-g32, int4-g128, fp8";
      llvm::Expected<llvm::GlobPattern> glob = llvm::GlobPattern::create(pattern);
      if (!glob)
        return getOperation().emitError() << "--quantization-override '" << text
                                          << "': " << llvm::toString(glob.takeError());
      parsed.push_back({std::move(*glob), pattern, *choice});
    }
    return success();
  }

  /// What a matrix that is integers already is stored as.
  static Choice storedChoice(lm::WeightOp weight) {
    return {quantSchemeOf(weight.getTensorType())};
  }

  /// Matrices that come from the checkpoint.
  static SmallVector<lm::WeightOp> matricesOf(lm::ModelOp model) {
    SmallVector<lm::WeightOp> matrices;
    for (auto weight : model.getOps<lm::WeightOp>())
      if (weight.getSources() && weight.getTensorType().getRank() == 2)
        matrices.push_back(weight);
    return matrices;
  }

  /// Names of matrices that tokens enter or logits leave by: embedding and output head.
  static llvm::DenseSet<StringAttr> vocabularyMatrices(lm::ModelOp model) {
    llvm::DenseSet<StringAttr> names;
    model.walk([&](lm::LoadWeightOp load) {
      for (Operation *user : load->getUsers())
        if (isa<lm::EmbeddingOp>(user) ||
            llvm::any_of(user->getUsers(), llvm::IsaPred<lm::ReturnOp>))
          names.insert(load.getWeightAttr().getAttr());
    });
    return names;
  }

  LogicalResult quantize(lm::ModelOp model, const Choice &standard,
                         MutableArrayRef<Override> parsed) {
    SmallVector<lm::WeightOp> matrices = matricesOf(model);
    llvm::DenseSet<StringAttr> vocabulary = vocabularyMatrices(model);
    llvm::MapVector<StringAttr, RankedTensorType> changed;
    for (lm::WeightOp weight : matrices) {
      bool stored = weight->hasAttr(lm::kStoredFormAttrName);
      Choice choice = standard;
      if (choice.scheme && choice.scheme->bits == 4 && vocabulary.contains(weight.getSymNameAttr()))
        choice.scheme = QuantScheme{8, 0};
      StringRef decidedBy;
      for (Override &override : parsed)
        if (override.pattern.match(weight.getSymName())) {
          override.matched = true;
          choice = override.choice;
          decidedBy = override.text;
        }
      if (stored && !decidedBy.empty() && !(choice == storedChoice(weight)))
        return weight.emitOpError() << "holds integers of the scheme " << storedChoice(weight).name()
                                    << " already, which --quantization-override '" << decidedBy
                                    << "' cannot change";
      if (!choice.scheme || stored)
        continue;
      auto type = RankedTensorType::get(weight.getTensorType().getShape(),
                                        Float32Type::get(&getContext()),
                                        StringAttr::get(&getContext(), choice.scheme->name()));
      weight.setTypeAttr(TypeAttr::get(type));
      changed[weight.getSymNameAttr()] = type;
    }
    for (const Override &override : parsed)
      if (!override.matched)
        return model.emitError() << "--quantization-override: no weight matrix matches '"
                                 << override.text << "'; the nearest name is '"
                                 << nearestName(matrices, override.text) << "'";
    model.walk([&](lm::LoadWeightOp load) {
      auto found = changed.find(load.getWeightAttr().getAttr());
      if (found != changed.end())
        load.getResult().setType(found->second);
    });
    if (llvm::any_of(matrices, [](lm::WeightOp weight) {
          return quantSchemeOf(weight.getTensorType()).has_value();
        }))
      recordDecisions(model, matrices);
    return success();
  }

  /// metadata.quantization = [{scheme, matrices, bytes}], in order of first appearance.
  void recordDecisions(lm::ModelOp model, ArrayRef<lm::WeightOp> matrices) {
    llvm::MapVector<StringRef, std::pair<int64_t, int64_t>> totals;
    for (lm::WeightOp weight : matrices) {
      auto encoding = cast_or_null<StringAttr>(weight.getTensorType().getEncoding());
      auto &[count, bytes] = totals[encoding ? encoding.getValue() : "none"];
      ++count;
      bytes += *tensorBytes(weight.getTensorType());
    }
    Builder builder(&getContext());
    SmallVector<Attribute> list;
    for (const auto &[name, total] : totals)
      list.push_back(builder.getDictionaryAttr(
          {builder.getNamedAttr("scheme", builder.getStringAttr(name)),
           builder.getNamedAttr("matrices", builder.getI64IntegerAttr(total.first)),
           builder.getNamedAttr("bytes", builder.getI64IntegerAttr(total.second))}));
    NamedAttrList metadata(model.getMetadata());
    metadata.set("quantization", builder.getArrayAttr(list));
    model.setMetadataAttr(metadata.getDictionary(&getContext()));
  }
};
} // namespace

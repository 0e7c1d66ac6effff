//===- ReferenceModels.cpp - evaluation of each lm op -----------------------------------------===//
//
// External models of ReferenceOpInterface: fetch operands from the frame, call the op's numeric
// function, define the result. No arithmetic happens here.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/Evaluator.h"
#include "codegen/reference/ops/Ops.h"

#include "mlir/IR/DialectRegistry.h"

using namespace mlir;

namespace stoop::reference {
namespace {

/// The element type of a tensor-valued SSA value; the dialect admits only types we know.
Element resultElement(Value value) {
  FailureOr<Element> element = elementOf(cast<RankedTensorType>(value.getType()).getElementType());
  assert(succeeded(element) && "the verifier admits float types only");
  return *element;
}

Activation activationOf(lm::ActivationKind kind) {
  switch (kind) {
  case lm::ActivationKind::Gelu:
    return Activation::Gelu;
  case lm::ActivationKind::GeluTanh:
    return Activation::GeluTanh;
  case lm::ActivationKind::GeluFast:
    return Activation::GeluFast;
  case lm::ActivationKind::QuickGelu:
    return Activation::QuickGelu;
  case lm::ActivationKind::Relu:
    return Activation::Relu;
  case lm::ActivationKind::Silu:
    return Activation::Silu;
  }
  llvm_unreachable("all activations are listed");
}

template <typename ConcreteModel, typename OpTy>
using Model = ReferenceOpInterface::ExternalModel<ConcreteModel, OpTy>;

struct LoadWeightModel : Model<LoadWeightModel, lm::LoadWeightOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::LoadWeightOp>(operation);
    FailureOr<Tensor> value = frame.evaluator.weight(op, op.getWeightAttr());
    if (succeeded(value))
      frame.define(op.getResult(), *value);
    return value;
  }
};

struct KvViewModel : Model<KvViewModel, lm::KvViewOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::KvViewOp>(operation);
    FailureOr<KvLayer *> layer = frame.evaluator.cache(op, op.getStateAttr(), op.getLayer());
    if (succeeded(layer))
      frame.define(op.getResult(), *layer);
    return layer;
  }
};

struct EmbeddingModel : Model<EmbeddingModel, lm::EmbeddingOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::EmbeddingOp>(operation);
    frame.define(op.getResult(),
                 embedding(frame.indices(op.getTokens()), frame.tensor(op.getTable()),
                           resultElement(op.getResult())));
    return success();
  }
};

struct LinearModel : Model<LinearModel, lm::LinearOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::LinearOp>(operation);
    frame.define(op.getResult(), linear(frame.tensor(op.getInput()), frame.tensor(op.getWeight()),
                                        resultElement(op.getResult())));
    return success();
  }
};

struct NormModel : Model<NormModel, lm::NormOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::NormOp>(operation);
    const Tensor &x = frame.tensor(op.getInput()), &gamma = frame.tensor(op.getScale());
    double epsilon = op.getEps().convertToDouble();
    Element element = resultElement(op.getResult());
    frame.define(op.getResult(),
                 op.getKind() == lm::NormKind::Rms
                     ? rmsNorm(x, gamma, epsilon, element)
                     : layerNorm(x, gamma, frame.tensor(op.getBias()), epsilon, element));
    return success();
  }
};

struct BiasModel : Model<BiasModel, lm::BiasOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::BiasOp>(operation);
    frame.define(op.getResult(), bias(frame.tensor(op.getInput()), frame.tensor(op.getVector()),
                                      resultElement(op.getResult())));
    return success();
  }
};

struct ActivationModel : Model<ActivationModel, lm::ActivationOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::ActivationOp>(operation);
    frame.define(op.getResult(), activation(frame.tensor(op.getInput()), activationOf(op.getKind()),
                                            resultElement(op.getResult())));
    return success();
  }
};

struct BinaryModel : Model<BinaryModel, lm::BinaryOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::BinaryOp>(operation);
    auto compute = op.getKind() == lm::BinaryKind::Add ? add : multiply;
    frame.define(op.getResult(), compute(frame.tensor(op.getLhs()), frame.tensor(op.getRhs()),
                                         resultElement(op.getResult())));
    return success();
  }
};

struct ViewModel : Model<ViewModel, lm::ViewOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::ViewOp>(operation);
    int64_t count = cast<RankedTensorType>(op.getResult().getType()).getDimSize(1);
    frame.define(op.getResult(), columns(frame.tensor(op.getInput()), op.getOffset(), count));
    return success();
  }
};

struct BlockMaxModel : Model<BlockMaxModel, lm::BlockMaxOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::BlockMaxOp>(operation);
    frame.define(op.getResult(), blockMax(frame.tensor(op.getInput()), lm::kReductionBlock));
    return success();
  }
};

struct BlockMomentsModel : Model<BlockMomentsModel, lm::BlockMomentsOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::BlockMomentsOp>(operation);
    frame.define(op.getResult(), blockMoments(frame.tensor(op.getInput()), op.getBlockColumns(),
                                              op.getKind() == lm::NormKind::Layer));
    return success();
  }
};

struct GatherLastModel : Model<GatherLastModel, lm::GatherLastOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::GatherLastOp>(operation);
    frame.define(op.getResult(), gatherRow(frame.tensor(op.getInput()), frame.validRows - 1));
    return success();
  }
};

struct RopeModel : Model<RopeModel, lm::RopeOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::RopeOp>(operation);
    frame.define(op.getResult(),
                 rope(frame.tensor(op.getInput()), frame.indices(op.getPositions()),
                      frame.tensor(op.getTable()), op.getHeads(), resultElement(op.getResult())));
    return success();
  }
};

struct KvAppendModel : Model<KvAppendModel, lm::KvAppendOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::KvAppendOp>(operation);
    kvAppend(frame.cache(op.getCache()), frame.tensor(op.getKeys()), frame.tensor(op.getValues()),
             frame.indices(op.getPositions()), frame.indices(op.getSlots()));
    return success();
  }
};

struct AttentionModel : Model<AttentionModel, lm::AttentionOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::AttentionOp>(operation);
    std::optional<Alibi> alibi;
    if (op.getAlibi() != lm::AlibiMode::None)
      alibi = Alibi{op.getAlibi() == lm::AlibiMode::Hf ? AlibiRounding::Hf : AlibiRounding::Exact,
                    *op.getSlopes()};
    frame.define(op.getResult(),
                 attention(frame.tensor(op.getQuery()), frame.cache(op.getCache()),
                           frame.indices(op.getPositions()), frame.indices(op.getSlots()),
                           op.getHeads(), op.getScale().convertToDouble(), alibi,
                           resultElement(op.getResult())));
    return success();
  }
};

struct FusedModel : Model<FusedModel, lm::FusedOp> {
  LogicalResult evaluate(Operation *operation, Frame &frame) const {
    auto op = cast<lm::FusedOp>(operation);
    Frame inner(frame.evaluator, frame.validRows);
    Block &body = op.getBody().front();
    for (auto [argument, input] : llvm::zip_equal(body.getArguments(), op.getInputs()))
      inner.define(argument, frame.datum(input));
    FailureOr<std::vector<Datum>> results = inner.run(body);
    if (failed(results))
      return failure();
    for (auto [result, value] : llvm::zip_equal(op.getResults(), *results))
      frame.define(result, value);
    return success();
  }
};

} // namespace

void registerReferenceModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, lm::LmDialect *) {
    lm::LoadWeightOp::attachInterface<LoadWeightModel>(*context);
    lm::KvViewOp::attachInterface<KvViewModel>(*context);
    lm::EmbeddingOp::attachInterface<EmbeddingModel>(*context);
    lm::LinearOp::attachInterface<LinearModel>(*context);
    lm::NormOp::attachInterface<NormModel>(*context);
    lm::BiasOp::attachInterface<BiasModel>(*context);
    lm::ActivationOp::attachInterface<ActivationModel>(*context);
    lm::BinaryOp::attachInterface<BinaryModel>(*context);
    lm::ViewOp::attachInterface<ViewModel>(*context);
    lm::BlockMaxOp::attachInterface<BlockMaxModel>(*context);
    lm::BlockMomentsOp::attachInterface<BlockMomentsModel>(*context);
    lm::GatherLastOp::attachInterface<GatherLastModel>(*context);
    lm::RopeOp::attachInterface<RopeModel>(*context);
    lm::KvAppendOp::attachInterface<KvAppendModel>(*context);
    lm::AttentionOp::attachInterface<AttentionModel>(*context);
    lm::FusedOp::attachInterface<FusedModel>(*context);
  });
}

} // namespace stoop::reference

//===- LowerFused.cpp - from regions and tensors to launches and buffers -===//
//
// One walk over each entry, op by op: every value gets a buffer and a row stride. Nothing is placed
// here; what a value needs (bytes, lifetime, role) is written down on its plan.alloc.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/KernelPool.h"
#include "passes/planning/Passes.h"

#include "ir/lm/LmAttrNames.h"
#include "ir/lm/LmDialect.h"
#include "ir/lm/LmOps.h"
#include "ir/support/DType.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::planning {
#define GEN_PASS_DEF_LOWERFUSED
#include "passes/planning/Passes.h.inc"
} // namespace stoop::planning

using namespace mlir;
using namespace stoop;

namespace {
/// Where a value of an entry lies.
struct Memory {
  Value buffer;
  int64_t rowStride = 0; ///< elements from one row to the next; 0 if the value has no rows
};

/// Lowers one entry.
class EntryLowering {
public:
  EntryLowering(lm::EntryOp source, plan::EntryOp target, planning::KernelPool &kernels)
      : source(source), builder(OpBuilder::atBlockEnd(&target.getBody().front())),
        kernels(kernels) {}

  LogicalResult run();

private:
  Value alloc(Location loc, int64_t bytes, plan::Lifetime lifetime, StringRef role = {},
              std::optional<int64_t> index = std::nullopt);
  LogicalResult lower(Operation &op);
  LogicalResult lowerFused(lm::FusedOp fused);
  void lowerKvView(lm::KvViewOp view);
  void lowerWeight(lm::LoadWeightOp load);
  void lowerView(lm::ViewOp view);

  lm::EntryOp source;
  OpBuilder builder;
  planning::KernelPool &kernels;
  llvm::DenseMap<Value, Memory> memory;
  llvm::DenseMap<Attribute, Value> weights; ///< by symbol
  llvm::DenseMap<int64_t, Value> caches;    ///< by layer
};
} // namespace

Value EntryLowering::alloc(Location loc, int64_t bytes, plan::Lifetime lifetime, StringRef role,
                           std::optional<int64_t> index) {
  return plan::AllocOp::create(builder, loc, builder.getType<plan::BufferType>(), bytes, lifetime,
                               role.empty() ? StringAttr() : builder.getStringAttr(role),
                               index ? builder.getI64IntegerAttr(*index) : IntegerAttr());
}

LogicalResult EntryLowering::run() {
  static constexpr StringLiteral roles[] = {"tokens", "positions", "slots"};
  for (auto [argument, role] : llvm::zip_equal(source.getBody().getArguments(), roles)) {
    int64_t bytes = *tensorBytes(cast<RankedTensorType>(argument.getType()));
    memory[argument] = {alloc(argument.getLoc(), bytes, plan::Lifetime::Io, role), 1};
  }
  for (Operation &op : source.getBody().front())
    if (failed(lower(op)))
      return failure();
  return success();
}

LogicalResult EntryLowering::lower(Operation &op) {
  if (auto fused = dyn_cast<lm::FusedOp>(op))
    return lowerFused(fused);
  if (auto load = dyn_cast<lm::LoadWeightOp>(op))
    return lowerWeight(load), success();
  if (auto view = dyn_cast<lm::KvViewOp>(op))
    return lowerKvView(view), success();
  if (auto view = dyn_cast<lm::ViewOp>(op))
    return lowerView(view), success();
  if (!isa<lm::ReturnOp>(op))
    return op.emitOpError() << "is not in a region; run phase fused first";
  for (Value result : op.getOperands())
    if (!result.getDefiningOp<lm::FusedOp>() || llvm::count(op.getOperands(), result) > 1)
      return op.emitOpError() << "expects results that regions write, each its own";
  return success();
}

void EntryLowering::lowerWeight(lm::LoadWeightOp load) {
  Value &buffer = weights[load.getWeightAttr()];
  if (!buffer)
    buffer = plan::WeightRefOp::create(builder, load.getLoc(), builder.getType<plan::BufferType>(),
                                       load.getWeight());
  memory[load] = {buffer, 0};
}

void EntryLowering::lowerKvView(lm::KvViewOp view) {
  int64_t layer = view.getLayer();
  Value &buffer = caches[layer];
  if (!buffer)
    buffer = alloc(view.getLoc(), view.getType().getBytes(), plan::Lifetime::Persistent, {}, layer);
  memory[view] = {buffer, 0};
}

void EntryLowering::lowerView(lm::ViewOp view) {
  Memory source = memory.lookup(view.getInput());
  int64_t offset = view.getOffset() * elementBytes(view.getType().getElementType());
  // A view of the first columns is the source itself, read with fewer columns.
  if (offset == 0) {
    memory[view] = source;
    return;
  }
  Value base = source.buffer;
  if (auto outer = base.getDefiningOp<plan::SubviewOp>()) {
    base = outer.getSource();
    offset += outer.getOffset();
  }
  Value buffer = plan::SubviewOp::create(builder, view.getLoc(),
                                         builder.getType<plan::BufferType>(), base, offset);
  memory[view] = {buffer, source.rowStride};
}

/// The role of a value that the entry returns; empty for others.
static StringRef roleOf(Value value) {
  static constexpr StringLiteral roles[] = {"logits", "maxima"};
  for (OpOperand &use : value.getUses())
    if (isa<lm::ReturnOp>(use.getOwner()))
      return roles[use.getOperandNumber()];
  return "";
}

/// Whether an op of the region writes the cache that comes in as `argument`.
static bool isWritten(BlockArgument argument) {
  return isa<lm::KvType>(argument.getType()) &&
         llvm::any_of(argument.getUsers(),
                      [](Operation *op) { return hasEffect<MemoryEffects::Write>(op); });
}

LogicalResult EntryLowering::lowerFused(lm::FusedOp fused) {
  auto schedule = fused->getAttrOfType<plan::ScheduleAttr>(plan::kScheduleAttrName);
  if (!schedule)
    return fused.emitOpError() << "has no " << plan::kScheduleAttrName
                               << "; run phase scheduled first";
  SmallVector<Value> reads, writes, updates;
  SmallVector<int64_t> rowStrides;
  for (auto [input, argument] :
       llvm::zip_equal(fused.getInputs(), fused.getBody().getArguments())) {
    Memory operand = memory.lookup(input);
    reads.push_back(operand.buffer);
    rowStrides.push_back(operand.rowStride);
    if (isWritten(argument))
      updates.push_back(operand.buffer);
  }
  Operation *yield = fused.getBody().front().getTerminator();
  for (auto [result, yielded] : llvm::zip_equal(fused.getResults(), yield->getOperands())) {
    auto type = cast<RankedTensorType>(result.getType());
    StringRef role = roleOf(result);
    Value buffer = alloc(yielded.getLoc(), *tensorBytes(type),
                         role.empty() ? plan::Lifetime::Transient : plan::Lifetime::Io, role);
    memory[result] = {buffer, type.getDimSize(1)};
    writes.push_back(buffer);
    rowStrides.push_back(type.getDimSize(1));
  }
  plan::KernelOp kernel = kernels.get(fused.getLoc(), fused.getBody(), schedule, rowStrides);
  plan::LaunchOp::create(builder, fused.getLoc(), kernel.getSymName(), reads, writes, updates);
  return success();
}

static plan::EntryKind planKind(lm::EntryKind kind) {
  switch (kind) {
  case lm::EntryKind::Decode:
    return plan::EntryKind::Decode;
  case lm::EntryKind::Prefill:
    return plan::EntryKind::Prefill;
  case lm::EntryKind::Score:
    return plan::EntryKind::Score;
  case lm::EntryKind::Forward:
    break;
  }
  llvm_unreachable("the caller has refused forward entries");
}

/// The weight in row order; `origin` repeats what phase import said about its values.
static void lowerWeightSymbol(OpBuilder &builder, lm::WeightOp weight) {
  SmallVector<NamedAttribute> origin;
  auto add = [&](StringRef name, Attribute value) {
    if (value)
      origin.push_back(builder.getNamedAttr(name, value));
  };
  add("sources", weight.getSourcesAttr());
  add("layout", weight.getLayoutAttr());
  add("generator", weight.getGeneratorAttr());
  add("round", weight.getRoundAttr());
  add("stored_form", weight->getAttr(lm::kStoredFormAttrName));
  add("inputs", weight->getAttr(lm::kInputsAttrName));
  RankedTensorType type = weight.getTensorType();
  int64_t rows = type.getRank() == 2 ? type.getDimSize(0) : 1;
  auto scheme = cast_or_null<StringAttr>(type.getEncoding());
  auto kind = scheme                ? (quantSchemeOf(type)->isFloat ? plan::PackKind::Tiles : plan::PackKind::Panel16)
              : type.getRank() == 2 ? plan::PackKind::Rows
                                    : plan::PackKind::Vector;
  auto pack = plan::PackAttr::get(builder.getContext(), kind, type.getElementType(), rows,
                                  type.getShape().back(), scheme);
  plan::WeightOp::create(builder, weight.getLoc(), weight.getSymName(), pack, plan::SliceAttr(),
                         builder.getDictionaryAttr(origin));
}

/// The verdicts of all entries, in order; null if the fusion passes left none.
static ArrayAttr fusionLog(OpBuilder &builder, lm::ModelOp model) {
  SmallVector<Attribute> log;
  bool isLogged = false;
  for (lm::EntryOp entry : model.getOps<lm::EntryOp>())
    if (auto part = entry->getAttrOfType<ArrayAttr>(lm::kFusionLogAttrName)) {
      isLogged = true;
      llvm::append_range(log, part);
    }
  return isLogged ? builder.getArrayAttr(log) : ArrayAttr();
}

/// The model's dimensions, then its own metadata, which wins over equal keys.
static DictionaryAttr programMetadata(OpBuilder &builder, lm::ModelOp model) {
  NamedAttrList metadata;
  for (NamedAttribute attribute : model->getAttrs())
    if (isa<IntegerAttr>(attribute.getValue()))
      metadata.set(attribute.getName(), attribute.getValue());
  metadata.set("family", model.getFamilyAttr());
  metadata.set("dtype", builder.getStringAttr(elementName(model.getDtype())));
  for (NamedAttribute attribute : model.getMetadata())
    metadata.set(attribute.getName(), attribute.getValue());
  return metadata.getDictionary(builder.getContext());
}

namespace {
struct LowerFused : planning::impl::LowerFusedBase<LowerFused> {
  using LowerFusedBase::LowerFusedBase;

  void runOnOperation() override {
    for (lm::ModelOp model : llvm::make_early_inc_range(getOperation().getOps<lm::ModelOp>()))
      if (failed(lowerModel(model)))
        return signalPassFailure();
  }

  LogicalResult lowerModel(lm::ModelOp model) {
    OpBuilder builder(model);
    auto program = plan::ProgramOp::create(builder, model.getLoc(), model.getSymName(), target,
                                           programMetadata(builder, model));
    if (ArrayAttr log = fusionLog(builder, model))
      program->setAttr("fusion_log", log);
    // Three growing sections: weights, kernels, entries.
    Block &body = program.getBody().emplaceBlock();
    OpBuilder entryBuilder = OpBuilder::atBlockEnd(&body);
    for (lm::WeightOp weight : model.getOps<lm::WeightOp>())
      lowerWeightSymbol(entryBuilder, weight);
    SmallVector<plan::EntryOp> entries;
    for (lm::EntryOp entry : model.getOps<lm::EntryOp>()) {
      if (entry.getKind() == lm::EntryKind::Forward)
        return entry.emitOpError() << "of kind forward cannot be planned; run phase graph first";
      entries.push_back(plan::EntryOp::create(entryBuilder, entry.getLoc(), entry.getSymName(),
                                              planKind(entry.getKind()), entry.getRows(), nullptr,
                                              nullptr, nullptr, nullptr, nullptr));
      entries.back().getBody().emplaceBlock();
    }
    OpBuilder kernelBuilder = entries.empty() ? entryBuilder : OpBuilder(entries.front());
    planning::KernelPool kernels(kernelBuilder);
    for (auto [source, lowered] : llvm::zip_equal(model.getOps<lm::EntryOp>(), entries))
      if (failed(EntryLowering(source, lowered, kernels).run()))
        return failure();
    model.erase();
    return success();
  }
};
} // namespace

//===- SplitEntryPoints.cpp - static entries from the dynamic one --------===//
//
// Each entry is a clone of the forward entry with its rows fixed. The clone is exact but for the
// row count: ops keep their order and locations. Prefill entries drop all rows but the last valid
// one as early as the values allow it: in front of the trailing chain of ops that treat rows
// independently.
//
//===----------------------------------------------------------------------===//
#include "passes/graph/Passes.h"

#include "ir/lm/LmDialect.h"
#include "ir/lm/LmOps.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVectorExtras.h"

#include <set>

namespace stoop::graph {
#define GEN_PASS_DEF_SPLITENTRYPOINTS
#include "passes/graph/Passes.h.inc"
} // namespace stoop::graph

using namespace mlir;
using namespace stoop;

namespace {
/// One entry to make.
struct EntrySpec {
  std::string name;
  lm::EntryKind kind;
  int64_t rows;
};
} // namespace

static bool hasDynamicRows(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() > 0 && type.isDynamicDim(0);
}

/// `type` with `rows` rows if its rows are dynamic.
static Type withRows(Type type, int64_t rows) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || tensor.getRank() == 0 || !tensor.isDynamicDim(0))
    return type;
  SmallVector<int64_t> shape(tensor.getShape());
  shape[0] = rows;
  return RankedTensorType::get(shape, tensor.getElementType());
}

/// The first of the ops at the entry's end that compute each row from the same row of one operand;
/// the terminator if there is none. From its row operand on, only one row matters when only the
/// last row of the logits does.
static Operation *firstRowwiseOp(Operation *terminator) {
  Operation *first = terminator;
  Value value = terminator->getOperand(0);
  while (Operation *op = value.getDefiningOp()) {
    bool rowwise = isa<lm::LinearOp, lm::NormOp>(op) || isa<lm::ElementwiseOpInterface>(op);
    auto rowOperands = llvm::make_filter_range(op->getOperands(), hasDynamicRows);
    if (!rowwise || !value.hasOneUse() || !llvm::hasSingleElement(rowOperands))
      break;
    first = op;
    value = *rowOperands.begin();
  }
  return first;
}

/// Clones the body of `forward` into `entry`, whose arguments have `rows` rows. From op `cut` on
/// (null: nowhere) one row is left: the last valid one.
static void cloneBody(lm::EntryOp forward, lm::EntryOp entry, int64_t rows, Operation *cut) {
  OpBuilder builder = OpBuilder::atBlockEnd(&entry.getBody().front());
  IRMapping mapping;
  mapping.map(forward.getBody().getArguments(), entry.getBody().getArguments());
  llvm::DenseSet<Value> oneRow;
  for (Operation &op : forward.getBody().front()) {
    if (&op == cut) {
      Value value = *llvm::find_if(op.getOperands(), hasDynamicRows);
      Value full = mapping.lookup(value);
      Value last =
          lm::GatherLastOp::create(builder, full.getLoc(), withRows(value.getType(), 1), full);
      mapping.map(value, last);
      oneRow.insert(value);
    }
    bool behindCut =
        llvm::any_of(op.getOperands(), [&](Value operand) { return oneRow.contains(operand); });
    Operation *clone = builder.clone(op, mapping);
    for (auto [source, result] : llvm::zip_equal(op.getResults(), clone->getResults())) {
      if (behindCut && hasDynamicRows(source))
        oneRow.insert(source);
      result.setType(withRows(source.getType(), behindCut ? 1 : rows));
    }
    // Ops that still need all rows of the cut operand see the whole value again.
    if (&op == cut) {
      Value value = *llvm::find_if(op.getOperands(), hasDynamicRows);
      mapping.map(value, mapping.lookup(value).getDefiningOp<lm::GatherLastOp>().getInput());
      oneRow.erase(value);
    }
  }
}

static void makeEntry(OpBuilder &builder, lm::EntryOp forward, const EntrySpec &spec) {
  bool lastRowOnly = spec.kind == lm::EntryKind::Prefill;
  auto fixRows = [](ArrayRef<Type> types, int64_t rows) {
    return llvm::map_to_vector(types, [&](Type type) { return withRows(type, rows); });
  };
  FunctionType type =
      builder.getFunctionType(fixRows(forward.getArgumentTypes(), spec.rows),
                              fixRows(forward.getResultTypes(), lastRowOnly ? 1 : spec.rows));
  auto entry = lm::EntryOp::create(builder, forward.getLoc(), spec.name, spec.kind, type,
                                   /*arg_attrs=*/ArrayAttr(), /*res_attrs=*/ArrayAttr());
  Block &body = entry.getBody().emplaceBlock();
  for (BlockArgument argument : forward.getBody().getArguments())
    body.addArgument(withRows(argument.getType(), spec.rows), argument.getLoc());
  Operation *terminator = forward.getBody().front().getTerminator();
  cloneBody(forward, entry, spec.rows, lastRowOnly ? firstRowwiseOp(terminator) : nullptr);
}

/// All entries for a model, in the order decode, prefill, score, each by rows.
static FailureOr<SmallVector<EntrySpec>> listEntries(lm::ModelOp model, ArrayRef<int64_t> buckets,
                                                     int64_t batch, int64_t scoreRows) {
  int64_t context = model.getMaxPositions(), maxBatch = model.getBatch();
  if (batch == 0)
    batch = maxBatch;
  if (batch < 1 || batch > maxBatch)
    return model.emitOpError() << "has room for " << maxBatch
                               << " sequences in its KV cache, option batch asks for " << batch;
  std::set<int64_t> batches{batch}, chunks;
  for (int64_t size = 1; size < batch; size *= 2)
    batches.insert(size);
  // The small bucket has the rows of the scoring entry, so that both share their kernels.
  static constexpr int64_t defaultBuckets[] = {32, 512};
  for (int64_t bucket : buckets.empty() ? ArrayRef(defaultBuckets) : buckets) {
    if (bucket < 1)
      return model.emitOpError() << "cannot have a prefill bucket of " << bucket << " rows";
    chunks.insert(std::min(bucket, context));
  }
  SmallVector<EntrySpec> specs;
  for (int64_t size : batches)
    specs.push_back({("decode_b" + Twine(size)).str(), lm::EntryKind::Decode, size});
  for (int64_t rows : chunks)
    specs.push_back({("prefill_" + Twine(rows)).str(), lm::EntryKind::Prefill, rows});
  if (int64_t rows = std::min(scoreRows, context); rows > 0)
    specs.push_back({("score_" + Twine(rows)).str(), lm::EntryKind::Score, rows});
  return specs;
}

namespace {
struct SplitEntryPoints : graph::impl::SplitEntryPointsBase<SplitEntryPoints> {
  using SplitEntryPointsBase::SplitEntryPointsBase;

  void runOnOperation() override {
    for (lm::ModelOp model : getOperation().getOps<lm::ModelOp>())
      for (lm::EntryOp entry : llvm::make_early_inc_range(model.getOps<lm::EntryOp>()))
        if (entry.getKind() == lm::EntryKind::Forward && failed(split(model, entry)))
          return signalPassFailure();
  }

  LogicalResult split(lm::ModelOp model, lm::EntryOp forward) {
    FailureOr<SmallVector<EntrySpec>> specs = listEntries(model, prefillBuckets, batch, scoreRows);
    if (failed(specs))
      return failure();
    OpBuilder builder(forward);
    for (const EntrySpec &spec : *specs)
      makeEntry(builder, forward, spec);
    forward.erase();
    return success();
  }
};
} // namespace

//===- RegionParts.cpp - prologue and segments of a fused region ----------===//
//
// Segments are the connected components of all ops behind the prologue, found by a union of each op with
// those that define its operands.
//
//===----------------------------------------------------------------------===//
#include "ir/lm/RegionParts.h"

#include "llvm/ADT/EquivalenceClasses.h"

using namespace mlir;
using namespace stoop::lm;

Value RegionParts::prologueValue() const {
  if (source)
    return source->getResult(0);
  return norms.empty() ? Value() : NormOp(norms.front()).getInput();
}

static int64_t columnsOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

namespace {
class Reader {
public:
  explicit Reader(Block &region) : region(region) {}
  FailureOr<RegionParts> read();

private:
  LogicalResult readPrologue(Operation &op);
  bool isPrologue(Operation *op) const { return op && prologue.contains(op); }
  LogicalResult addToSegment(RegionSegment &segment, Operation *op);

  Block &region;
  RegionParts parts;
  llvm::SmallPtrSet<Operation *, 4> prologue;
  llvm::EquivalenceClasses<Operation *> components;
};
} // namespace

LogicalResult Reader::readPrologue(Operation &op) {
  prologue.insert(&op);
  auto norm = dyn_cast<NormOp>(op);
  if (!norm) {
    if (parts.source)
      return op.emitOpError("is a second source of rows in one region");
    parts.source = &op;
    return success();
  }
  Value expected = parts.prologueValue();
  if (expected && norm.getInput() != expected)
    return op.emitOpError("normalises another value than the rest of its region's prologue");
  if (!parts.norms.empty() && (parts.norms.front().getKind() != norm.getKind() ||
                               parts.norms.front().getEps() != norm.getEps()))
    return op.emitOpError("has other statistics than the first norm of its region");
  parts.norms.push_back(norm);
  return success();
}

LogicalResult Reader::addToSegment(RegionSegment &segment, Operation *op) {
  segment.ops.push_back(op);
  if (auto linear = dyn_cast<LinearOp>(op)) {
    segment.linears.push_back(linear);
    int64_t columns = columnsOf(linear.getResult());
    if (segment.columns && segment.columns != columns)
      return op->emitOpError() << "has " << columns << " columns in a segment of "
                               << segment.columns;
    segment.columns = columns;
  }
  if (auto rope = dyn_cast<RopeOp>(op)) {
    int64_t headDim = columnsOf(rope.getTable());
    if (segment.headDim && segment.headDim != headDim)
      return op->emitOpError() << "rotates heads of " << headDim << " in a segment of heads of "
                               << segment.headDim;
    segment.headDim = headDim;
  }
  return success();
}

FailureOr<RegionParts> Reader::read() {
  for (Operation &op : region.without_terminator()) {
    if (auto attention = dyn_cast<AttentionOp>(op)) {
      if (!llvm::hasSingleElement(region.without_terminator()))
        return op.emitOpError("shares its region with other ops");
      parts.attention = attention;
      return parts;
    }
    if (isa<NormOp, EmbeddingOp, GatherLastOp>(op)) {
      if (failed(readPrologue(op)))
        return failure();
      continue;
    }
    if (!isa<LinearOp, ElementwiseOpInterface, BlockReductionOpInterface, ViewOp, RopeOp, KvAppendOp>(op))
      return op.emitOpError("has no place in a fused region");
    components.insert(&op);
    for (Value operand : op.getOperands())
      if (Operation *from = operand.getDefiningOp(); from && !isPrologue(from))
        components.unionSets(&op, from);
  }
  llvm::DenseMap<Operation *, size_t> numbers;
  for (Operation &op : region.without_terminator()) {
    if (isPrologue(&op))
      continue;
    auto [it, isNew] =
        numbers.try_emplace(components.getLeaderValue(&op), parts.segments.size());
    if (isNew)
      parts.segments.emplace_back();
    if (failed(addToSegment(parts.segments[it->second], &op)))
      return failure();
  }
  for (RegionSegment &segment : parts.segments)
    if (segment.linears.empty()) {
      Operation *first = segment.ops.front();
      if (prologue.size() || parts.segments.size() > 1)
        return first->emitOpError("belongs to no linear of its region");
      auto append = dyn_cast<KvAppendOp>(first);
      segment.columns = columnsOf(append                                ? Value(append.getKeys())
                                  : isa<BlockReductionOpInterface>(first) ? first->getOperand(0)
                                                                          : first->getResult(0));
    }
  return parts;
}

bool stoop::lm::isNormedByTiles(Block &region) {
  return llvm::all_of(region.without_terminator(), [](Operation &op) {
    if (auto norm = dyn_cast<NormOp>(op))
      return norm.getMoments() && llvm::all_of(norm->getUsers(), llvm::IsaPred<LinearOp>);
    return !isa<EmbeddingOp, GatherLastOp>(op);
  });
}

FailureOr<RegionParts> stoop::lm::takeApart(Block &region) { return Reader(region).read(); }

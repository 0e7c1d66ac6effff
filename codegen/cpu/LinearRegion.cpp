//===- LinearRegion.cpp - the parts of a fused region of linears ----------===//
//
// Segments are connected components: a value belongs to the segment of its operands, and an
// elementwise op merges those of its operands.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/LinearRegion.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace stoop;
using codegen::LinearRegion;
using codegen::RegionPart;
using codegen::RegionSegment;

namespace {
class RegionReader {
public:
  explicit RegionReader(plan::KernelOp kernel) : body(kernel.getBody().front()) {}
  FailureOr<LinearRegion> read();

private:
  LogicalResult readPrologue(Operation &op);
  LogicalResult readEnds();
  LogicalResult addPart(Operation *user, Value v, RegionPart part);
  void formSegments();
  RegionSegment *segmentOf(Value v) {
    Operation *op = v.getDefiningOp();
    auto found = op ? segmentNumber.find(op) : segmentNumber.end();
    return found == segmentNumber.end() ? nullptr : &region.segments[found->second];
  }

  Block &body;
  LinearRegion region;
  SmallVector<Operation *> core; ///< linears, elementwise ops and reductions in program order
  llvm::DenseMap<Operation *, unsigned> segmentNumber;
};
} // namespace

/// An op that whole rows pass through in front of the linears.
LogicalResult RegionReader::readPrologue(Operation &op) {
  if (auto norm = dyn_cast<lm::NormOp>(op)) {
    if (!region.source)
      region.source = norm.getInput();
    bool same = region.norms.empty() || (region.norms.front().getKind() == norm.getKind() &&
                                         region.norms.front().getEps() == norm.getEps());
    if (norm.getInput() != region.source || !same)
      return op.emitOpError("shares no statistics with the kernel's other norms");
    region.norms.push_back(norm);
    return success();
  }
  if (region.source)
    return op.emitOpError("is a second source of rows in one kernel");
  region.gather = &op;
  region.source = op.getResult(0);
  return success();
}

/// Groups linears, elementwise ops and reductions that are connected by values of one another.
void RegionReader::formSegments() {
  llvm::EquivalenceClasses<Operation *> groups;
  for (Operation *op : core) {
    groups.insert(op);
    for (Value operand : op->getOperands())
      if (!isa<lm::LinearOp>(op) && operand.getDefiningOp() &&
          llvm::is_contained(core, operand.getDefiningOp()))
        groups.unionSets(op, operand.getDefiningOp());
  }
  llvm::DenseMap<Operation *, unsigned> numbers;
  for (Operation *op : core) {
    auto [entry, isNew] = numbers.try_emplace(groups.getLeaderValue(op), region.segments.size());
    if (isNew)
      region.segments.emplace_back();
    segmentNumber[op] = entry->second;
    RegionSegment &segment = region.segments[entry->second];
    if (auto linear = dyn_cast<lm::LinearOp>(op))
      segment.products.push_back(linear);
    else if (auto moments = dyn_cast<lm::BlockMomentsOp>(op))
      segment.moments.push_back(moments);
    else
      segment.columnwise.push_back(op);
  }
}

/// Adds a part whose rows are `v`, which `user` takes: a rotated or plain range of columns.
LogicalResult RegionReader::addPart(Operation *user, Value v, RegionPart part) {
  if ((part.rope = v.getDefiningOp<lm::RopeOp>()))
    v = part.rope.getInput();
  part.columns = v;
  if (auto view = v.getDefiningOp<lm::ViewOp>())
    v = view.getInput();
  part.whole = v;
  RegionSegment *segment = segmentOf(v);
  if (!segment)
    return user->emitOpError("takes columns of a value that no linear of the kernel computes");
  if (!llvm::is_contained(segment->tailValues, v))
    segment->tailValues.push_back(v);
  segment->parts.push_back(part);
  return success();
}

/// What leaves the region other than by the hooks' own stores.
LogicalResult RegionReader::readEnds() {
  Operation *yield = &body.back();
  for (OpOperand &operand : yield->getOpOperands()) {
    Operation *op = operand.get().getDefiningOp();
    if (!isa_and_nonnull<lm::ViewOp, lm::RopeOp>(op))
      continue;
    RegionPart part;
    part.result = operand.getOperandNumber();
    if (failed(addPart(yield, operand.get(), part)))
      return failure();
  }
  for (auto append : body.getOps<lm::KvAppendOp>())
    for (bool isValue : {false, true}) {
      RegionPart part;
      part.append = append;
      part.isValue = isValue;
      if (failed(addPart(append, isValue ? append.getValues() : append.getKeys(), part)))
        return failure();
    }
  return success();
}

FailureOr<LinearRegion> RegionReader::read() {
  for (Operation &op : body.without_terminator()) {
    LogicalResult done =
        TypeSwitch<Operation *, LogicalResult>(&op)
            .Case<lm::EmbeddingOp, lm::GatherLastOp, lm::NormOp>(
                [&](Operation *) { return readPrologue(op); })
            .Case<lm::LinearOp>([&](lm::LinearOp linear) {
              region.inputs.insert(linear.getInput());
              core.push_back(linear);
              return success();
            })
            .Case<lm::ElementwiseOpInterface, lm::BlockReductionOpInterface>([&](auto) {
              core.push_back(&op);
              return success();
            })
            .Case<lm::ViewOp, lm::RopeOp, lm::KvAppendOp>([](Operation *) { return success(); })
            .Default([](Operation *other) {
              return other->emitOpError("has no place in a CPU kernel of kind linear");
            });
    if (failed(done))
      return failure();
  }
  for (lm::NormOp norm : region.norms)
    region.inputs.insert(norm.getResult());
  formSegments();
  for (RegionSegment &segment : region.segments) {
    if (segment.products.empty())
      return (segment.columnwise.empty() ? segment.moments.front() : segment.columnwise.front())
          ->emitOpError("hangs on no linear of its kernel");
    int64_t n = segment.products.front().getType().getDimSize(1);
    for (lm::LinearOp product : segment.products)
      if (product.getType().getDimSize(1) != n)
        return product.emitOpError() << "expects " << n << " columns, those of its segment, got "
                                     << product.getType().getDimSize(1);
  }
  if (failed(readEnds()))
    return failure();
  return std::move(region);
}

FailureOr<LinearRegion> codegen::readLinearRegion(plan::KernelOp kernel) {
  return RegionReader(kernel).read();
}

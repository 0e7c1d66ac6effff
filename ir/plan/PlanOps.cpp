//===- PlanOps.cpp - constraints of plan ops ------------------------------===//
//
// The labelled constraints (C1) ... of PlanOps.td. What holds for a whole program (no overlap, no read before a
// write) is checked by the gate plan-verify-planned.
//
//===----------------------------------------------------------------------===//
#include "ir/plan/PlanOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace stoop::plan;

#define GET_OP_CLASSES
#include "ir/plan/PlanOps.cpp.inc"

LogicalResult ArenaOp::verify() {
  if (static_cast<int64_t>(getSize()) < 0) // (C1)
    return emitOpError() << "expects a size of at least 0, got " << static_cast<int64_t>(getSize());
  if (!llvm::isPowerOf2_64(getAlign())) // (C2)
    return emitOpError() << "expects align to be a power of two, got " << getAlign();
  return success();
}

LogicalResult WeightOp::verify() {
  if (auto place = getPlace(); place && place->getSize() != getPack().getBytes()) // (C1)
    return emitOpError() << "expects a place of " << getPack().getBytes() << " bytes, got "
                         << place->getSize();
  return success();
}

LogicalResult KernelOp::verify() {
  size_t expected = getNumInputs() + getNumResults();
  if (getRowStrides().size() != expected) // (C1)
    return emitOpError() << "expects " << expected << " row strides, one per input and result, got "
                         << getRowStrides().size();
  return success();
}

LogicalResult AllocOp::verify() {
  if (static_cast<int64_t>(getSize()) <= 0) // (C1)
    return emitOpError() << "expects a positive size, got " << static_cast<int64_t>(getSize());
  if (getIndex().has_value() != (getLifetime() == Lifetime::Persistent)) // (C2)
    return emitOpError() << "expects an index exactly for a persistent buffer";
  return success();
}

LogicalResult WeightRefOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr())) // (C1)
    return emitOpError() << "names no plan.weight: " << getWeightAttr();
  return success();
}

LogicalResult SliceOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto arena = symbols.lookupNearestSymbolFrom<ArenaOp>((*this)->getParentOp(), getArenaAttr());
  if (!arena) // (C1)
    return emitOpError() << "names no arena: " << getArenaAttr();
  uint64_t end = getOffset() + getSize();
  if (end < getOffset() || end > arena.getSize()) // (C2)
    return emitOpError() << "expects a range within the " << arena.getSize() << " bytes of "
                         << getArenaAttr() << ", got [" << getOffset() << ", " << end << ")";
  if (!getBase())
    return success();
  auto base = getBase().getDefiningOp<SliceOp>();
  if (!base || base.getArenaAttr() != getArenaAttr() || getOffset() < base.getOffset() ||
      end > base.getOffset() + base.getSize()) // (C3)
    return emitOpError() << "expects a range within the buffer that it is a part of";
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel = symbols.lookupNearestSymbolFrom<KernelOp>((*this)->getParentOp(), getKernelAttr());
  if (!kernel) // (C1)
    return emitOpError() << "names no kernel: " << getKernelAttr();
  if (getReads().size() != kernel.getNumInputs() || getWrites().size() != kernel.getNumResults()) // (C2)
    return emitOpError() << "expects " << kernel.getNumInputs() << " reads and "
                         << kernel.getNumResults() << " writes, got " << getReads().size() << " and "
                         << getWrites().size();
  return success();
}

//===- RegionGrammar.cpp - what a fused region may hold ------------------===//
//
// One method per rule of the general form; the two simple forms are a few lines each. A rule that
// types enforce already (equal columns within a segment) is not repeated here.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/RegionGrammar.h"

#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace stoop;
using lm::FusionRole;

namespace stoop::fusion {

llvm::StringRef anchorKind(Operation *op) {
  auto fusible = dyn_cast<lm::FusibleOpInterface>(op);
  return fusible ? fusible.getAnchorKind() : llvm::StringRef();
}

FusionRole roleOf(Operation *op) {
  auto fusible = dyn_cast<lm::FusibleOpInterface>(op);
  return fusible ? fusible.getFusionRole() : FusionRole::Alone;
}

bool isElementwise(Operation *op) { return isa<lm::ElementwiseOpInterface>(op); }

bool selectsColumns(Operation *op) { return isa<lm::ViewOp>(op); }

bool isReduction(Operation *op) { return isa<lm::BlockReductionOpInterface>(op); }

int stageOf(Operation *op) {
  FusionRole role = roleOf(op);
  return role == FusionRole::Prologue ? 0 : role == FusionRole::Linear ? 1 : 2;
}

llvm::StringRef regionKind(llvm::ArrayRef<Operation *> ops) {
  auto isLinear = [](Operation *op) { return roleOf(op) == FusionRole::Linear; };
  if (auto linear = llvm::find_if(ops, isLinear); linear != ops.end())
    return anchorKind(*linear);
  if (isElementwise(ops.front()))
    return kElementwiseKind;
  return anchorKind(ops.front());
}

namespace {
class Checker {
public:
  Checker(llvm::ArrayRef<Operation *> ops, llvm::ArrayRef<Value> results,
          llvm::function_ref<Value(Value)> resolve)
      : ops(ops), results(results), resolve(resolve), inside(ops.begin(), ops.end()) {}

  std::optional<GrammarError> run();

private:
  using Error = std::optional<GrammarError>;
  static Error fail(Operation *op, const Twine &text) { return GrammarError{op, text.str()}; }
  static std::string nameOf(Operation *op) { return op->getName().getStringRef().str(); }

  /// The op of this region that makes `value`, or null.
  Operation *producer(Value value) {
    Operation *op = resolve(value).getDefiningOp();
    return op && inside.contains(op) ? op : nullptr;
  }
  /// Ops of this region that make operands of `op`.
  SmallVector<Operation *> producers(Operation *op) {
    SmallVector<Operation *> found;
    for (Value operand : op->getOperands())
      if (Operation *source = producer(operand))
        found.push_back(source);
    return found;
  }

  /// The op whose columns a view, or an op on heads behind it, reads.
  Operation *lastValue(Operation *op) {
    while (!segments.contains(op))
      op = producer(op->getOperand(0));
    return op;
  }

  Error checkResults();
  Error checkAlone();
  Error checkChain();
  Error checkGeneral();
  Error checkPrologue(Operation *op);
  Error checkLinear(Operation *op);
  Error checkElementwise(Operation *op);
  Error checkReduction(Operation *op);
  Error checkReductions();
  Error checkView(Operation *op);
  Error checkHeads(Operation *op);
  Error checkColumnGroup(Operation *op, Operation *view);

  llvm::ArrayRef<Operation *> ops;
  llvm::ArrayRef<Value> results;
  llvm::function_ref<Value(Value)> resolve;
  llvm::SmallPtrSet<Operation *, 16> inside;

  Operation *selector = nullptr, *rowMap = nullptr, *firstLinear = nullptr;
  llvm::SmallPtrSet<Operation *, 4> fedPrologue;   ///< prologue ops that something reads
  llvm::EquivalenceClasses<Operation *> segments;  ///< linears and elementwise ops
  llvm::DenseMap<Operation *, Operation *> lastOf; ///< segment leader -> the op that views read
  llvm::SmallPtrSet<Operation *, 8> notLast;       ///< ops that an elementwise op reads
  SmallVector<std::pair<Operation *, Operation *>> reductions; ///< and the op that each reads
};
} // namespace

std::optional<GrammarError> Checker::run() {
  if (Error error = checkResults())
    return error;
  if (llvm::any_of(ops, [](Operation *op) { return roleOf(op) == FusionRole::Linear; }))
    return checkGeneral();
  if (isElementwise(ops.front()))
    return checkChain();
  return checkAlone();
}

Checker::Error Checker::checkResults() {
  llvm::SmallPtrSet<Value, 4> seen;
  for (Value result : results)
    if (!producer(result))
      return fail(ops.back(), "is the last op of a region that yields what no op of it makes");
    else if (!seen.insert(resolve(result)).second)
      return fail(producer(result), "has a result that is yielded twice");
  return std::nullopt;
}

Checker::Error Checker::checkAlone() {
  if (anchorKind(ops.front()).empty())
    return fail(ops.front(), "is no launch of its own and has no linear to go with");
  if (ops.size() > 1)
    return fail(ops[1], "stands behind " + nameOf(ops.front()) +
                            " in a region without a linear, which has room for one op");
  if (results.size() != ops.front()->getNumResults())
    return fail(ops.front(), "has a result that is not yielded");
  return std::nullopt;
}

Checker::Error Checker::checkChain() {
  for (size_t i = 1; i < ops.size(); ++i) {
    if (!isElementwise(ops[i]))
      return fail(ops[i], "is not elementwise, and the region has no linear");
    if (!llvm::is_contained(producers(ops[i]), ops[i - 1]) || producers(ops[i]).size() != 1)
      return fail(ops[i], "expects to be the only user of the op in front of it");
  }
  if (results.size() != 1 || producer(results.front()) != ops.back())
    return fail(ops.back(), "ends a chain whose only result it has to be");
  return std::nullopt;
}

Checker::Error Checker::checkGeneral() {
  int stage = 0;
  for (Operation *op : ops) {
    FusionRole role = roleOf(op);
    if (role == FusionRole::Alone)
      return fail(op, "is always a launch of its own");
    if (stageOf(op) < stage)
      return fail(op, "expects to stand in front: prologue, linears, epilogue");
    stage = stageOf(op);
    Error error = role == FusionRole::Prologue ? checkPrologue(op)
                  : role == FusionRole::Linear ? checkLinear(op)
                  : isElementwise(op)          ? checkElementwise(op)
                  : isReduction(op)            ? checkReduction(op)
                  : selectsColumns(op)         ? checkView(op)
                                               : checkHeads(op);
    if (error)
      return error;
  }
  for (Operation *op : ops)
    if (roleOf(op) == FusionRole::Prologue && !fedPrologue.contains(op))
      return fail(op, "stands in a prologue and feeds no linear of the region");
  return checkReductions();
}

/// At most one op selects rows, from inputs; all others map the same rows in the same way.
Checker::Error Checker::checkPrologue(Operation *op) {
  bool selects = cast<lm::FusibleOpInterface>(op).selectsRows();
  for (Operation *source : producers(op)) {
    if (source != selector || selects)
      return fail(op, "reads " + nameOf(source) + " of its own prologue, which selects no rows");
    fedPrologue.insert(source);
  }
  if (selects) {
    if (selector)
      return fail(op, "is the second op of a prologue that selects rows");
    if (rowMap)
      return fail(op, "selects rows behind an op that maps other rows");
    selector = op;
    return std::nullopt;
  }
  Value rows = resolve(op->getOperand(0));
  if (selector && producer(rows) != selector)
    return fail(op, "reads other rows than those that the prologue selects");
  if (!rowMap) {
    rowMap = op;
    return std::nullopt;
  }
  if (resolve(rowMap->getOperand(0)) != rows)
    return fail(op, "reads other rows than the prologue's other ops");
  if (rowMap->getName() != op->getName() || rowMap->getAttrDictionary() != op->getAttrDictionary())
    return fail(op, "differs from the prologue's other ops, whose statistics it has to share");
  return std::nullopt;
}

Checker::Error Checker::checkLinear(Operation *op) {
  for (OpOperand &operand : op->getOpOperands()) {
    Operation *source = producer(operand.get());
    if (!source)
      continue;
    if (roleOf(source) != FusionRole::Prologue || operand.getOperandNumber() != 0)
      return fail(op, "reads whole rows that other threads of the region are still making: "
                      "those of " +
                          nameOf(source));
    fedPrologue.insert(source);
  }
  auto rowsOf = [](Operation *linear) {
    return cast<RankedTensorType>(linear->getResult(0).getType()).getDimSize(0);
  };
  if (!firstLinear)
    firstLinear = op;
  if (rowsOf(op) != rowsOf(firstLinear))
    return fail(op, "has " + Twine(rowsOf(op)) + " rows, the region's first linear " +
                        Twine(rowsOf(firstLinear)));
  segments.insert(op);
  return std::nullopt;
}

/// Joins the segments of its operands into one.
Checker::Error Checker::checkElementwise(Operation *op) {
  SmallVector<Operation *> sources = producers(op);
  if (sources.empty())
    return fail(op, "is connected to no linear of the region");
  for (Operation *source : sources) {
    if (roleOf(source) != FusionRole::Linear && !isElementwise(source))
      return fail(op,
                  "reads " + nameOf(source) +
                      " of its own region; elementwise ops read linears, each other and inputs");
    if (lastOf.count(segments.getLeaderValue(source)))
      return fail(op, "stands behind a view of its segment");
    notLast.insert(source);
    segments.unionSets(op, source);
  }
  return std::nullopt;
}

/// All columns of a linear or an elementwise op.
Checker::Error Checker::checkReduction(Operation *op) {
  Operation *source = producer(op->getOperand(0));
  if (!source || (roleOf(source) != FusionRole::Linear && !isElementwise(source)))
    return fail(op, "expects to read a linear or an elementwise op of the region");
  reductions.push_back({op, source});
  return std::nullopt;
}

/// Once all segments are known: rotations visit columns in another order than blocks have.
Checker::Error Checker::checkReductions() {
  for (auto [op, source] : reductions)
    if (lastOf.count(segments.getLeaderValue(source)))
      return fail(op, "reduces blocks of a segment of which there are views");
  return std::nullopt;
}

/// Columns of the segment's last value.
Checker::Error Checker::checkView(Operation *op) {
  Operation *source = producer(op->getOperand(0));
  if (!source || (roleOf(source) != FusionRole::Linear && !isElementwise(source)))
    return fail(op, "expects to read a linear or an elementwise op of the region");
  Operation *&last = lastOf[segments.getLeaderValue(source)];
  if (!last)
    last = source;
  if (last != source || notLast.contains(source))
    return fail(op, "expects to read the last value of its segment");
  return std::nullopt;
}

/// Heads of one segment: of views if the op has a result, else of views or of what was made of one.
Checker::Error Checker::checkHeads(Operation *op) {
  SmallVector<Operation *> sources = producers(op);
  if (sources.empty())
    return fail(op, "is connected to no linear of the region");
  bool stores = op->getNumResults() == 0;
  auto isRows = [&](Value operand) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    return type && type.getRank() == 2;
  };
  if (stores && sources.size() != size_t(llvm::count_if(op->getOperands(), isRows)))
    return fail(op, "expects all rows that it stores to come from the region");
  for (Operation *source : sources) {
    bool isView = selectsColumns(source);
    bool isHeads = !isView && !isElementwise(source) && roleOf(source) == FusionRole::Epilogue;
    if (!isView && !(stores && isHeads))
      return fail(op, "reads " + nameOf(source) + " of its own region, expects a view of columns");
    if (Error error = isView ? checkColumnGroup(op, source) : std::nullopt)
      return error;
    if (lastValue(source) != lastValue(sources.front()))
      return fail(op, "reads columns of two segments");
  }
  return std::nullopt;
}

Checker::Error Checker::checkColumnGroup(Operation *op, Operation *view) {
  int64_t group = cast<lm::FusibleOpInterface>(op).getColumnGroup();
  auto columns = cast<lm::ViewOp>(view);
  int64_t offset = columns.getOffset();
  int64_t width = cast<RankedTensorType>(columns.getType()).getDimSize(1);
  if (offset % group != 0 || width % group != 0)
    return fail(op, "works on heads of " + Twine(group) + " columns, its view has columns [" +
                        Twine(offset) + ", " + Twine(offset + width) + ")");
  return std::nullopt;
}

std::optional<GrammarError> checkRegion(llvm::ArrayRef<Operation *> ops,
                                        llvm::ArrayRef<Value> results,
                                        llvm::function_ref<Value(Value)> resolve) {
  return Checker(ops, results, resolve).run();
}

} // namespace stoop::fusion

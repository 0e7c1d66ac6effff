//===- FusionLegality.cpp - which ops may share a launch on a target -----===//
//
// Predicates from the general to the particular: roles of the two ops, what the target's kernels
// can hold, then the grammar and the order of launches. The first that fails is the reason.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionLegality.h"
#include "ir/support/RotationTiles.h"

#include "ir/support/DType.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace stoop;
using lm::FusionRole;

namespace stoop::fusion {

llvm::StringRef passOf(FusionWay way) {
  switch (way) {
  case FusionWay::Epilogue:
    return "lm-fuse-epilogue";
  case FusionWay::Linears:
    return "lm-fuse-linears";
  case FusionWay::Columns:
    return "lm-fuse-columns";
  case FusionWay::Segments:
    return "lm-fuse-segments";
  case FusionWay::Prologue:
    return "lm-fuse-prologue";
  }
  llvm_unreachable("all ways have a pass");
}

static std::string nameOf(Operation *op) { return op->getName().getStringRef().str(); }

static RankedTensorType resultType(Operation *op) {
  return cast<RankedTensorType>(op->getResult(0).getType());
}

FusionWay FusionLegality::wayOf(Operation *producer, Operation *consumer) const {
  RegionGraph::Group a = graph.groupOf(producer), b = graph.groupOf(consumer);
  bool twoLaunches = a != b && graph.hasLinear(a) && graph.hasLinear(b);
  if (roleOf(consumer) == FusionRole::Linear || roleOf(consumer) == FusionRole::Prologue)
    return twoLaunches && roleOf(producer) == FusionRole::Prologue ? FusionWay::Segments
                                                                   : FusionWay::Prologue;
  if (!isElementwise(consumer))
    return FusionWay::Columns;
  return twoLaunches ? FusionWay::Linears : FusionWay::Epilogue;
}

std::optional<Refusal> FusionLegality::refuseCapability(llvm::StringRef capability,
                                                        const Twine &what) const {
  if (target.has(capability))
    return std::nullopt;
  return Refusal{("the target's linear kernels hold no " + what).str(),
                 ("a target with kernels for it (capability " + capability + ")").str()};
}

std::optional<Refusal> FusionLegality::refuseMerge(RegionGraph::Group a, RegionGraph::Group b,
                                                   llvm::ArrayRef<Operation *> views) const {
  if (a == b)
    return std::nullopt;
  return graph.refuse(a, b, views);
}

std::optional<Refusal> FusionLegality::refuseRoles(Operation *producer, Operation *consumer) const {
  const char *barrierInside =
      "a kernel whose threads meet inside; launches have their only barrier at the end";
  if (roleOf(consumer) == FusionRole::Alone)
    return Refusal{nameOf(consumer) + " is always a launch of its own: it waits for all columns of "
                                      "the launch in front",
                   barrierInside};
  if (roleOf(producer) == FusionRole::Alone)
    return Refusal{nameOf(producer) + " is always a launch of its own: what follows waits for all "
                                      "of its columns",
                   barrierInside};
  bool readsRows =
      roleOf(consumer) == FusionRole::Linear || roleOf(consumer) == FusionRole::Prologue;
  bool makesRows = roleOf(producer) == FusionRole::Prologue;
  if (readsRows && !makesRows)
    return Refusal{nameOf(consumer) +
                       " reads whole rows, whose columns all threads of the launch in "
                       "front make: it has to wait for them",
                   barrierInside};
  if (!readsRows && makesRows)
    return Refusal{nameOf(consumer) +
                       " works on columns of a linear's result, not on the rows of " +
                       nameOf(producer),
                   "an epilogue that reads rows of its prologue; the grammar of lm.fused has none"};
  return std::nullopt;
}

/// A prologue is computed by each thread, or block of threads, for itself, so many rows do not pay.
std::optional<int64_t> FusionTarget::exceededRows(Operation *producer) const {
  bool selects = cast<lm::FusibleOpInterface>(producer).selectsRows();
  int64_t limit = selects ? maxGatheredRows : maxPrologueRows;
  bool exceeds = limit && resultType(producer).getDimSize(0) > limit;
  return exceeds ? std::optional(limit) : std::nullopt;
}

/// How the entry of `op` comes to have at most `rows` rows.
static std::string remedyOfRows(Operation *op, int64_t rows) {
  std::string count = std::to_string(rows);
  switch (op->getParentOfType<lm::EntryOp>().getKind()) {
  case lm::EntryKind::Decode:
    return "at most " + count + " sequences in a step (--max-batch-size)";
  case lm::EntryKind::Prefill:
    return "chunks of at most " + count + " tokens (--prefill-buckets)";
  case lm::EntryKind::Score:
  case lm::EntryKind::Forward:
    return "none: perplexities are computed in chunks of a fixed length, more than " + count;
  }
  llvm_unreachable("kind of entry");
}

namespace {
/// What a norm in front of tiles costs beside one that is a launch of its own, for any number of rows. A launch takes
/// the time of its memory or of its arithmetic, whichever is more, as report/Roofline.h has it: while it waits for
/// weights, normalising the rows again in each column of tiles costs nothing.
struct NormCosts {
  double launch, memory, products, passes, traffic; ///< ns; of a row behind the first two
  int64_t tileRows, tiles = 0;                      ///< tiles: columns of them

  double inTiles(int64_t rows) const {
    double work = products * static_cast<double>(llvm::alignTo(rows, tileRows));
    return std::max(memory, work + passes * rows) - std::max(memory, work);
  }
  double alone(int64_t rows) const { return launch + traffic * static_cast<double>(rows); }
  bool pays(int64_t rows) const { return inTiles(rows) <= alone(rows); }
};
} // namespace

static NormCosts normCosts(lm::NormOp norm, ArrayRef<Operation *> linears, ArrayRef<int64_t> costs) {
  enum { TileRows, TileColumns, Launch, Memory, Products, Floats };
  auto rate = [&](int which) { return static_cast<double>(costs[which]); };
  double rows = static_cast<double>(resultType(norm).getDimSize(0)), bytes = 0;
  NormCosts found{rate(Launch), 0, 0, 0, 0, costs[TileRows]};
  for (Operation *linear : linears) {
    auto weight = cast<RankedTensorType>(linear->getOperand(1).getType());
    bool isNarrow = !weight.getElementType().isF32() && weight.getElementType() == resultType(norm).getElementType();
    found.tiles += llvm::divideCeil(weight.getDimSize(0), costs[TileColumns]);
    found.products += 2.0 * static_cast<double>(weight.getNumElements()) / rate(isNarrow ? Products : Floats);
    bytes += static_cast<double>(tensorBytes(weight).value_or(0));
  }
  found.memory = bytes / rate(Memory);
  found.passes = static_cast<double>(found.tiles * norm.getFlops()) / rows / rate(Floats);
  for (Value value : {Value(norm.getInput()), Value(norm.getResult())})
    found.traffic += static_cast<double>(tensorBytes(cast<RankedTensorType>(value.getType())).value_or(0)) / rows / rate(Memory);
  return found;
}

std::optional<Refusal> FusionLegality::refuseTiles(lm::NormOp norm) const {
  SmallVector<Operation *> readers = graph.users(norm);
  for (Operation *user : readers)
    if (roleOf(user) != FusionRole::Linear)
      return Refusal{nameOf(user) + " reads its result too, which tiles of a linear would make for themselves alone",
                     "none: tiles hand no rows on"};
  NormCosts costs = normCosts(norm, readers, target.tileCosts);
  int64_t rows = resultType(norm).getDimSize(0), most = rows;
  while (most > 0 && !costs.pays(most))
    --most;
  if (most == rows)
    return std::nullopt;
  return Refusal{llvm::formatv("a launch of its own costs {0:F1} us, normalising its {1} rows in each of {2} columns of "
                               "tiles {3:F1} us",
                               costs.alone(rows) / 1e3, rows, costs.tiles, costs.inTiles(rows) / 1e3)
                     .str(),
                 most > 0 ? remedyOfRows(norm, most) : "none: a launch costs less for any number of rows"};
}

/// Rows of which each thread, or block of threads, would make all, if no tile makes those that it multiplies.
std::optional<Refusal> FusionLegality::refuseManyRows(Operation *producer, int64_t limit) const {
  auto norm = dyn_cast<lm::NormOp>(producer);
  if (!norm || target.tileCosts.empty())
    return Refusal{("each thread would make all " + Twine(resultType(producer).getDimSize(0)) + " rows of " +
                    nameOf(producer) + " for itself; that pays up to " + Twine(limit))
                       .str(),
                   remedyOfRows(producer, limit)};
  if (auto refusal = refuseTiles(norm))
    return refusal;
  if (!norm.getMoments())
    return Refusal{"tiles normalise rows whose moments the launch in front has left, and none are left of these",
                   "a linear in front that leaves them (lm-leave-moments)"};
  SmallVector<Operation *> readers = graph.users(norm);
  if (!llvm::all_of(readers, [&](Operation *op) { return graph.groupOf(op) == graph.groupOf(readers.front()); }))
    return Refusal{"several launches read its result, which tiles of a linear would make for themselves alone",
                   "one launch for all of them; their own verdicts say why they are several"};
  return std::nullopt;
}

std::optional<Refusal> FusionLegality::refusePrologue(Operation *producer) const {
  std::string kind = anchorKind(producer).str();
  if (auto refusal = refuseCapability(kind + "_prologue", nameOf(producer) + " in front"))
    return refusal;
  if (std::optional<int64_t> limit = target.exceededRows(producer))
    return refuseManyRows(producer, *limit);
  return std::nullopt;
}

/// Whether a tensor's values are integers in memory; which scheme does not matter to a launch.
static bool isQuantized(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getEncoding();
}

/// Without "mixed_elements" all linears of a launch multiply the same pair of element types, and
/// integer weights do not meet others.
std::optional<Refusal> FusionLegality::refuseElements(RegionGraph::Group a,
                                                      RegionGraph::Group b) const {
  Operation *first = nullptr;
  for (Operation *op : graph.together({a, b})) {
    if (roleOf(op) != FusionRole::Linear)
      continue;
    first = first ? first : op;
    for (auto [mine, its] : llvm::zip_equal(op->getOperandTypes(), first->getOperandTypes()))
      if (getElementTypeOrSelf(mine) != getElementTypeOrSelf(its) ||
          isQuantized(mine) != isQuantized(its))
        return refuseCapability("mixed_elements", "linears of different element types");
  }
  return std::nullopt;
}

/// Without "epilogue_dag" each value of a chain has one reader, and the last is the only result.
std::optional<Refusal> FusionLegality::refuseEpilogue(RegionGraph::Group a,
                                                      RegionGraph::Group b) const {
  if (target.has("epilogue_dag"))
    return std::nullopt;
  SmallVector<Operation *> ops = graph.together({a, b});
  SmallVector<Value> stored = graph.escaping(ops);
  for (Operation *op : ops) {
    if (roleOf(op) != FusionRole::Linear && !isElementwise(op))
      continue;
    auto readers = llvm::count_if(graph.users(op), [&](Operation *user) {
      return isElementwise(user) && llvm::is_contained(ops, user);
    });
    readers += llvm::is_contained(stored, op->getResult(0));
    if (readers > 1)
      return refuseCapability("epilogue_dag", "result of " + nameOf(op) + " that is needed twice");
  }
  return std::nullopt;
}

/// Both columns of a rotated pair have to lie in one tile.
std::optional<Refusal> FusionLegality::refuseRotation(Operation *rotation) const {
  auto rope = dyn_cast<lm::RopeOp>(rotation);
  if (!rope || target.rotationTiles.empty())
    return std::nullopt;
  int64_t headDim = cast<RankedTensorType>(rope.getTable().getType()).getDimSize(1);
  for (bool isWide : {false, true})
    if (llvm::none_of(target.rotationTiles, [&](int64_t width) {
          return (width >= kWideTile) == isWide && tileHoldsHeads(width, headDim);
        }))
      return Refusal{("no tile of a linear for " + Twine(isWide ? "many" : "few") + " rows holds heads of " +
                      Twine(headDim) + " columns, whole or in equal parts of both halves")
                         .str(),
                     "none: the model has these heads"};
  return std::nullopt;
}

/// What stands behind a linear has to find it in the launch of its producer.
static Refusal refuseWithoutLinear(Operation *producer) {
  return {"no linear stands in front of " + nameOf(producer) + " in its launch",
          "a linear there; the verdicts on its operands say why none is"};
}

std::optional<Refusal> FusionLegality::refuse(Operation *producer, Operation *consumer) const {
  RegionGraph::Group a = graph.groupOf(producer), b = graph.groupOf(consumer);
  if (a == b)
    return std::nullopt;
  if (auto refusal = refuseRoles(producer, consumer))
    return refusal;
  std::optional<Refusal> refusal;
  SmallVector<Operation *> views;
  switch (wayOf(producer, consumer)) {
  case FusionWay::Prologue:
    refusal = refusePrologue(producer);
    if (!refusal && !graph.hasLinear(b))
      refusal = Refusal{nameOf(consumer) + " is in no launch with a linear that it feeds",
                        "a linear in its launch; the verdicts on its readers say why none is"};
    break;
  case FusionWay::Columns:
    refusal =
        refuseCapability(anchorKind(consumer).str() + "_epilogue", nameOf(consumer) + " behind");
    if (!refusal && !graph.hasLinear(a))
      refusal = refuseWithoutLinear(producer);
    if (!refusal)
      refusal = refuseRotation(consumer);
    for (Value operand : consumer->getOperands())
      (void)graph.columnsOf(operand, views);
    break;
  case FusionWay::Linears:
    refusal = refuseCapability("multi_linear", "second linear in a segment");
    if (!refusal)
      refusal = refuseElements(a, b);
    if (!refusal)
      refusal = refuseEpilogue(a, b);
    break;
  case FusionWay::Epilogue:
    if (!graph.hasLinear(a) && !graph.hasLinear(b))
      refusal = refuseWithoutLinear(producer);
    if (!refusal)
      refusal = refuseEpilogue(a, b);
    break;
  case FusionWay::Segments:
    refusal = refuseCapability("multi_segment", "second segment");
    if (!refusal)
      refusal = refuseElements(a, b);
    break;
  }
  return refusal ? refusal : refuseMerge(a, b, views);
}

bool FusionLegality::isMadeByColumns(Value value) const {
  Operation *producer = graph.producer(value);
  return producer && (isElementwise(producer) || roleOf(producer) == FusionRole::Linear) &&
         graph.hasLinear(graph.groupOf(producer));
}

/// Who sums up a row does it once for all its columns; who leaves moments, once for each block; and blocks have to be
/// combined.
std::optional<Refusal> FusionLegality::refuseMoments(lm::NormOp norm) const {
  if (auto refusal = refuseCapability("reduction_epilogue", "reductions behind"))
    return refusal;
  if (std::optional<int64_t> limit = target.exceededRows(norm)) {
    if (target.tileCosts.empty())
      return Refusal{("no moments of its " + Twine(resultType(norm).getDimSize(0)) +
                      " rows are left for it: a norm that is a launch of its own sums up each row once, on the way")
                         .str(),
                     remedyOfRows(norm, *limit)};
    if (auto refusal = refuseTiles(norm))
      return refusal;
  }
  int64_t columns = resultType(norm).getDimSize(1);
  if (columns < target.leastMomentsColumns)
    return Refusal{("no moments of its rows are left for it: to sum up " + Twine(columns) +
                    " columns costs a thread less than leaving those of each block and combining them; that pays from " +
                    Twine(target.leastMomentsColumns))
                       .str(),
                   "none: the model has these rows"};
  return std::nullopt;
}

Value FusionLegality::rowsOf(Operation *linear) const {
  Value rows = graph.resolve(linear->getOperand(0));
  for (Operation *op = rows.getDefiningOp(); op && roleOf(op) == FusionRole::Prologue;
       op = rows.getDefiningOp()) {
    if (cast<lm::FusibleOpInterface>(op).selectsRows())
      break;
    rows = graph.resolve(op->getOperand(0));
  }
  return rows;
}

std::optional<Refusal> FusionLegality::refuseSegments(Operation *a, Operation *b) const {
  RegionGraph::Group first = graph.groupOf(a), second = graph.groupOf(b);
  if (auto refusal = refuseCapability("multi_segment", "second segment"))
    return refusal;
  if (auto refusal = refuseElements(first, second))
    return refusal;
  return refuseMerge(first, second);
}

} // namespace stoop::fusion

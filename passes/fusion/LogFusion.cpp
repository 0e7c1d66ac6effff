//===- LogFusion.cpp - the verdict on every pair that could be fused -----===//
//
// Decides nothing: what shares a region has passed, and for the rest FusionLegality is asked again.
// Traffic is counted once: storing a value belongs to the first edge from it, reading it to the first
// edge into each launch. So the missed edges of an entry add up to what its launches hand on. What a
// passed edge saves is what it would cost alone: a pass that is left out may cost less, because another
// one stands in for it.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionLegality.h"
#include "passes/fusion/Passes.h"

#include "ir/lm/LmAttrNames.h"
#include "ir/lm/LmDialect.h"
#include "ir/support/DType.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"

namespace stoop::fusion {
#define GEN_PASS_DEF_LOGFUSION
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

using namespace mlir;
using namespace stoop;
using fusion::FusionWay;
using fusion::RegionGraph;

namespace {
/// One candidate with its verdict.
struct Edge {
  Operation *producer, *consumer;
  std::string pass;
  std::optional<fusion::Refusal> refusal; ///< nothing: they share a region
  int64_t bytes;
};

/// A model path with `*` for its layer, its first component that is a number.
struct ModelPath {
  std::string text;
  std::optional<int64_t> layer;

  static ModelPath of(Operation *op) {
    ModelPath path;
    auto name = op->getLoc()->findInstanceOf<NameLoc>();
    SmallVector<StringRef> parts;
    StringRef whole = name ? name.getName().getValue() : StringRef();
    whole.split(parts, '.');
    for (StringRef &part : parts)
      if (int64_t number; !path.layer && !part.getAsInteger(10, number)) {
        path.layer = number;
        part = "*";
      }
    path.text = llvm::join(parts, ".");
    return path;
  }
};

/// Finds and judges the edges of one entry.
class EdgeFinder {
public:
  EdgeFinder(const RegionGraph &graph, const fusion::FusionLegality &legality)
      : graph(graph), legality(legality) {}

  SmallVector<Edge> find();

private:
  void addEdges(Operation *consumer);
  void addSegments(Operation *linear);
  int64_t rereadBytes(Operation *linear, bool together);
  bool inOneSegment(Operation *a, Operation *b) const;
  FusionWay passedWay(Operation *producer, Operation *consumer) const;
  llvm::SmallPtrSet<Operation *, 4> linearsBehind(Operation *op) const;
  bool isStored(Operation *op) const;

  const RegionGraph &graph;
  const fusion::FusionLegality &legality;
  llvm::DenseSet<Value> stores;                               ///< that have been counted
  llvm::DenseSet<std::pair<Value, RegionGraph::Group>> reads; ///< likewise, by launch
  llvm::DenseMap<Value, Operation *> lastOnRows;
  SmallVector<Edge> edges;
};
} // namespace

static int64_t bytesOf(Value value) {
  return tensorBytes(cast<RankedTensorType>(value.getType())).value_or(0);
}

SmallVector<Edge> EdgeFinder::find() {
  for (Operation *op : graph.ops()) {
    if (!isa<lm::FusibleOpInterface>(op) || fusion::selectsColumns(op))
      continue;
    if (fusion::roleOf(op) == lm::FusionRole::Linear)
      addSegments(op);
    addEdges(op);
  }
  return std::move(edges);
}

/// Linears of the op's region that it depends on.
llvm::SmallPtrSet<Operation *, 4> EdgeFinder::linearsBehind(Operation *op) const {
  llvm::SmallPtrSet<Operation *, 4> linears;
  if (fusion::roleOf(op) == lm::FusionRole::Linear)
    linears.insert(op);
  else if (fusion::isElementwise(op))
    for (Value operand : op->getOperands())
      if (Operation *producer = graph.producer(operand))
        if (graph.groupOf(producer) == graph.groupOf(op))
          linears.insert_range(linearsBehind(producer));
  return linears;
}

/// An elementwise op joins its last operand's linear by itself; what brings in another linear joins
/// two segments.
FusionWay EdgeFinder::passedWay(Operation *producer, Operation *consumer) const {
  FusionWay way = legality.wayOf(producer, consumer);
  if (way != FusionWay::Epilogue)
    return way;
  auto own = linearsBehind(producer);
  for (Value operand : consumer->getOperands()) {
    Operation *other = graph.producer(operand);
    if (!other || other == producer || graph.groupOf(other) != graph.groupOf(consumer) ||
        other->isBeforeInBlock(producer))
      continue;
    auto linears = linearsBehind(other);
    if (llvm::none_of(linears, [&](Operation *linear) { return own.contains(linear); }))
      return FusionWay::Linears;
  }
  return way;
}

/// Whether the result of `op`, or columns of it, leave its region.
bool EdgeFinder::isStored(Operation *op) const {
  SmallVector<Operation *> members = graph.members(graph.groupOf(op));
  if (llvm::is_contained(graph.escaping(members), op->getResult(0)))
    return true;
  return llvm::any_of(graph.users(op), [&](Operation *user) {
    return fusion::selectsColumns(user) &&
           (graph.groupOf(user) != graph.groupOf(op) || isStored(user));
  });
}

void EdgeFinder::addEdges(Operation *consumer) {
  RegionGraph::Group group = graph.groupOf(consumer);
  llvm::MapVector<Operation *, int64_t> bytesFrom;
  for (Value operand : consumer->getOperands()) {
    SmallVector<Operation *> views;
    Operation *producer = graph.columnsOf(operand, views);
    if (!producer || !isa<lm::FusibleOpInterface>(producer))
      continue;
    Value value = graph.resolve(operand);
    int64_t &bytes = bytesFrom[producer];
    if (reads.insert({value, group}).second)
      bytes += bytesOf(value);
    bool together = graph.groupOf(producer) == group;
    if (together != isStored(value.getDefiningOp()) && stores.insert(value).second)
      bytes += bytesOf(value);
  }
  for (auto [producer, bytes] : bytesFrom) {
    bool together = graph.groupOf(producer) == group;
    Edge edge{producer, consumer, "", std::nullopt, bytes};
    FusionWay way = together ? passedWay(producer, consumer) : legality.wayOf(producer, consumer);
    edge.pass = fusion::passOf(way).str();
    if (together && !graph.hasLinear(graph.groupOf(consumer)))
      edge.pass = "lm-form-fused-regions";
    if (!together)
      edge.refusal = legality.refuse(producer, consumer);
    if (!together && !edge.refusal)
      edge.refusal = fusion::Refusal{"the pass was left out", "no --disable-pass " + edge.pass};
    edges.push_back(std::move(edge));
  }
}

/// What a launch of its own reads for `linear`, and what has to be stored for it. If it has one, that
/// is counted here and not again at the edge from what it reads.
int64_t EdgeFinder::rereadBytes(Operation *linear, bool together) {
  RegionGraph::Group group = graph.groupOf(linear);
  Operation *reader = linear, *op;
  Value rows;
  while (true) {
    rows = graph.resolve(reader->getOperand(0));
    op = rows.getDefiningOp();
    if (!op || graph.groupOf(op) != group)
      return together || reads.insert({rows, group}).second ? bytesOf(rows) : 0;
    bool isShared = llvm::any_of(graph.users(op), [&](Operation *user) {
      return user != reader && graph.groupOf(user) == group;
    });
    if (isShared)
      return bytesOf(rows) * (isStored(op) ? 1 : 2);
    reader = op;
  }
}

/// Whether some op of their region depends on both linears.
bool EdgeFinder::inOneSegment(Operation *a, Operation *b) const {
  return llvm::any_of(graph.members(graph.groupOf(a)), [&](Operation *op) {
    auto linears = linearsBehind(op);
    return linears.contains(a) && linears.contains(b);
  });
}

void EdgeFinder::addSegments(Operation *linear) {
  Operation *&other = lastOnRows[legality.rowsOf(linear)];
  if (other) {
    FusionWay way = inOneSegment(other, linear) ? FusionWay::Linears : FusionWay::Segments;
    bool together = graph.groupOf(other) == graph.groupOf(linear);
    Edge edge{other, linear, fusion::passOf(way).str(), std::nullopt,
              rereadBytes(linear, together)};
    if (!together) {
      edge.refusal = legality.refuseSegments(other, linear);
      if (!edge.refusal)
        edge.refusal = fusion::Refusal{"the pass was left out", "no --disable-pass " + edge.pass};
    }
    edges.push_back(std::move(edge));
  }
  other = linear;
}

/// Remark, category `fusion`: its function is the entry, its location the consumer's.
static void remarkEdge(lm::EntryOp entry, const Edge &edge) {
  auto options =
      remark::RemarkOpts::name(edge.pass).category("fusion").function(entry.getSymName());
  auto describe = [&](auto &&remark) {
    remark << remark::metric("op", edge.consumer->getName().getStringRef())
           << remark::metric("behind", edge.producer->getName().getStringRef())
           << remark::metric("bytes", edge.bytes);
    if (edge.refusal)
      remark << remark::reason("{0}", edge.refusal->reason);
  };
  if (edge.refusal)
    describe(remark::missed(edge.consumer->getLoc(), options));
  else
    describe(remark::passed(edge.consumer->getLoc(), options));
}

/// The edges as attributes. Those of following layers that differ in their layer alone are one
/// entry; `layers` are the consumer's, or the producer's if the consumer lies in none.
static ArrayAttr makeLog(Builder &builder, StringAttr entry, ArrayRef<Edge> edges) {
  struct Merged {
    int64_t count = 0, bytes = 0;
    std::optional<int64_t> first, last;
  };
  llvm::MapVector<Attribute, SmallVector<Merged, 1>> log; ///< by what is equal: runs of layers
  auto text = [&](const Twine &value) { return builder.getStringAttr(value); };
  auto describe = [&](Operation *op, const ModelPath &path) {
    return builder.getDictionaryAttr(
        {builder.getNamedAttr("op", text(op->getName().getStringRef())),
         builder.getNamedAttr("path", text(path.text))});
  };
  for (const Edge &edge : edges) {
    ModelPath producer = ModelPath::of(edge.producer), consumer = ModelPath::of(edge.consumer);
    NamedAttrList key;
    key.set("entry", entry);
    key.set("pass", text(edge.pass));
    key.set("verdict", text(edge.refusal ? "missed" : "passed"));
    key.set("producer", describe(edge.producer, producer));
    key.set("consumer", describe(edge.consumer, consumer));
    key.set("reason", text(edge.refusal ? edge.refusal->reason : ""));
    key.set("remedy", text(edge.refusal ? edge.refusal->remedy : ""));
    if (consumer.layer && producer.layer && *consumer.layer != *producer.layer)
      key.set("layer_distance", builder.getI64IntegerAttr(*consumer.layer - *producer.layer));
    std::optional<int64_t> layer = consumer.layer ? consumer.layer : producer.layer;
    SmallVector<Merged, 1> &runs = log[key.getDictionary(builder.getContext())];
    if (runs.empty() || (layer && *layer != *runs.back().last && *layer != *runs.back().last + 1))
      runs.push_back({0, 0, layer, layer});
    Merged &merged = runs.back();
    ++merged.count;
    merged.bytes += edge.bytes;
    merged.last = layer;
  }
  SmallVector<Attribute> entries;
  for (auto &[key, runs] : log)
    for (const Merged &merged : runs) {
      NamedAttrList attributes(cast<DictionaryAttr>(key));
      attributes.set("count", builder.getI64IntegerAttr(merged.count));
      attributes.set("bytes", builder.getI64IntegerAttr(merged.bytes));
      if (merged.first)
        attributes.set("layers", builder.getI64ArrayAttr({*merged.first, *merged.last}));
      entries.push_back(attributes.getDictionary(builder.getContext()));
    }
  return builder.getArrayAttr(entries);
}

namespace {
struct LogFusion : fusion::impl::LogFusionBase<LogFusion> {
  using LogFusionBase::LogFusionBase;

  void runOnOperation() override {
    getOperation().walk([&](lm::EntryOp entry) { runOnEntry(entry); });
  }

  /// Norms that could read moments of their rows and do not. Those that do have edges of their own.
  static void addMoments(const RegionGraph &graph, const fusion::FusionLegality &legality,
                         SmallVector<Edge> &edges) {
    for (Operation *op : graph.ops())
      if (auto norm = dyn_cast<lm::NormOp>(op); norm && !norm.getMoments() && legality.isMadeByColumns(norm.getInput())) {
        std::optional<fusion::Refusal> refusal = legality.refuseMoments(norm);
        if (!refusal)
          refusal = fusion::Refusal{"the pass was left out", "no --disable-pass lm-leave-moments"};
        edges.push_back({graph.producer(norm.getInput()), norm, "lm-leave-moments", std::move(refusal), 0});
      }
  }

  void runOnEntry(lm::EntryOp entry) {
    RegionGraph graph(entry);
    fusion::FusionLegality legality(
        graph, {capabilities, maxPrologueRows, maxGatheredRows, rotationTiles, momentsBlock,
                leastMomentsColumns, tileCosts});
    SmallVector<Edge> edges = EdgeFinder(graph, legality).find();
    if (momentsBlock > 0)
      addMoments(graph, legality, edges);
    for (const Edge &edge : edges)
      remarkEdge(entry, edge);
    Builder builder(&getContext());
    entry->setAttr(lm::kFusionLogAttrName, makeLog(builder, entry.getSymNameAttr(), edges));
  }
};
} // namespace

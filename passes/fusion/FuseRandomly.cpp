//===- FuseRandomly.cpp - random legal regions ---------------------------===//
//
// Pairs are tried in random order, several times over, because some merges make others possible: a
// store joins only behind the views that it reads.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionLegality.h"
#include "passes/fusion/Passes.h"

#include "ir/lm/LmDialect.h"

#include "mlir/IR/BuiltinOps.h"

#include <random>

namespace stoop::fusion {
#define GEN_PASS_DEF_FUSERANDOMLY
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

using namespace mlir;
using namespace stoop;
using fusion::RegionGraph;

namespace {
struct FuseRandomly : fusion::impl::FuseRandomlyBase<FuseRandomly> {
  using FuseRandomlyBase::FuseRandomlyBase;
  using Pair = std::pair<Operation *, Operation *>;

  void runOnOperation() override {
    std::mt19937_64 random(seed);
    getOperation().walk([&](lm::EntryOp entry) { runOnEntry(entry, random); });
  }

  /// Ops of which one reads the other, and linears near one another.
  SmallVector<Pair> candidates(const RegionGraph &graph) const {
    constexpr size_t kNear = 6;
    fusion::FusionTarget target;
    target.maxGatheredRows = maxGatheredRows;
    SmallVector<Pair> pairs;
    SmallVector<Operation *> linears;
    for (Operation *op : graph.ops()) {
      if (!isa<lm::FusibleOpInterface>(op))
        continue;
      for (Value operand : op->getOperands())
        if (Operation *producer = graph.producer(operand))
          if (isa<lm::FusibleOpInterface>(producer) && !target.exceededRows(producer))
            pairs.push_back({producer, op});
      if (fusion::roleOf(op) != lm::FusionRole::Linear)
        continue;
      for (Operation *other : ArrayRef(linears).take_back(kNear))
        pairs.push_back({other, op});
      linears.push_back(op);
    }
    return pairs;
  }

  /// Merges each pair with the same chance, so that regions are neither always small nor all large.
  void runOnEntry(lm::EntryOp entry, std::mt19937_64 &random) const {
    constexpr int kRounds = 4;
    RegionGraph graph(entry);
    SmallVector<Pair> pairs = candidates(graph);
    unsigned chance = random() % 100;
    for (int round = 0; round < kRounds; ++round) {
      // Not std::shuffle: its result depends on the library.
      for (size_t i = pairs.size(); i > 1; --i)
        std::swap(pairs[i - 1], pairs[random() % i]);
      for (auto [first, second] : pairs) {
        RegionGraph::Group a = graph.groupOf(first), b = graph.groupOf(second);
        if (a != b && random() % 100 <= chance && !graph.refuse(a, b))
          graph.merge(a, b);
      }
    }
    graph.rewrite();
  }
};
} // namespace

//===- CollectFusion.cpp - the verdicts of the fusion passes -------------===//
//
// The passes leave them on the program as `fusion_log`, one dictionary per candidate edge and run
// of equal layers. Programs without a log have the edges inside their kernels alone.
//
//===----------------------------------------------------------------------===//
#include "passes/report/Collect.h"
#include "passes/report/ModelPaths.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace stoop::report {

static constexpr llvm::StringLiteral kFusionLog = "fusion_log";

static std::string textOf(DictionaryAttr entry, llvm::StringRef key) {
  auto value = entry ? entry.getAs<StringAttr>(key) : StringAttr();
  return value ? value.str() : std::string();
}

static int64_t numberOf(DictionaryAttr entry, llvm::StringRef key, int64_t otherwise) {
  auto value = entry.getAs<IntegerAttr>(key);
  return value ? value.getInt() : otherwise;
}

static FusionVerdict readVerdict(DictionaryAttr entry) {
  FusionVerdict verdict;
  verdict.passed = textOf(entry, "verdict") == "passed";
  verdict.entry = textOf(entry, "entry");
  verdict.pass = textOf(entry, "pass");
  auto producer = entry.getAs<DictionaryAttr>("producer");
  auto consumer = entry.getAs<DictionaryAttr>("consumer");
  verdict.producerOp = textOf(producer, "op");
  verdict.producerPath = textOf(producer, "path");
  verdict.consumerOp = textOf(consumer, "op");
  verdict.consumerPath = textOf(consumer, "path");
  if (auto layers = entry.getAs<ArrayAttr>("layers"); layers && layers.size() == 2) {
    auto first = dyn_cast<IntegerAttr>(layers[0]), last = dyn_cast<IntegerAttr>(layers[1]);
    if (first && last)
      verdict.firstLayer = first.getInt(), verdict.lastLayer = last.getInt();
  }
  verdict.layerDistance = numberOf(entry, "layer_distance", 0);
  verdict.count = numberOf(entry, "count", 1);
  verdict.bytes = numberOf(entry, "bytes", 0);
  verdict.reason = textOf(entry, "reason");
  verdict.remedy = textOf(entry, "remedy");
  return verdict;
}

/// Neighbours in one launch, as verdicts that passed.
static void collectPassedEdges(ProgramReport &report) {
  for (const EntryReport &entry : report.entries)
    for (const LaunchGroup &group : entry.groups)
      for (const LaunchReport &launch : group.launches)
        for (size_t i = 1; i < launch.ops.size(); ++i) {
          FusionVerdict verdict;
          verdict.passed = true;
          verdict.entry = entry.name;
          verdict.producerOp = launch.ops[i - 1].op;
          verdict.producerPath = launch.ops[i - 1].path;
          verdict.consumerOp = launch.ops[i].op;
          verdict.consumerPath = launch.ops[i].path;
          verdict.firstLayer = group.firstLayer;
          verdict.lastLayer = group.lastLayer;
          verdict.count = group.count();
          report.fusion.push_back(std::move(verdict));
        }
}

void collectFusion(plan::ProgramOp program, ProgramReport &report) {
  auto log = program->getAttrOfType<ArrayAttr>(kFusionLog);
  if (!log)
    return collectPassedEdges(report);
  for (auto entry : log.getAsRange<DictionaryAttr>())
    report.fusion.push_back(readVerdict(entry));
}

} // namespace stoop::report

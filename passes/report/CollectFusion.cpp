//===- CollectFusion.cpp - the verdicts of the fusion passes -------------===//
//
// The passes leave them on the program as `fusion_log`, one dictionary per candidate edge and run
// of equal layers. A program without a log says nothing of them.
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

void collectFusion(plan::ProgramOp program, ProgramReport &report) {
  auto log = program->getAttrOfType<ArrayAttr>(kFusionLog);
  if (!log)
    return;
  for (auto entry : log.getAsRange<DictionaryAttr>())
    report.fusion.push_back(readVerdict(entry));
}

} // namespace stoop::report

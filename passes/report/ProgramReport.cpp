//===- ProgramReport.cpp - what a program is and needs -------------------===//
//
// Every number is computed from the IR at hand; nothing is passed beside it.
//
//===----------------------------------------------------------------------===//
#include "passes/report/ProgramReport.h"

#include "ir/lm/LmOps.h"
#include "ir/support/DType.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace stoop::report {

/// Sections of the metadata that are sections of the report.
static constexpr llvm::StringLiteral kOptions = "options", kLedger = "ledger",
                                     kWarnings = "warnings", kMissed = "missed_fusions";

static void collectMetadata(plan::ProgramOp program, ProgramReport &report) {
  DictionaryAttr metadata = program.getMetadata();
  report.options = metadata.getAs<DictionaryAttr>(kOptions);
  report.ledger = metadata.getAs<DictionaryAttr>(kLedger);
  report.warnings = metadata.getAs<ArrayAttr>(kWarnings);
  NamedAttrList model(metadata);
  for (llvm::StringRef section : {kOptions, kLedger, kWarnings, kMissed})
    model.erase(section);
  report.model = model.getDictionary(program.getContext());
  auto text = [](DictionaryAttr entry, llvm::StringRef key) {
    auto value = entry.getAs<StringAttr>(key);
    return value ? value.str() : std::string();
  };
  if (auto missed = metadata.getAs<ArrayAttr>(kMissed))
    for (auto entry : missed.getAsRange<DictionaryAttr>()) {
      auto count = entry.getAs<IntegerAttr>("count");
      report.missed.push_back({text(entry, "op"), text(entry, "reason"), text(entry, "example"),
                               count ? count.getInt() : 0});
    }
}

static void collectMemory(plan::ProgramOp program, ProgramReport &report) {
  int64_t persistent = 0;
  for (plan::ArenaOp arena : program.getOps<plan::ArenaOp>()) {
    int64_t bytes = arena.getSize();
    report.arenas.push_back(
        {arena.getSymName().str(), bytes, stringifyLifetime(arena.getLifetime()).str()});
    report.totalBytes += bytes;
    if (arena.getLifetime() == plan::Lifetime::Persistent)
      persistent += bytes;
  }
  auto dimension = [&](llvm::StringRef name) {
    auto value = program.getMetadata().getAs<IntegerAttr>(name);
    return value ? value.getInt() : 0;
  };
  int64_t tokens = dimension("max_positions") * dimension("batch");
  report.kvBytesPerToken = tokens > 0 ? persistent / tokens : 0;
}

/// Bytes of a kernel's operand that one launch touches.
static int64_t operandBytes(OpOperand &use) {
  Type type = use.get().getType();
  Operation *op = use.getOwner();
  if (auto cache = dyn_cast<lm::KvType>(type))
    return isa<lm::KvAppendOp>(op) ? 0 : cache.getBytes(); // appended rows count as inputs
  auto tensor = cast<RankedTensorType>(type);
  // A table is read by row: as many rows as there are indices.
  bool isTable = (isa<lm::EmbeddingOp>(op) && use.getOperandNumber() == 1) ||
                 (isa<lm::RopeOp>(op) && use.getOperandNumber() == 2);
  if (!isTable)
    return *tensorBytes(tensor);
  int64_t rows = cast<RankedTensorType>(op->getResult(0).getType()).getDimSize(0);
  return rows * tensor.getDimSize(1) * elementBytes(tensor.getElementType());
}

static KernelReport collectKernel(plan::KernelOp kernel) {
  plan::ScheduleAttr schedule = kernel.getSchedule();
  KernelReport report{kernel.getSymName().str(),
                      schedule.getTemplateName().str(),
                      schedule.getSource().str(),
                      schedule.getTunables(),
                      {}};
  Block &body = kernel.getBody().front();
  for (Operation &op : body.without_terminator()) {
    report.ops.push_back(op.getName().getStringRef().str());
    if (auto cost = dyn_cast<lm::CostOpInterface>(op))
      report.flops += cost.getFlops();
  }
  for (BlockArgument argument : body.getArguments())
    if (!argument.use_empty())
      report.bytes += operandBytes(*argument.use_begin());
  for (Type result : body.back().getOperandTypes())
    report.bytes += *tensorBytes(cast<RankedTensorType>(result));
  return report;
}

static void collectKernels(plan::ProgramOp program, ProgramReport &report) {
  llvm::StringMap<int64_t> launches;
  program.walk([&](plan::LaunchOp launch) { ++launches[launch.getKernel()]; });
  llvm::MapVector<Attribute, FusionPassed> passed;
  for (plan::KernelOp kernel : program.getOps<plan::KernelOp>()) {
    KernelReport entry = collectKernel(kernel);
    entry.launches = launches.lookup(entry.name);
    if (entry.ops.size() > 1) {
      std::string key = llvm::join(entry.ops, " ");
      FusionPassed &fusion = passed[StringAttr::get(program.getContext(), key)];
      fusion.anchor = entry.ops.front();
      fusion.ops.assign(entry.ops.begin() + 1, entry.ops.end());
      fusion.count += entry.launches;
    }
    report.kernels.push_back(std::move(entry));
  }
  for (auto &[key, fusion] : passed)
    report.passed.push_back(std::move(fusion));
}

/// Launches that repeat with the layers: of each kernel, as many as every layer can have.
static int64_t launchesPerLayer(plan::EntryOp entry, int64_t layers) {
  llvm::StringMap<int64_t> counts;
  for (plan::LaunchOp launch : entry.getOps<plan::LaunchOp>())
    ++counts[launch.getKernel()];
  int64_t perLayer = 0;
  for (const auto &count : counts)
    perLayer += layers > 0 ? count.second / layers : 0;
  return perLayer;
}

ProgramReport collectReport(plan::ProgramOp program) {
  ProgramReport report;
  report.target = program.getTarget().str();
  collectMetadata(program, report);
  collectMemory(program, report);
  collectKernels(program, report);
  auto layers = program.getMetadata().getAs<IntegerAttr>("layers");
  for (plan::EntryOp entry : program.getOps<plan::EntryOp>()) {
    auto launches = entry.getOps<plan::LaunchOp>();
    report.entries.push_back({entry.getSymName().str(), stringifyEntryKind(entry.getKind()).str(),
                              int64_t(entry.getRows()),
                              std::distance(launches.begin(), launches.end()),
                              launchesPerLayer(entry, layers ? layers.getInt() : 0)});
  }
  for (plan::BinaryOp binary : program.getOps<plan::BinaryOp>())
    if (!llvm::is_contained(report.levels, binary.getLevel()))
      report.levels.push_back(binary.getLevel().str());
  return report;
}

} // namespace stoop::report

//===- ProgramReport.cpp - what a program is and needs -------------------===//
//
// Every number is computed from the IR at hand; nothing is passed beside it.
//
//===----------------------------------------------------------------------===//
#include "passes/report/ProgramReport.h"

#include "passes/report/Collect.h"
#include "passes/report/Roofline.h"

using namespace mlir;

namespace stoop::report {

/// Sections of the metadata that are sections of the report.
static constexpr llvm::StringLiteral kOptions = "options", kLedger = "ledger",
                                     kWarnings = "warnings", kLevels = "levels";

static void collectMetadata(plan::ProgramOp program, ProgramReport &report) {
  DictionaryAttr metadata = program.getMetadata();
  report.options = metadata.getAs<DictionaryAttr>(kOptions);
  report.ledger = metadata.getAs<DictionaryAttr>(kLedger);
  report.warnings = metadata.getAs<ArrayAttr>(kWarnings);
  NamedAttrList model(metadata);
  for (llvm::StringRef section : {kOptions, kLedger, kWarnings, kLevels})
    model.erase(section);
  report.model = model.getDictionary(program.getContext());
}

/// The compiler that made a binary, or is going to make a program's code.
static void noteVersion(Operation *op, ProgramReport &report) {
  if (auto version = op->getAttrOfType<IntegerAttr>(plan::kCudaVersionAttrName))
    report.cudaVersion = std::max(report.cudaVersion, version.getInt());
}

/// Levels of the binaries; before there are any, those that the compilation is for.
static void collectTarget(plan::ProgramOp program, ProgramReport &report) {
  report.target = program.getTarget().str();
  for (plan::BinaryOp binary : program.getOps<plan::BinaryOp>()) {
    if (!llvm::is_contained(report.levels, binary.getLevel()))
      report.levels.push_back(binary.getLevel().str());
    noteVersion(binary, report);
  }
  if (report.levels.empty())
    noteVersion(program, report);
  auto planned = program.getMetadata().getAs<ArrayAttr>(kLevels);
  if (report.levels.empty() && planned)
    for (auto level : planned.getAsRange<StringAttr>())
      report.levels.push_back(level.str());
  auto dtype = program.getMetadata().getAs<StringAttr>("dtype");
  llvm::StringRef inputs = dtype ? dtype.getValue() : "f32";
  report.machine =
      findMachine(report.target, report.levels.empty() ? "" : report.levels.front(), inputs);
  report.predictions = predictedMachines(report.target, inputs);
}

/// Attributes beside those that the op's syntax has.
static DictionaryAttr notesOn(Operation *op, llvm::ArrayRef<llvm::StringRef> known) {
  NamedAttrList notes;
  for (NamedAttribute attribute : op->getDiscardableAttrs())
    if (!llvm::is_contained(known, attribute.getName().strref()))
      notes.append(attribute);
  return notes.getDictionary(op->getContext());
}

static void collectMemory(plan::ProgramOp program, ProgramReport &report) {
  int64_t persistent = 0;
  for (plan::ArenaOp arena : program.getOps<plan::ArenaOp>()) {
    int64_t bytes = arena.getSize();
    report.arenas.push_back({arena.getSymName().str(), bytes, int64_t(arena.getAlign()),
                             stringifyLifetime(arena.getLifetime()).str(),
                             notesOn(arena, {plan::kPackingAttrName})});
    report.totalBytes += bytes;
    if (arena.getLifetime() == plan::Lifetime::Persistent)
      persistent += bytes;
  }
  report.classes = MemoryClasses::of(program);
  report.planning = notesOn(program, {"fusion_log", plan::kWorkspaceAttrName, plan::kStackAttrName, plan::kModulesAttrName,
                                      plan::kGraphsAttrName, plan::kCudaVersionAttrName});
  auto dimension = [&](llvm::StringRef name) {
    auto value = program.getMetadata().getAs<IntegerAttr>(name);
    return value ? value.getInt() : 0;
  };
  int64_t tokens = dimension("max_positions") * dimension("batch");
  report.kvBytesPerToken = tokens > 0 ? persistent / tokens : 0;
}

ProgramReport collectReport(plan::ProgramOp program) {
  ProgramReport report;
  collectMetadata(program, report);
  collectTarget(program, report);
  collectMemory(program, report);
  collectKernels(program, report);
  collectEntries(program, report);
  collectFusion(program, report);
  return report;
}

} // namespace stoop::report

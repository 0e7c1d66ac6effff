//===- CollectKernels.cpp - what kernels are and what a launch costs -----===//
//
// Costs come from types and from CostOpInterface: what a launch must at least move and compute,
// whatever the template does beside it.
//
//===----------------------------------------------------------------------===//
#include "passes/report/Collect.h"
#include "passes/report/Roofline.h"

#include "ir/lm/LmOps.h"
#include "ir/lm/StreamShape.h"
#include "ir/support/DType.h"
#include "ir/support/TileOrder.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace stoop::report {

static int64_t typeBytes(Type type) { return *tensorBytes(cast<RankedTensorType>(type)); }

/// True if `op` reads operand `number` by row: as many rows as it has results, not all of it.
static bool readsByRow(Operation *op, unsigned number) {
  return (isa<lm::EmbeddingOp>(op) && number == 1) || (isa<lm::RopeOp>(op) && number == 2) ||
         isa<lm::GatherLastOp>(op);
}

/// Bytes of a region's input that one launch reads: its widest use counts, not each. Of a cache,
/// what the sequences that are served have there.
static int64_t inputBytes(BlockArgument input, int64_t sequences) {
  int64_t bytes = 0;
  for (OpOperand &use : input.getUses()) {
    Operation *op = use.getOwner();
    if (auto cache = dyn_cast<lm::KvType>(input.getType())) {
      bytes = std::max(bytes, isa<lm::KvAppendOp>(op) ? 0 : cache.getBytes() / cache.getBatch() * sequences);
      continue;
    }
    auto type = cast<RankedTensorType>(input.getType());
    int64_t read = typeBytes(type);
    if (readsByRow(op, use.getOperandNumber())) {
      int64_t rows = cast<RankedTensorType>(op->getResult(0).getType()).getDimSize(0);
      read = std::min(read, rows * type.getDimSize(1) * elementBytes(type.getElementType()));
    }
    bytes = std::max(bytes, read);
  }
  return bytes;
}

static int64_t flopsOf(Operation &op) {
  auto cost = dyn_cast<lm::CostOpInterface>(op);
  return cost ? cost.getFlops() : 0;
}

/// The same of a launch for several sequences, each with one row at the end of its context.
static int64_t flopsOf(Operation &op, int64_t sequences) {
  auto attention = dyn_cast<lm::AttentionOp>(op);
  if (!attention || sequences == 1)
    return flopsOf(op);
  int64_t elements = cast<RankedTensorType>(attention.getType()).getNumElements();
  return 4 * elements * attention.getCache().getType().getPositions();
}

Cost costOf(Block &body, int64_t sequences) {
  Cost cost;
  for (Operation &op : body.without_terminator()) {
    cost.flops += flopsOf(op, sequences);
    if (auto append = dyn_cast<lm::KvAppendOp>(op)) // the rows written into the cache
      cost.bytes += typeBytes(append.getKeys().getType()) + typeBytes(append.getValues().getType());
  }
  for (BlockArgument input : body.getArguments())
    cost.bytes += inputBytes(input, sequences);
  for (Type result : body.back().getOperandTypes())
    cost.bytes += typeBytes(result);
  return cost;
}

/// Rows of the region's first tensor result, or of its first row operand.
static int64_t rowsOf(Block &body) {
  for (Operation &op : body.without_terminator())
    for (Value value : llvm::concat<Value>(SmallVector<Value>(op.getResults()),
                                           SmallVector<Value>(op.getOperands())))
      if (auto type = dyn_cast<RankedTensorType>(value.getType()); type && type.getRank() == 2)
        return type.getDimSize(0);
  return 0;
}

Operation *mainOp(Block &body) {
  Operation *main = &body.front();
  for (Operation &op : body.without_terminator())
    if (flopsOf(op) > flopsOf(*main))
      main = &op;
  return main;
}

/// What the target noted that the kernel deals to threads, or the grid that the plan gives it.
static void readSplit(plan::KernelOp kernel, KernelReport &report) {
  if (auto geometry = kernel->getAttrOfType<plan::GeometryAttr>(plan::kGeometryAttrName)) {
    report.splitUnit = "blocks of " + std::to_string(geometry.getThreads()) + " threads";
    report.splitCount = 1;
    for (int64_t blocks : geometry.getGrid().asArrayRef())
      report.splitCount *= std::max<int64_t>(blocks, 1);
    report.sharedBytes = geometry.getShared();
    if (geometry.getGrid()[1] == 0)
      report.splitUnit += ", one a multiprocessor at most";
  }
  auto split = kernel->getAttrOfType<DictionaryAttr>(plan::kSplitAttrName);
  if (!split)
    return;
  auto number = [&](llvm::StringRef name) {
    auto count = split.getAs<IntegerAttr>(name);
    return count ? count.getInt() : 0;
  };
  if (auto unit = split.getAs<StringAttr>("unit"))
    report.splitUnit = unit.str();
  report.splitCount = number("count");
  report.splitMost = number("most");
  report.splitRowBlocks = number("row_blocks");
  if (auto balance = split.getAs<DictionaryAttr>("balance"))
    for (NamedAttribute machine : balance)
      report.splitBalance.emplace_back(machine.getName().str(), cast<FloatAttr>(machine.getValue()).getValueAsDouble());
}

/// When launches start, and what linear_stream asks for before the one in front has ended: each warp's ring of tiles.
static void readStart(plan::KernelOp kernel, KernelReport &report) {
  if (!kernel->hasAttr(plan::kGeometryAttrName))
    return;
  report.startsEarly = kernel->hasAttr(plan::kStartsEarlyAttrName);
  auto reason = kernel->getAttrOfType<StringAttr>(plan::kStartsLateAttrName);
  if (!*report.startsEarly)
    report.startsLateReason = reason ? reason.str() : "the pass plan-overlap-launches was left out";
  else if (auto stages = report.tunables.getAs<IntegerAttr>("stages"); stages && report.templateName == "linear_stream")
    report.bytesAhead = stages.getInt() * lm::kStreamWarps * kTileBytes;
}

int64_t sequencesOf(plan::EntryOp entry) {
  return entry.getKind() == plan::EntryKind::Decode ? entry.getRows() : 1;
}

static KernelReport collectKernel(plan::KernelOp kernel, int64_t sequences,
                                  const ProgramReport &program) {
  plan::ScheduleAttr schedule = kernel.getSchedule();
  KernelReport report;
  report.name = kernel.getSymName().str();
  report.templateName = schedule.getTemplateName().str();
  report.scheduleSource = schedule.getSource().str();
  report.evidence = schedule.getEvidence();
  report.tunables = schedule.getTunables();
  Block &body = kernel.getBody().front();
  for (Operation &op : body.without_terminator())
    report.ops.push_back(op.getName().getStringRef().str());
  report.rows = rowsOf(body);
  report.cost = costOf(body, sequences);
  predict(report.cost, program.machine);
  readSplit(kernel, report);
  readStart(kernel, report);
  return report;
}

/// Registers and the like, where binaries carry them.
static void collectCode(plan::ProgramOp program, ProgramReport &report) {
  llvm::StringMap<KernelReport *> kernels;
  for (KernelReport &kernel : report.kernels)
    kernels[kernel.name] = &kernel;
  for (plan::BinaryOp binary : program.getOps<plan::BinaryOp>())
    if (auto resources = binary->getAttrOfType<DictionaryAttr>("resources"))
      for (auto symbol : binary.getKernels().getAsRange<FlatSymbolRefAttr>())
        if (KernelReport *kernel = kernels.lookup(symbol.getValue()))
          kernel->code.push_back({binary.getLevel().str(), resources});
}

void collectKernels(plan::ProgramOp program, ProgramReport &report) {
  // Entries of different kinds may share a kernel; its cost is that of its cheapest launch.
  llvm::StringMap<int64_t> sequences;
  for (plan::EntryOp entry : program.getOps<plan::EntryOp>())
    for (plan::LaunchOp launch : entry.getOps<plan::LaunchOp>()) {
      int64_t served = sequencesOf(entry);
      int64_t &fewest = sequences.try_emplace(launch.getKernel(), served).first->second;
      fewest = std::min(fewest, served);
    }
  for (plan::KernelOp kernel : program.getOps<plan::KernelOp>()) {
    int64_t fewest = std::max<int64_t>(sequences.lookup(kernel.getSymName()), 1);
    report.kernels.push_back(collectKernel(kernel, fewest, report));
  }
  collectCode(program, report);
}

} // namespace stoop::report

//===- LaunchModel.cpp - what a schedule makes of a launch ---------------===//
//
// One function per template family; what a family does not say costs what the roofline says.
//
//===----------------------------------------------------------------------===//
#include "passes/report/LaunchModel.h"

#include "passes/report/Collect.h"

#include "ir/lm/StreamShape.h"
#include "ir/plan/Overlap.h"
#include "ir/support/TileOrder.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using llvm::divideCeil;

namespace stoop::report {

/// Steps of a tile's ring that have to be under way on a multiprocessor before tensor cores never wait; assumed.
static constexpr double kBusySteps = 6;
/// Seconds that all warps of a block take to meet; assumed.
static constexpr double kMeeting = 50e-9;
/// Keys of a tile of attention_flash.
static constexpr int64_t kKeyTile = 32;

namespace {
class LaunchModel {
public:
  LaunchModel(plan::KernelOp kernel, const GpuModel &gpu, int64_t sequences, int64_t registers)
      : kernel(kernel), gpu(gpu), geometry(kernel->getAttrOfType<plan::GeometryAttr>(plan::kGeometryAttrName)),
        cost(costOf(kernel.getBody().front(), sequences)), registers(std::max<int64_t>(registers, 1)) {}
  double seconds();

private:
  int64_t tunable(StringRef name, int64_t missing = 1) {
    auto value = kernel.getSchedule().getTunables().getAs<IntegerAttr>(name);
    return value ? value.getInt() : missing;
  }
  int64_t blocks() const {
    ArrayRef<int64_t> grid = geometry.getGrid();
    return grid[0] * std::max<int64_t>(grid[1], 1) * grid[2];
  }
  /// Blocks that share a multiprocessor.
  int64_t resident() const {
    int64_t threads = geometry.getThreads(), byShared = gpu.sharedBytes / (geometry.getShared() + plan::kSystemSharedBytes);
    return std::max<int64_t>(1, std::min({byShared, plan::kMultiprocessorRegisters / (registers * threads), plan::kMultiprocessorThreads / threads}));
  }
  double memory(double busy) const { return double(cost.bytes) / (gpu.memoryBytes * std::min(busy, 1.0)); }
  double cached(double bytes) const { return bytes / gpu.cacheBytes; }
  /// Blocks that finish something together meet at a ticket: sums are written, the ticket is drawn, sums are read.
  double together(double bytes) const { return 3 * gpu.latency + cached(2 * bytes); }

  double stream(const lm::RegionParts &parts, int64_t rows);
  double tiles(const lm::RegionParts &parts, int64_t rows);
  double small(const lm::RegionParts &parts, int64_t rows);
  double flash(lm::AttentionOp op);
  double mma(lm::AttentionOp op);

  plan::KernelOp kernel;
  const GpuModel &gpu;
  plan::GeometryAttr geometry;
  Cost cost;
  int64_t registers;
};
} // namespace

/// Inner sizes of all linears of a segment together.
static int64_t innerSize(const lm::RegionSegment &segment) {
  int64_t inner = 0;
  for (lm::LinearOp linear : segment.linears)
    inner += cast<RankedTensorType>(linear.getWeight().getType()).getDimSize(1);
  return inner;
}

/// One block a multiprocessor: the largest part decides, as fast as copies in flight keep the memory busy.
double LaunchModel::stream(const lm::RegionParts &parts, int64_t rows) {
  lm::StreamShape shape(parts, rows, tunable("slice"));
  int64_t blocks = std::min({gpu.multiprocessors, geometry.getGrid()[0], shape.tiles()});
  double inFlight = double(lm::kStreamWarps * tunable("stages") * kTileBytes);
  double wanted = gpu.memoryBytes * gpu.latency / double(gpu.multiprocessors);
  double balance = shape.balance(gpu.multiprocessors, tunable("split")) * double(blocks) / double(gpu.multiprocessors);
  double reading = memory(balance * std::min(1.0, inFlight / wanted));
  int64_t rowTiles = lm::StreamShape::rowTiles(parts), slices = rowTiles ? divideCeil(rowTiles, shape.slice()) : 1, units = 0;
  for (auto [index, segment] : llvm::enumerate(parts.segments))
    units += divideCeil(segment.columns, shape.width(index));
  // Whole rows are staged once by each block, slices by each unit, whose warps meet at each.
  double staged = cached(double(rows * rowTiles * kTileColumns * 4) * double(slices > 1 ? units : blocks));
  double meetings = double(divideCeil(units, blocks) * slices) * 2 * kMeeting;
  double shared = tunable("split", 0) ? together(double(2 * blocks * shape.unitSums()) * 4) : 0;
  return std::max({reading, staged, double(cost.flops) / gpu.flops}) + meetings + shared;
}

/// Whole tiles, padding included, in waves; both factors pass through L2 for each tile.
double LaunchModel::tiles(const lm::RegionParts &parts, int64_t rows) {
  bool isMma = kernel.getSchedule().getTemplateName() == "linear_mma";
  int64_t width = tunable("tile_columns"), rowTiles = geometry.getGrid()[1], tileRows = 64;
  double work = 0, traffic = 0;
  for (const lm::RegionSegment &segment : parts.segments) {
    double inner = double(divideCeil(segment.columns, width) * rowTiles * innerSize(segment));
    work += 2 * inner * double(tileRows * width);
    traffic += inner * double(tileRows + width) * double(isMma ? 2 : 4);
  }
  double balance = lm::waveBalance(blocks(), gpu.multiprocessors);
  double busy = std::min(1.0, double(resident() * (isMma ? tunable("stages") : 2)) / kBusySteps);
  double computing = work / ((isMma ? gpu.flops : gpu.wideFlops) * balance * busy);
  double shared = tunable("splits") > 1 ? together(double(geometry.getScratch())) : 0;
  return std::max({computing, cached(traffic), memory(double(blocks()) / double(gpu.multiprocessors))}) + shared;
}

/// A warp a column or two; each block reads all rows.
double LaunchModel::small(const lm::RegionParts &parts, int64_t rows) {
  double traffic = 0;
  for (const lm::RegionSegment &segment : parts.segments)
    traffic += double(blocks() * rows * innerSize(segment) * 4) / double(parts.segments.size());
  double wanted = gpu.memoryBytes * gpu.latency / double(gpu.multiprocessors);
  double inFlight = double(resident() * geometry.getThreads() * 16 * tunable("columns_per_warp"));
  double busy = lm::waveBalance(blocks(), gpu.multiprocessors) * std::min(1.0, inFlight / wanted);
  return std::max({memory(busy), cached(traffic), double(cost.flops) / gpu.wideFlops});
}

/// Nothing is under way while a tile of keys is used, so the longest chain of tiles counts too.
double LaunchModel::flash(lm::AttentionOp op) {
  lm::KvType cache = op.getCache().getType();
  int64_t rows = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(0), positions = cache.getPositions();
  int64_t splits = std::min<int64_t>(tunable("splits"), divideCeil(positions, tunable("least_split_keys")));
  int64_t working = geometry.getGrid()[0] * geometry.getGrid()[1] * splits;
  double rounds = double(divideCeil(working, gpu.multiprocessors * resident()));
  double chain = rounds * double(divideCeil(divideCeil(positions, splits), kKeyTile)) * (gpu.latency + 2 * kMeeting);
  double busy = lm::waveBalance(working, gpu.multiprocessors);
  double keys = double(cache.getBytes() / cache.getBatch()) * double(divideCeil(rows, tunable("row_tile")));
  double shared = splits > 1 ? together(double(geometry.getScratch()) * double(splits) / double(tunable("splits"))) : 0;
  return std::max({chain, memory(busy), cached(keys), double(cost.flops) / (gpu.wideFlops * busy)}) + shared;
}

/// Items in fragments of 16: a block reads the keys once for all of its items; one tile is on its way while one is used.
double LaunchModel::mma(lm::AttentionOp op) {
  lm::KvType cache = op.getCache().getType();
  double keyTiles = double(divideCeil(cache.getPositions(), tunable("key_tile")));
  double rounds = double(divideCeil(blocks(), gpu.multiprocessors * resident()));
  double chain = rounds * keyTiles * (gpu.latency + 2 * kMeeting);
  double keys = double(blocks()) / double(cache.getHeads()) * double(cache.getBytes() / cache.getBatch());
  return std::max({chain, memory(double(blocks()) / double(gpu.multiprocessors)), cached(keys),
                   double(cost.flops) / (gpu.flops * lm::waveBalance(blocks(), gpu.multiprocessors))});
}

double LaunchModel::seconds() {
  double roof = std::max(memory(1), double(cost.flops) / gpu.flops);
  FailureOr<lm::RegionParts> parts = lm::takeApart(kernel.getBody().front());
  if (failed(parts) || !geometry)
    return gpu.launch + roof;
  StringRef name = kernel.getSchedule().getTemplateName();
  if (parts->attention)
    return gpu.launch + (name == "attention_mma" ? mma(parts->attention) : flash(parts->attention));
  if (parts->segments.empty() || parts->segments.front().linears.empty())
    return gpu.launch + roof;
  int64_t rows = cast<RankedTensorType>(parts->segments.front().linears.front().getType()).getDimSize(0);
  if (name == "linear_stream")
    return gpu.launch + stream(*parts, rows);
  return gpu.launch + (name == "linear_small" ? small(*parts, rows) : tiles(*parts, rows));
}

double predictLaunch(plan::KernelOp kernel, const GpuModel &gpu, int64_t sequences, int64_t registers) {
  return LaunchModel(kernel, gpu, sequences, registers).seconds();
}

} // namespace stoop::report

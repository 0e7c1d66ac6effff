//===- SetGeometry.cpp - grids of kernels that run on a GPU ---------------===//
//
// One function per template family. The kernel's source asserts the shared memory that is written here,
// so the two cannot drift apart.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/LaunchGeometry.h"
#include "passes/planning/Passes.h"

#include "ir/lm/StreamShape.h"
#include "ir/plan/PlanOps.h"
#include "ir/support/DType.h"
#include "ir/support/TileOrder.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/MathExtras.h"

namespace stoop::planning {
#define GEN_PASS_DEF_SETGEOMETRY
#include "passes/planning/Passes.h.inc"
} // namespace stoop::planning

using namespace mlir;
using namespace stoop;
using llvm::divideCeil;

/// Rows of a tile and threads of a block; the templates assert them.
static constexpr int64_t kTileRows = 64, kThreads = 256, kMmaThreads = 128, kSmallWarps = 8;
/// Warps of a block and items of a fragment, kernels/attention/attention_mma.cuh.
static constexpr int64_t kMmaWarps = 4, kFragment = 16;
/// Keys of a tile and the most query heads of a block, kernels/attention/attention_flash.cuh.
static constexpr int64_t kKeyTile = 32, kMostHeads = 72;

namespace {
class GeometryOf {
public:
  explicit GeometryOf(plan::KernelOp kernel)
      : kernel(kernel), name(kernel.getSchedule().getTemplateName()) {}

  /// Null for a template that is not launched as a grid.
  FailureOr<plan::GeometryAttr> compute();

private:
  int64_t tunable(StringRef key) {
    return kernel.getSchedule().getTunables().getAs<IntegerAttr>(key).getInt();
  }
  plan::GeometryAttr make(ArrayRef<int64_t> grid, int64_t threads, int64_t shared,
                          int64_t scratch = 0) {
    MLIRContext *context = kernel->getContext();
    return plan::GeometryAttr::get(context, DenseI64ArrayAttr::get(context, grid), threads, shared,
                                   scratch);
  }
  static int64_t rowsOf(Value value) {
    return cast<RankedTensorType>(value.getType()).getDimSize(0);
  }
  int64_t columnTiles(const lm::RegionParts &parts, int64_t width) const;
  int64_t mostLinears(const lm::RegionParts &parts) const;
  void noteSplit(StringRef unit, int64_t count, llvm::function_ref<double(int64_t)> balance);
  plan::GeometryAttr streamedLinears(const lm::RegionParts &parts, int64_t rows);
  FailureOr<plan::GeometryAttr> tiledLinears(const lm::RegionParts &parts, int64_t rows);
  FailureOr<plan::GeometryAttr> flashAttention(lm::AttentionOp op);
  plan::GeometryAttr mmaAttention(lm::AttentionOp op);

  plan::KernelOp kernel;
  StringRef name;
};
} // namespace

int64_t GeometryOf::columnTiles(const lm::RegionParts &parts, int64_t width) const {
  int64_t tiles = 0;
  for (const lm::RegionSegment &segment : parts.segments)
    tiles += divideCeil(segment.columns, width);
  return tiles;
}

int64_t GeometryOf::mostLinears(const lm::RegionParts &parts) const {
  size_t most = 0;
  for (const lm::RegionSegment &segment : parts.segments)
    most = std::max(most, segment.linears.size());
  return most;
}

/// Rows and strips of a step of linear_mma: what a tile of weights multiplies.
static int64_t stageBytes(const lm::RegionParts &parts, int64_t width) {
  int64_t most = 0;
  for (const lm::RegionSegment &segment : parts.segments)
    for (lm::LinearOp linear : segment.linears) {
      TileForm form = TileForm::of(quantSchemeOf(linear.getWeight().getType()));
      most = std::max<int64_t>(most, kTileRows * form.columns * 2 +
                                         llvm::alignTo(width / kTileStrip * (kTileBytes + form.scaleBytes()), 16));
    }
  return most;
}

/// What the report says of the launch's work: `count` pieces, and how equal the parts of multiprocessors are.
void GeometryOf::noteSplit(StringRef unit, int64_t count, llvm::function_ref<double(int64_t)> balance) {
  Builder builder(kernel->getContext());
  SmallVector<NamedAttribute> parts;
  for (int64_t multiprocessors : lm::kBalancedFor)
    parts.push_back(builder.getNamedAttr(std::to_string(multiprocessors), builder.getF64FloatAttr(balance(multiprocessors))));
  kernel->setAttr(plan::kSplitAttrName,
                  builder.getDictionaryAttr({builder.getNamedAttr("unit", builder.getStringAttr(unit)),
                                             builder.getNamedAttr("count", builder.getI64IntegerAttr(count)),
                                             builder.getNamedAttr("balance", builder.getDictionaryAttr(parts))}));
}

/// As many blocks as the GPU has multiprocessors. Behind the tickets, two shared units a block.
plan::GeometryAttr GeometryOf::streamedLinears(const lm::RegionParts &parts, int64_t rows) {
  lm::StreamShape shape(parts, rows, tunable("slice"));
  int64_t blocks = std::min(lm::kMostStreamBlocks, shape.tiles());
  noteSplit("tiles of 1 KiB of weights", shape.tiles(),
            [&](int64_t multiprocessors) { return shape.balance(multiprocessors, tunable("split")); });
  int64_t scratch = tunable("split") ? plan::kTicketBytes + 2 * blocks * llvm::alignTo(shape.unitSums(), 32) * 4 : 0;
  return make({blocks, 0, 1}, 32 * lm::kStreamWarps, shape.sharedBytes(tunable("stages")), scratch);
}

/// Tickets of all tiles, then the sums that the blocks of each leave.
FailureOr<plan::GeometryAttr> GeometryOf::tiledLinears(const lm::RegionParts &parts, int64_t rows) {
  bool isMma = name == "linear_mma";
  int64_t width = tunable("tile_columns"), splits = isMma ? tunable("splits") : 1;
  int64_t columns = columnTiles(parts, width), rowTiles = divideCeil(rows, kTileRows), tiles = columns * rowTiles;
  int64_t tileBytes = isMma ? tunable("stages") * stageBytes(parts, width) : 16 * (kTileRows + 4 + width + 4) * 4;
  int64_t sumBytes = mostLinears(parts) * kTileRows * width * 4;
  if (splits > 1 && tiles * 4 > plan::kTicketBytes)
    return kernel.emitOpError() << "splits " << tiles << " tiles, and there are tickets for " << plan::kTicketBytes / 4
                                << " (tunable 'splits')";
  noteSplit("blocks of " + std::to_string(kTileRows) + " rows x " + std::to_string(width) + " columns", tiles * splits,
            [&](int64_t multiprocessors) { return lm::waveBalance(tiles * splits, multiprocessors); });
  return make({columns, rowTiles, splits}, isMma ? kMmaThreads : kThreads, tileBytes + sumBytes,
              splits > 1 ? plan::kTicketBytes + tiles * splits * sumBytes : 0);
}

/// Tickets of all groups, then partial results of every group and split.
FailureOr<plan::GeometryAttr> GeometryOf::flashAttention(lm::AttentionOp op) {
  lm::KvType cache = op.getCache().getType();
  int64_t group = op.getHeads() / cache.getHeads(), headDim = cache.getHeadDim();
  int64_t headsPerBlock = std::min(group, kMostHeads), rowTile = tunable("row_tile");
  int64_t splits = tunable("splits"), places = rowTile * headsPerBlock;
  int64_t groups = divideCeil(rowsOf(op.getQuery()), rowTile) * divideCeil(group, headsPerBlock);
  int64_t shared = 4 * (places * headDim + kKeyTile * (headDim + 1) + kKeyTile * headDim);
  int64_t scratch = 0;
  if (splits > 1 && groups * cache.getHeads() * 4 > plan::kTicketBytes)
    return kernel.emitOpError() << "splits " << groups * cache.getHeads() << " groups of rows and heads, and there are tickets for "
                                << plan::kTicketBytes / 4 << " (tunable 'splits')";
  if (splits > 1)
    scratch = plan::kTicketBytes + groups * cache.getHeads() * splits * places * (headDim + 2) * 4;
  return make({groups, cache.getHeads(), splits}, kThreads, shared, scratch);
}

/// Items are pairs of row and query head of a KV head. Rows in shared memory: whole fragments of columns
/// and 8 elements more.
plan::GeometryAttr GeometryOf::mmaAttention(lm::AttentionOp op) {
  lm::KvType cache = op.getCache().getType();
  int64_t items = rowsOf(op.getQuery()) * (op.getHeads() / cache.getHeads());
  int64_t perBlock = kMmaWarps * kFragment * tunable("row_fragments");
  int64_t pitch = llvm::alignTo(cache.getHeadDim(), kFragment) + 8;
  return make({static_cast<int64_t>(divideCeil(items, perBlock)), cache.getHeads(), 1}, kMmaThreads,
              2 * pitch * (perBlock + 2 * tunable("key_tile")));
}

FailureOr<plan::GeometryAttr> GeometryOf::compute() {
  bool stream = name == "linear_stream", small = name == "linear_small", fma = name == "linear_fma", mma = name == "linear_mma",
       rows = name.ends_with("_rows"), elements = name.ends_with("_elements"),
       attention = name.starts_with("attention_");
  if (!stream && !small && !fma && !mma && !rows && !elements && !attention)
    return plan::GeometryAttr();
  FailureOr<lm::RegionParts> parts = lm::takeApart(kernel.getBody().front());
  if (failed(parts))
    return failure();
  if (attention && parts->attention)
    return name == "attention_mma" ? FailureOr(mmaAttention(parts->attention)) : flashAttention(parts->attention);
  if (rows) {
    Value first =
        parts->source ? Value(parts->source->getResult(0)) : parts->norms.front().getResult();
    return make({rowsOf(first), 1, 1}, kThreads, 0);
  }
  const lm::RegionSegment &segment = parts->segments.front();
  auto append = dyn_cast<lm::KvAppendOp>(segment.ops.front());
  int64_t numRows = rowsOf(append ? Value(append.getKeys()) : segment.ops.front()->getResult(0));
  if (elements)
    return make({static_cast<int64_t>(divideCeil(segment.columns, kThreads)), numRows, 1}, kThreads,
                0);
  if (stream)
    return streamedLinears(*parts, numRows);
  if (small) {
    int64_t width = kSmallWarps * tunable("columns_per_warp");
    return make({columnTiles(*parts, width), 1, 1}, kThreads, mostLinears(*parts) * numRows * width * 4);
  }
  return tiledLinears(*parts, numRows);
}

FailureOr<plan::GeometryAttr> planning::launchGeometry(plan::KernelOp kernel) {
  return GeometryOf(kernel).compute();
}

namespace {
struct SetGeometry : planning::impl::SetGeometryBase<SetGeometry> {
  void runOnOperation() override {
    WalkResult walked = getOperation().walk([](plan::KernelOp kernel) {
      FailureOr<plan::GeometryAttr> geometry = planning::launchGeometry(kernel);
      if (failed(geometry))
        return WalkResult::interrupt();
      if (*geometry)
        kernel->setAttr(plan::kGeometryAttrName, *geometry);
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace

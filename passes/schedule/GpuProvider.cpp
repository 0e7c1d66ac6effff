//===- GpuProvider.cpp - schedules of kernels launched as grids -----------===//
//
// Few rows stream the weights (linear_stream, linear_small); many are multiplied in tiles. Both by tensor cores where
// both factors are of one narrow type or the weights are codes, attention of prompts likewise. A tile's width must divide the rotation's heads evenly, whole or in
// halves. Numbers are arithmetic from shapes; none was measured.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/GpuProvider.h"
#include "ir/lm/StreamShape.h"
#include "ir/support/DType.h"
#include "ir/support/RotationTiles.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"
#include <limits>

using namespace mlir;

namespace stoop::schedule {

/// Rows up to which a linear streams weights.
static constexpr int64_t kSmallRows = 8;
/// Warps of a block of linear_small.
static constexpr int64_t kSmallWarps = 8;

/// Head size of the region's rotations; 0: none.
static int64_t rotatedHeadDim(Region &region) {
  int64_t headDim = 0;
  region.walk([&](lm::RopeOp rope) {
    headDim = cast<RankedTensorType>(rope.getTable().getType()).getDimSize(1);
  });
  return headDim;
}

/// Whether tiles of `width` columns hold whole blocks of what the region reduces.
static bool holdsBlocks(int64_t width, Region &region) {
  return llvm::all_of(region.front().getOps<lm::BlockReductionOpInterface>(),
                      [&](lm::BlockReductionOpInterface op) { return width % op.getBlockColumns() == 0; });
}

/// Why tiles of the schedule's width cannot compute a region of linears; empty if they can or if the template has none.
static std::string whyNoTiles(Region &region, plan::ScheduleAttr schedule) {
  auto columns = schedule.getTunables().getAs<IntegerAttr>("tile_columns");
  auto perWarp = schedule.getTunables().getAs<IntegerAttr>("columns_per_warp");
  if (!columns && !perWarp)
    return "";
  int64_t width = columns ? columns.getInt() : kSmallWarps * perWarp.getInt();
  int64_t headDim = rotatedHeadDim(region);
  if (!tileHoldsHeads(width, headDim))
    return "tiles of " + std::to_string(width) + " columns hold rotated heads of " + std::to_string(headDim) +
           " neither whole nor in equal parts of both halves";
  if (!holdsBlocks(width, region))
    return "tiles of " + std::to_string(width) + " columns hold no whole blocks of what the region reduces";
  return "";
}

std::string whyNotLegal(Region &region, plan::ScheduleAttr schedule, bool isDecode) {
  auto rowTile = schedule.getTunables().getAs<IntegerAttr>("row_tile");
  // A block reads the cache of its first row's sequence.
  if (rowTile && rowTile.getInt() > 1 && isDecode && regionRows(region) > 1)
    return "expects tunable 'row_tile' 1, got " + std::to_string(rowTile.getInt()) +
           ": each of its rows is of another sequence";
  return whyNoTiles(region, schedule);
}

std::string whyNotLegal(lm::FusedOp fused, plan::ScheduleAttr schedule) {
  auto entry = fused->getParentOfType<lm::EntryOp>();
  return whyNotLegal(fused.getBody(), schedule, entry && entry.getKind() == lm::EntryKind::Decode);
}

namespace {
/// Tunables under construction.
struct Choice {
  Builder builder;
  StringRef name;
  SmallVector<NamedAttribute> tunables;

  void set(StringRef key, int64_t value) {
    tunables.push_back(builder.getNamedAttr(key, builder.getI64IntegerAttr(value)));
  }
};
} // namespace

/// The best tile that holds the heads: for few rows the widest one, for many the narrowest; 0: there is none.
static int64_t tileColumns(const TargetInfo &target, int64_t headDim, bool isWide) {
  int64_t best = 0;
  for (int64_t width : target.fusion.rotationTiles)
    if ((width >= kWideTile) == isWide && (!isWide || best == 0) && tileHoldsHeads(width, headDim))
      best = width;
  return best;
}

/// Least balance of parts that end between units; worse ones are cut anywhere, which costs a meeting at the end.
static constexpr double kLeastBalance = 0.97;
/// Shared memory of linear_stream, so that two blocks share a multiprocessor of the large GPUs and one fits everywhere, and
/// the copies of a warp in flight: 64 KiB a block.
static constexpr int64_t kStreamShared = 98 << 10, kStages = 8;

/// Percent of a block's weights behind which the next launch may start: while all blocks are still there, so that each
/// multiprocessor gets one of the next ones, and none gets two.
static constexpr int64_t kTrigger = 50;

/// Tiles of the prologue's rows that are staged at a time: whole rows if they fit beside the copies, else as few slices as do,
/// of as many tiles for each warp.
static int64_t chooseSlice(const lm::RegionParts &parts, int64_t rows) {
  int64_t all = lm::StreamShape::rowTiles(parts);
  for (int64_t slices = 1;; ++slices) {
    int64_t slice = slices == 1 ? std::max<int64_t>(all, 1) : llvm::alignTo(llvm::divideCeil(all, slices), lm::kStreamWarps);
    if (slice <= lm::kStreamWarps || lm::StreamShape(parts, rows, slice).sharedBytes(kStages) <= kStreamShared)
      return slice;
  }
}

static bool chooseStream(lm::FusedOp fused, int64_t rows, Choice &choice) {
  FailureOr<lm::RegionParts> parts = lm::takeApart(fused.getBody().front());
  if (failed(parts))
    return false;
  int64_t slice = chooseSlice(*parts, rows);
  lm::StreamShape shape(*parts, rows, slice);
  bool isSplit = llvm::any_of(lm::kBalancedFor, [&](int64_t blocks) { return shape.balance(blocks, false) < kLeastBalance; });
  choice.name = "linear_stream";
  choice.set("slice", slice);
  choice.set("split", isSplit);
  choice.set("stages", kStages);
  choice.set("trigger", kTrigger);
  return true;
}

/// Least part of their time that tensor cores of all multiprocessors have tiles for, if splitting tiles brings it about.
static constexpr double kLeastWaves = 0.9;
/// Blocks that share a tile, and steps of 32 inner columns that each has at least: a few times what the ring holds.
static constexpr int64_t kMostSplits = 8, kLeastSteps = 16;

/// Blocks for each tile of 64 rows x `width` columns: the fewest that fill their waves, else as many as fill them best.
static int64_t chooseSplits(const lm::RegionParts &parts, int64_t rows, int64_t width) {
  int64_t tiles = 0, steps = std::numeric_limits<int64_t>::max(), best = 1;
  for (const lm::RegionSegment &segment : parts.segments) {
    int64_t inner = 0;
    for (lm::LinearOp linear : segment.linears)
      inner += llvm::divideCeil(cast<RankedTensorType>(linear.getWeight().getType()).getDimSize(1), 32);
    tiles += llvm::divideCeil(segment.columns, width) * llvm::divideCeil(rows, 64);
    steps = std::min(steps, inner);
  }
  auto balance = [&](int64_t splits) {
    double least = 1;
    for (int64_t multiprocessors : lm::kBalancedFor)
      least = std::min(least, lm::waveBalance(tiles * splits, multiprocessors));
    return least;
  };
  for (int64_t splits = 1; splits <= kMostSplits && balance(best) < kLeastWaves; ++splits)
    if (splits == 1 || (tiles * 4 <= plan::kTicketBytes && steps / splits >= kLeastSteps))
      best = balance(splits) > balance(best) ? splits : best;
  return best;
}

static bool chooseLinear(lm::FusedOp fused, const TargetInfo &target, Choice &choice) {
  int64_t rows = 0, headDim = rotatedHeadDim(fused.getBody());
  bool isNarrow = true, readsPrologue = false;
  fused.walk([&](lm::LinearOp linear) {
    Type input = getElementTypeOrSelf(linear.getInput().getType());
    rows = cast<RankedTensorType>(linear.getInput().getType()).getDimSize(0);
    isNarrow &= !input.isF32() && (quantSchemeOf(linear.getWeight().getType()) ||
                                   input == getElementTypeOrSelf(linear.getWeight().getType()));
    readsPrologue |= !isa<BlockArgument>(linear.getInput());
  });
  if (rows <= kSmallRows && isNarrow)
    return chooseStream(fused, rows, choice);
  if (rows <= kSmallRows) {
    int64_t width = tileColumns(target, headDim, /*isWide=*/false);
    choice.name = "linear_small";
    choice.set("columns_per_warp", width / kSmallWarps);
    return width != 0 && holdsBlocks(width, fused.getBody());
  }
  int64_t width = tileColumns(target, headDim, /*isWide=*/true);
  choice.name = isNarrow ? "linear_mma" : "linear_fma";
  if (isNarrow) {
    FailureOr<lm::RegionParts> parts = lm::takeApart(fused.getBody().front());
    choice.set("splits", failed(parts) || width == 0 ? 1 : chooseSplits(*parts, rows, width));
    choice.set("stages", 3);
  }
  choice.set("tile_columns", width);
  return width != 0 && (!readsPrologue || lm::isNormedByTiles(fused.getBody().front()));
}

/// Whether attention_mma takes it: one narrow type, heads of whole 16-byte chunks whose sums fit registers.
static bool takesTensorCores(lm::AttentionOp op) {
  lm::KvType cache = op.getCache().getType();
  Type element = getElementTypeOrSelf(op.getQuery().getType());
  return !element.isF32() && element == cache.getElementType() && cache.getHeadDim() % 8 == 0 &&
         cache.getHeadDim() <= 256;
}

/// Two fragments a warp halve the traffic of keys and values, where their sums fit registers and half as
/// many blocks still give every multiprocessor one.
static void chooseMmaAttention(lm::AttentionOp op, const TargetInfo &target, Choice &choice) {
  lm::KvType cache = op.getCache().getType();
  int64_t rows = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(0);
  int64_t blocks = llvm::divideCeil(rows * (op.getHeads() / cache.getHeads()), 128) * cache.getHeads();
  bool isWide = cache.getHeadDim() <= 80 && blocks >= target.multiprocessors;
  choice.name = "attention_mma";
  choice.set("key_tile", cache.getHeadDim() <= 128 ? 64 : 32);
  choice.set("row_fragments", isWide ? 2 : 1);
}

/// Rows that share a block of attention_flash: about 32 items, and what fits with a tile of keys and values into the
/// 99 KiB of shared memory that a block has everywhere.
static int64_t flashRows(int64_t rows, int64_t group, int64_t headDim) {
  int64_t floats = (99 << 10) / 4 - 32 * (2 * headDim + 1);
  return std::max<int64_t>(1, std::min({rows, 32 / group, floats / (group * headDim)}));
}

/// Decode: splits so that all multiprocessors have a block; prefill: tensor cores, or tiles of about 32 items.
static void chooseAttention(lm::FusedOp fused, const TargetInfo &target, Choice &choice) {
  auto op = *fused.getOps<lm::AttentionOp>().begin();
  lm::KvType cache = op.getCache().getType();
  int64_t rows = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(0);
  int64_t group = op.getHeads() / cache.getHeads();
  auto entry = fused->getParentOfType<lm::EntryOp>();
  bool isDecode = !entry || entry.getKind() == lm::EntryKind::Decode;
  if (!isDecode && takesTensorCores(op))
    return chooseMmaAttention(op, target, choice);
  int64_t splits = 1, leastKeys = 128;
  if (isDecode) {
    splits = llvm::divideCeil(target.multiprocessors, cache.getHeads() * rows);
    splits = std::min<int64_t>(splits, llvm::divideCeil(cache.getPositions(), leastKeys));
  }
  choice.name = "attention_flash";
  choice.set("least_split_keys", leastKeys);
  choice.set("row_tile", isDecode ? 1 : flashRows(rows, group, cache.getHeadDim()));
  choice.set("splits", std::clamp<int64_t>(splits, 1, 64));
}

std::string GpuProvider::whyNone(lm::FusedOp fused) const {
  std::string remedy = "; --target cpu builds this model, 'stoop evaluate' runs it";
  if (fused.getKind() != "linear")
    return "no kernel computes regions of this kind" + remedy;
  int64_t headDim = rotatedHeadDim(fused.getBody()), rows = regionRows(fused);
  if (tileColumns(target, headDim, rows > kSmallRows) == 0)
    return "its heads of " + std::to_string(headDim) + " columns are rotated behind it, and no tile for " +
           std::to_string(rows) + " rows holds them whole or in equal parts of both halves" + remedy;
  if (rows <= kSmallRows)
    return "the blocks of columns that its reductions are about are no multiple of its tiles" + remedy;
  return "it has " + std::to_string(rows) + " rows and a prologue, and kernels for more than " +
         std::to_string(kSmallRows) + " rows take none but norms with moments" + remedy;
}

plan::ScheduleAttr GpuProvider::choose(lm::FusedOp fused) const {
  if (target.multiprocessors == 0)
    return {};
  Choice choice{Builder(fused.getContext()), {}, {}};
  StringRef kind = fused.getKind();
  if (kind == "linear") {
    if (!chooseLinear(fused, target, choice))
      return {};
  } else if (kind == "attention") {
    chooseAttention(fused, target, choice);
  } else if (const TemplateInfo *kernel = target.templateForKind(kind)) {
    choice.name = kernel->name;
  } else {
    return {};
  }
  return plan::ScheduleAttr::get(fused.getContext(), choice.name, "heuristic",
                                 choice.builder.getDictionaryAttr(choice.tunables));
}

} // namespace stoop::schedule

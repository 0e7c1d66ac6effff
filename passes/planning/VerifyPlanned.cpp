//===- VerifyPlanned.cpp - gate of phase planned -------------------------===//
//
// The one pass to keep simple and slow. It plays the launches of an entry over the bytes of the
// arenas, remembering which buffer last wrote each byte, and shares no code with the passes that
// placed the buffers.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/Passes.h"

#include "ir/lm/LmDialect.h"
#include "ir/plan/PlanOps.h"
#include "ir/support/DType.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::planning {
#define GEN_PASS_DEF_VERIFYPLANNED
#include "passes/planning/Passes.h.inc"
} // namespace stoop::planning

using namespace mlir;
using namespace stoop;

static constexpr int64_t kAlign = 64;

namespace {
/// Bytes [begin, end) of an arena.
struct Range {
  StringRef arena;
  int64_t begin = 0, end = 0;

  static Range of(plan::SliceOp slice) {
    return {slice.getArena(), int64_t(slice.getOffset()),
            int64_t(slice.getOffset() + slice.getSize())};
  }
  static Range of(plan::SliceAttr slice) {
    return {slice.getArena().getValue(), slice.getOffset(), slice.getOffset() + slice.getSize()};
  }
  bool overlaps(const Range &other) const {
    return arena == other.arena && begin < other.end && other.begin < end;
  }
  bool contains(const Range &other) const {
    return arena == other.arena && begin <= other.begin && other.end <= end;
  }
  bool operator==(const Range &other) const { return contains(other) && other.contains(*this); }
};

/// Bytes that hold the value of one buffer; `buffer` is null for what the host wrote before the
/// entry.
struct Content {
  Range range;
  Value buffer;
};

/// Plays one entry.
class EntryCheck {
public:
  EntryCheck(plan::EntryOp entry, SymbolTable &symbols) : entry(entry), symbols(symbols) {}
  LogicalResult run();

private:
  LogicalResult checkRoles();
  LogicalResult checkSlice(plan::SliceOp slice);
  LogicalResult checkLaunch(plan::LaunchOp launch);
  LogicalResult checkSize(plan::LaunchOp launch, unsigned number, Type type, Value buffer,
                          int64_t rowStride);
  LogicalResult read(plan::LaunchOp launch, plan::SliceOp slice);
  LogicalResult write(plan::LaunchOp launch, plan::SliceOp slice);
  plan::Lifetime lifetimeOf(StringRef arena) {
    return symbols.lookup<plan::ArenaOp>(arena).getLifetime();
  }

  plan::EntryOp entry;
  SymbolTable &symbols;
  SmallVector<Range> inputs; ///< what the host writes: tokens, positions, slots
  SmallVector<Content> contents;
};
} // namespace

LogicalResult EntryCheck::run() {
  if (failed(checkRoles()))
    return failure();
  for (Operation &op : entry.getBody().front()) {
    auto slice = dyn_cast<plan::SliceOp>(op);
    auto launch = dyn_cast<plan::LaunchOp>(op);
    if (!slice && !launch)
      return op.emitOpError() << "is not allowed in phase planned";
    if (failed(slice ? checkSlice(slice) : checkLaunch(launch)))
      return failure();
  }
  for (auto [name, place] : {std::pair<StringRef, std::optional<plan::SliceAttr>>{"logits", entry.getLogits()},
                             {"maxima", entry.getMaxima()}}) {
    auto isWritten = [range = place ? Range::of(*place) : Range()](const Content &content) {
      return content.buffer && content.range == range;
    };
    if (place && llvm::none_of(contents, isWritten))
      return entry.emitOpError() << "leaves its " << name << " unwritten";
  }
  return success();
}

LogicalResult EntryCheck::checkRoles() {
  for (auto [name, place] :
       {std::pair<StringRef, std::optional<plan::SliceAttr>>{"tokens", entry.getTokens()},
        {"positions", entry.getPositions()},
        {"slots", entry.getSlots()},
        {"logits", entry.getLogits()},
        {"maxima", entry.getMaxima()}}) {
    if (!place && name == "maxima")
      continue;
    if (!place)
      return entry.emitOpError() << "has no place for its " << name;
    auto arena = symbols.lookup<plan::ArenaOp>(place->getArena().getAttr());
    if (!arena || arena.getLifetime() != plan::Lifetime::Io)
      return entry.emitOpError() << "expects its " << name << " in an io arena";
    Range range = Range::of(*place);
    if (range.begin < 0 || range.begin % kAlign != 0 || range.end > int64_t(arena.getSize()))
      return entry.emitOpError() << "has its " << name << " misaligned or outside of "
                                 << place->getArena();
    if (name == "logits" || name == "maxima")
      continue;
    if (place->getSize() != int64_t(entry.getRows()) * 4)
      return entry.emitOpError() << "expects " << int64_t(entry.getRows()) * 4 << " bytes of "
                                 << name << ", got " << place->getSize();
    for (const Range &other : inputs)
      if (other.overlaps(range))
        return entry.emitOpError() << "has its " << name << " in the place of another input";
    inputs.push_back(range);
    contents.push_back({range, Value()});
  }
  return success();
}

LogicalResult EntryCheck::checkSlice(plan::SliceOp slice) {
  if (!slice.getBase() && slice.getOffset() % kAlign != 0)
    return slice.emitOpError() << "is not aligned to " << kAlign << " bytes";
  return success();
}

/// What a kernel accesses of an operand must lie in its buffer.
LogicalResult EntryCheck::checkSize(plan::LaunchOp launch, unsigned number, Type type, Value buffer,
                                    int64_t rowStride) {
  auto slice = buffer.getDefiningOp<plan::SliceOp>();
  int64_t needed = 0;
  if (lifetimeOf(slice.getArena()) == plan::Lifetime::Constant)
    return success(); // packed: compared with the weight's own place
  if (auto cache = dyn_cast<lm::KvType>(type)) {
    needed = cache.getBytes();
  } else {
    auto tensor = cast<RankedTensorType>(type);
    int64_t rows = tensor.getDimSize(0), columns = tensor.getRank() == 2 ? tensor.getDimSize(1) : 1;
    if (rowStride < columns)
      return launch.emitOpError() << "operand " << number << ": rows of " << columns
                                  << " elements lie " << rowStride << " elements apart";
    needed = ((rows - 1) * rowStride + columns) * elementBytes(tensor.getElementType());
  }
  if (int64_t(slice.getSize()) < needed)
    return launch.emitOpError() << "operand " << number << ": the kernel accesses " << needed
                                << " bytes of a buffer of " << slice.getSize();
  return success();
}

LogicalResult EntryCheck::checkLaunch(plan::LaunchOp launch) {
  auto kernel = symbols.lookup<plan::KernelOp>(launch.getKernel());
  SmallVector<Type> types(kernel.getBody().getArgumentTypes());
  llvm::append_range(types, kernel.getBody().front().back().getOperandTypes());
  SmallVector<Value> buffers(launch.getReads());
  llvm::append_range(buffers, launch.getWrites());
  for (auto [number, type, buffer, stride] :
       llvm::enumerate(types, buffers, kernel.getRowStrides()))
    if (failed(checkSize(launch, number, type, buffer, stride)))
      return failure();
  for (Value buffer : launch.getReads())
    if (failed(read(launch, buffer.getDefiningOp<plan::SliceOp>())))
      return failure();
  for (Value buffer : launch.getUpdates())
    if (!llvm::is_contained(launch.getReads(), buffer) ||
        lifetimeOf(buffer.getDefiningOp<plan::SliceOp>().getArena()) != plan::Lifetime::Persistent)
      return launch.emitOpError() << "may update only persistent buffers that it reads";
  for (auto [number, buffer] : llvm::enumerate(launch.getWrites())) {
    auto slice = buffer.getDefiningOp<plan::SliceOp>();
    for (Value other : buffers)
      if (other != buffer &&
          Range::of(slice).overlaps(Range::of(other.getDefiningOp<plan::SliceOp>())))
        return launch.emitOpError()
               << "writes bytes [" << slice.getOffset() << ", "
               << slice.getOffset() + slice.getSize() << ") of @" << slice.getArena()
               << ", which it also reads or writes as another operand";
    if (llvm::count(buffers, buffer) > 1)
      return launch.emitOpError() << "writes a buffer that is also another operand";
    if (failed(write(launch, slice)))
      return failure();
  }
  return success();
}

LogicalResult EntryCheck::read(plan::LaunchOp launch, plan::SliceOp slice) {
  plan::Lifetime lifetime = lifetimeOf(slice.getArena());
  if (lifetime == plan::Lifetime::Persistent)
    return success();
  Range range = Range::of(slice);
  if (lifetime == plan::Lifetime::Constant) {
    for (plan::WeightOp weight : entry->getParentOfType<plan::ProgramOp>().getOps<plan::WeightOp>())
      if (Range::of(*weight.getPlace()) == range)
        return success();
    return launch.emitOpError() << "reads constants that are no weight: bytes [" << range.begin
                                << ", " << range.end << ") of @" << range.arena;
  }
  Value buffer = slice.getBase() ? slice.getBase() : slice.getResult();
  for (const Content &content : contents) {
    bool isInput = !content.buffer && content.range == range;
    if (isInput || (content.buffer == buffer && content.range.contains(range)))
      return success();
  }
  return launch.emitOpError()
         << "reads bytes [" << range.begin << ", " << range.end << ") of @" << range.arena
         << ", which do not hold the buffer's value: it was never written, or written over";
}

LogicalResult EntryCheck::write(plan::LaunchOp launch, plan::SliceOp slice) {
  plan::Lifetime lifetime = lifetimeOf(slice.getArena());
  if (lifetime == plan::Lifetime::Constant || lifetime == plan::Lifetime::Persistent)
    return launch.emitOpError() << "writes a result into an arena of lifetime "
                                << stringifyLifetime(lifetime);
  if (slice.getBase())
    return launch.emitOpError() << "writes a part of a buffer";
  Range range = Range::of(slice);
  for (const Range &input : inputs)
    if (input.overlaps(range))
      return launch.emitOpError() << "writes over the entry's inputs";
  llvm::erase_if(contents, [&](const Content &content) { return content.range.overlaps(range); });
  contents.push_back({range, slice.getResult()});
  return success();
}

/// Weights have aligned places of their packs' sizes in a constant arena, one behind the other.
static LogicalResult verifyWeights(plan::ProgramOp program, SymbolTable &symbols) {
  SmallVector<std::pair<Range, plan::WeightOp>> places;
  for (plan::WeightOp weight : program.getOps<plan::WeightOp>()) {
    if (!weight.getPlace())
      return weight.emitOpError() << "has no place";
    Range range = Range::of(*weight.getPlace());
    auto arena = symbols.lookup<plan::ArenaOp>(range.arena);
    if (!arena || arena.getLifetime() != plan::Lifetime::Constant)
      return weight.emitOpError() << "expects its place in a constant arena";
    if (range.begin < 0 || range.begin % kAlign != 0 || range.end > int64_t(arena.getSize()))
      return weight.emitOpError() << "has a place that is misaligned or outside of @"
                                  << range.arena;
    places.push_back({range, weight});
  }
  llvm::sort(places, [](auto &a, auto &b) { return a.first.begin < b.first.begin; });
  for (size_t i = 1; i < places.size(); ++i)
    if (places[i].first.begin < places[i - 1].first.end)
      return places[i].second.emitOpError() << "overlaps @" << places[i - 1].second.getSymName();
  return success();
}

/// Slices of a persistent arena are equal or apart, in all entries together.
static LogicalResult verifyPersistent(plan::ProgramOp program, SymbolTable &symbols) {
  SmallVector<std::pair<Range, plan::SliceOp>> places;
  program.walk([&](plan::SliceOp slice) {
    if (symbols.lookup<plan::ArenaOp>(slice.getArena()).getLifetime() == plan::Lifetime::Persistent)
      places.push_back({Range::of(slice), slice});
  });
  llvm::sort(places, [](auto &a, auto &b) {
    return std::tie(a.first.begin, a.first.end) < std::tie(b.first.begin, b.first.end);
  });
  for (size_t i = 1; i < places.size(); ++i)
    if (places[i].first.overlaps(places[i - 1].first) && !(places[i].first == places[i - 1].first))
      return places[i].second.emitOpError()
             << "overlaps another persistent buffer at offset " << places[i - 1].first.begin;
  return success();
}

namespace {
struct VerifyPlanned : planning::impl::VerifyPlannedBase<VerifyPlanned> {
  void runOnOperation() override {
    for (Operation &op : getOperation().getOps())
      if (!isa<plan::ProgramOp>(op)) {
        op.emitOpError() << "is not allowed in phase planned; only plan.program is";
        return signalPassFailure();
      }
    for (plan::ProgramOp program : getOperation().getOps<plan::ProgramOp>())
      if (failed(verifyProgram(program)))
        return signalPassFailure();
    markAllAnalysesPreserved();
  }

  LogicalResult verifyProgram(plan::ProgramOp program) {
    SymbolTable symbols(program);
    if (failed(verifyWeights(program, symbols)) || failed(verifyPersistent(program, symbols)))
      return failure();
    for (plan::EntryOp entry : program.getOps<plan::EntryOp>())
      if (failed(EntryCheck(entry, symbols).run()))
        return failure();
    return success();
  }
};
} // namespace

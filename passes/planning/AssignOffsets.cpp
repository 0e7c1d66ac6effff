//===- AssignOffsets.cpp - places of transient and io buffers ------------===//
//
// Builds one ArenaProblem per entry and arena, has all solvers (or the chosen one) place it, and
// writes the offsets of the smallest placement and what each solver needed into the IR. A step of
// the problem is a launch; intervals are inclusive, so a launch's inputs never share bytes with its
// results.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/Passes.h"
#include "passes/planning/Places.h"
#include "passes/planning/arena/Liveness.h"
#include "passes/planning/arena/Portfolio.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

namespace stoop::planning {
#define GEN_PASS_DEF_ASSIGNOFFSETS
#include "passes/planning/Passes.h.inc"
} // namespace stoop::planning

using namespace mlir;
using namespace stoop;

namespace {
/// The buffers of one lifetime in one entry and the problem of placing them.
struct EntryProblem {
  SmallVector<plan::AllocOp> allocs;
  arena::Problem problem;
};
} // namespace

/// The alloc behind a launch operand; null if it is placed already.
static plan::AllocOp allocOf(Value buffer) {
  while (auto subview = buffer.getDefiningOp<plan::SubviewOp>())
    buffer = subview.getSource();
  return buffer.getDefiningOp<plan::AllocOp>();
}

/// Collects the entry's unplaced buffers of `lifetime`. Buffers with a role live from the first to
/// the last launch: the host writes and reads them outside of the entry. Buffers that no launch
/// uses vanish. As every buffer begins a cache line, it owns the lines that it touches.
static EntryProblem collectProblem(plan::EntryOp entry, plan::Lifetime lifetime) {
  llvm::MapVector<Operation *, size_t> numbers;
  for (plan::AllocOp alloc : entry.getOps<plan::AllocOp>())
    if (alloc.getLifetime() == lifetime)
      numbers.insert({alloc, numbers.size()});
  arena::Liveness liveness(numbers.size());
  uint32_t step = 0;
  for (plan::LaunchOp launch : entry.getOps<plan::LaunchOp>()) {
    for (Value operand : launch->getOperands())
      if (auto found = numbers.find(allocOf(operand)); found != numbers.end())
        liveness.addUse(found->second, step);
    ++step;
  }
  EntryProblem result;
  for (auto [op, number] : numbers) {
    auto alloc = cast<plan::AllocOp>(op);
    if (alloc.getRole()) {
      liveness.addUse(number, 0);
      liveness.addUse(number, step);
    }
    std::optional<arena::Interval> interval = liveness.of(number);
    if (!interval)
      continue;
    result.allocs.push_back(alloc);
    result.problem.buffers.push_back({llvm::alignTo(alloc.getSize(), planning::kBufferAlign),
                                      planning::kBufferAlign, interval->first, interval->last});
  }
  return result;
}

/// Notes the place of a buffer with a role on its entry.
static LogicalResult setRole(plan::EntryOp entry, plan::AllocOp alloc, plan::SliceAttr place) {
  StringRef role = *alloc.getRole();
  if (role == "tokens")
    return entry.setTokensAttr(place), success();
  if (role == "positions")
    return entry.setPositionsAttr(place), success();
  if (role == "slots")
    return entry.setSlotsAttr(place), success();
  if (role == "logits")
    return entry.setLogitsAttr(place), success();
  if (role == "maxima")
    return entry.setMaximaAttr(place), success();
  return alloc.emitOpError() << "has role '" << role
                             << "', expects tokens, positions, slots, logits or maxima";
}

/// What the solvers made of one entry, as it stands on the arena.
static DictionaryAttr packingAttr(plan::EntryOp entry, const EntryProblem &work,
                                  const arena::Choice &choice) {
  Builder builder(entry.getContext());
  auto named = [&](StringRef name, Attribute value) { return builder.getNamedAttr(name, value); };
  auto bytes = [&](uint64_t value) { return builder.getI64IntegerAttr(int64_t(value)); };
  SmallVector<Attribute> solvers;
  for (const arena::Attempt &attempt : choice.attempts)
    solvers.push_back(
        builder.getDictionaryAttr({named("solver", builder.getStringAttr(attempt.solver)),
                                   named("peak", bytes(attempt.peak))}));
  return builder.getDictionaryAttr({named("entry", builder.getStringAttr(entry.getSymName())),
                                    named("buffers", bytes(work.allocs.size())),
                                    named("peak", bytes(choice.peak())),
                                    named("lower_bound", bytes(choice.lowerBound)),
                                    named("kept", builder.getStringAttr(choice.kept)),
                                    named("solvers", builder.getArrayAttr(solvers))});
}

namespace {
struct AssignOffsets : planning::impl::AssignOffsetsBase<AssignOffsets> {
  using AssignOffsetsBase::AssignOffsetsBase;

  void runOnOperation() override {
    ArrayRef<arena::SolverInfo> solvers = arena::findSolvers(solver);
    if (solvers.empty()) {
      getOperation().emitError() << "no arena solver is called '" << solver.getValue() << "'";
      return signalPassFailure();
    }
    for (plan::ProgramOp program : getOperation().getOps<plan::ProgramOp>())
      if (failed(placeAll(program, solvers, "act", plan::Lifetime::Transient)) ||
          failed(placeAll(program, solvers, "io", plan::Lifetime::Io)))
        return signalPassFailure();
  }

  /// Places all buffers of `lifetime` and adds their arena, as large as the largest entry needs.
  LogicalResult placeAll(plan::ProgramOp program, ArrayRef<arena::SolverInfo> solvers,
                         StringRef arenaName, plan::Lifetime lifetime) {
    uint64_t size = 0;
    SmallVector<Attribute> packing;
    for (plan::EntryOp entry : program.getOps<plan::EntryOp>()) {
      EntryProblem work = collectProblem(entry, lifetime);
      llvm::Expected<arena::Choice> choice = arena::solveWithAll(work.problem, solvers);
      if (!choice)
        return entry.emitOpError() << "cannot be placed in @" << arenaName << ": "
                                   << llvm::toString(choice.takeError());
      size = std::max(size, choice->peak());
      packing.push_back(packingAttr(entry, work, *choice));
      remark::analysis(entry.getLoc(), remark::RemarkOpts::name("plan-assign-offsets")
                                           .category("memory")
                                           .function(entry.getSymName()))
          << remark::metric("arena", arenaName) << remark::metric("bytes", choice->peak())
          << remark::metric("lower_bound", choice->lowerBound)
          << remark::metric("solver", choice->kept);
      if (failed(placeEntry(entry, work, choice->placement, arenaName)))
        return failure();
      for (plan::AllocOp unused : llvm::make_early_inc_range(entry.getOps<plan::AllocOp>()))
        if (unused.getLifetime() == lifetime && unused->use_empty())
          unused.erase();
    }
    plan::ArenaOp arena =
        planning::addArena(program, arenaName, size, planning::kBufferAlign, lifetime);
    arena->setAttr(plan::kPackingAttrName, ArrayAttr::get(&getContext(), packing));
    return success();
  }

  LogicalResult placeEntry(plan::EntryOp entry, EntryProblem &work,
                           const arena::Placement &placement, StringRef arenaName) {
    for (auto [alloc, offset] : llvm::zip_equal(work.allocs, placement.offsets)) {
      auto place = plan::SliceAttr::get(
          &getContext(), FlatSymbolRefAttr::get(&getContext(), arenaName), offset, alloc.getSize());
      if (alloc.getRole() && failed(setRole(entry, alloc, place)))
        return failure();
      planning::placeBuffer(alloc, arenaName, offset, alloc.getSize());
    }
    return success();
  }
};
} // namespace

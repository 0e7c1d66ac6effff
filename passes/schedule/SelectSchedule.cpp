//===- SelectSchedule.cpp - a schedule on every region -------------------===//
//
// Adds attributes and nothing else. Whoever wants to force a schedule puts it on the region before
// this pass.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/DatabaseProvider.h"
#include "passes/schedule/GpuProvider.h"
#include "passes/schedule/HeuristicProvider.h"
#include "passes/schedule/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Remarks.h"
#include <optional>

namespace stoop::schedule {
#define GEN_PASS_DEF_SELECTSCHEDULE
#include "passes/schedule/Passes.h.inc"
} // namespace stoop::schedule

using namespace mlir;
using namespace stoop;

/// The op that a region is called after: its linear with most weights, else its anchor.
static Operation *mainOp(lm::FusedOp fused) {
  Operation *main = nullptr;
  int64_t most = -1;
  for (Operation &op : fused.getBody().front().without_terminator()) {
    int64_t weights = 0;
    if (auto linear = dyn_cast<lm::LinearOp>(op))
      weights = cast<RankedTensorType>(linear.getWeight().getType()).getNumElements();
    else if (auto fusible = dyn_cast<lm::FusibleOpInterface>(op);
             !fusible || fusible.getAnchorKind().empty())
      continue;
    if (weights > most)
      most = weights, main = &op;
  }
  return main ? main : fused.getOperation();
}

namespace {
struct SelectSchedule : schedule::impl::SelectScheduleBase<SelectSchedule> {
  using SelectScheduleBase::SelectScheduleBase;

  void runOnOperation() override {
    const schedule::TargetInfo *info = schedule::findTarget(target);
    if (!info) {
      getOperation().emitError() << "no schedules are known for target '" << target.getValue()
                                 << "'";
      return signalPassFailure();
    }
    SmallVector<const schedule::LevelInfo *> chosen;
    for (const std::string &name : levels) {
      chosen.push_back(info->findLevel(name));
      if (!chosen.back()) {
        getOperation().emitError()
            << "target '" << info->name << "' has no feature level '" << name << "'";
        return signalPassFailure();
      }
    }
    if (chosen.empty())
      chosen.push_back(&info->levels.front());
    std::optional<schedule::DatabaseProvider> measured;
    StringRef level = schedule::commonLevel(
        llvm::map_range(chosen, [](const schedule::LevelInfo *info) { return info->name; }));
    if (!tuningDb.empty() && !level.empty()) {
      llvm::Expected<schedule::DatabaseProvider> read = schedule::DatabaseProvider::read(
          tuningDb, *info,
          {tuningDevice, tuningProcessors, level.str(), tuningLibrary});
      if (!read) {
        getOperation().emitError() << llvm::toString(read.takeError());
        return signalPassFailure();
      }
      measured.emplace(std::move(*read));
    }
    schedule::HeuristicProvider heuristics(*info, chosen);
    schedule::GpuProvider grids(*info);
    SmallVector<const schedule::ScheduleProvider *> providers;
    if (info->multiprocessors)
      providers = {&grids};
    else
      providers = {&heuristics};
    if (measured)
      providers.insert(providers.begin(), &*measured);
    WalkResult walked =
        getOperation().walk([&](lm::FusedOp fused) {
          if (measured && !fused->hasAttr(plan::kScheduleAttrName))
            remarkMiss(fused, *measured);
          return select(fused, providers);
        });
    if (walked.wasInterrupted())
      signalPassFailure();
  }

  void remarkMiss(lm::FusedOp fused, const schedule::DatabaseProvider &measured) {
    if (std::string reason = measured.whyMissed(fused); !reason.empty())
      remark::missed(fused.getLoc(), remark::RemarkOpts::name(getArgument()).category("schedule"))
          << remark::reason("no tuned schedule: {0}", reason);
  }

  WalkResult select(lm::FusedOp fused, ArrayRef<const schedule::ScheduleProvider *> providers) {
    auto schedule = fused->getAttrOfType<plan::ScheduleAttr>(plan::kScheduleAttrName);
    if (schedule)
      schedule = plan::ScheduleAttr::get(&getContext(), schedule.getTemplateName(), "forced",
                                         schedule.getTunables());
    for (const schedule::ScheduleProvider *provider : providers)
      if (!schedule)
        schedule = provider->choose(fused);
    if (!schedule) {
      std::string reason;
      for (const schedule::ScheduleProvider *provider : providers)
        if (reason.empty())
          reason = provider->whyNone(fused);
      mlir::emitError(reason.empty() ? fused.getLoc() : mainOp(fused)->getLoc())
          << "'lm.fused' op of kind '" << fused.getKind() << "' has no kernel template on target '" << target.getValue()
          << "'" << (reason.empty() ? "" : ": ") << reason;
      return WalkResult::interrupt();
    }
    fused->setAttr(plan::kScheduleAttrName, schedule);
    auto entry = fused->getParentOfType<lm::EntryOp>();
    remark::analysis(mainOp(fused)->getLoc(), remark::RemarkOpts::name(getArgument())
                                                  .category("schedule")
                                                  .function(entry ? entry.getSymName() : ""))
        << remark::metric("template", schedule.getTemplateName())
        << remark::metric("source", schedule.getSource())
        << remark::metric("tunables", Attribute(schedule.getTunables()));
    return WalkResult::advance();
  }
};
} // namespace

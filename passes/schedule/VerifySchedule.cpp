//===- VerifySchedule.cpp - gate of phase scheduled ----------------------===//
//
// What planning and code generation rely on: they read schedules and never check them again.
//
//===----------------------------------------------------------------------===//
#include "passes/schedule/GpuProvider.h"
#include "passes/schedule/Passes.h"
#include "passes/schedule/ScheduleProvider.h"
#include "passes/schedule/TargetInfo.h"

#include "ir/lm/LmOps.h"
#include "ir/plan/PlanDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::schedule {
#define GEN_PASS_DEF_VERIFYSCHEDULE
#include "passes/schedule/Passes.h.inc"
} // namespace stoop::schedule

using namespace mlir;
using namespace stoop;

/// Exactly the template's tunables, each an integer within its bounds.
static LogicalResult verifyTunables(lm::FusedOp fused, const schedule::TemplateInfo &kernel,
                                    DictionaryAttr tunables) {
  SmallVector<std::pair<StringRef, int64_t>> values;
  for (NamedAttribute attribute : tunables) {
    auto value = dyn_cast<IntegerAttr>(attribute.getValue());
    if (!value)
      return fused.emitOpError() << "expects an integer as tunable '"
                                 << attribute.getName().getValue() << "'";
    values.push_back({attribute.getName().getValue(), value.getInt()});
  }
  if (std::string problem = kernel.whyNot(values, schedule::regionRows(fused)); !problem.empty())
    return fused.emitOpError() << problem;
  return success();
}

namespace {
struct VerifySchedule : schedule::impl::VerifyScheduleBase<VerifySchedule> {
  using VerifyScheduleBase::VerifyScheduleBase;

  void runOnOperation() override {
    const schedule::TargetInfo *info = schedule::findTarget(target);
    if (!info) {
      getOperation().emitError() << "no schedules are known for target '" << target.getValue()
                                 << "'";
      return signalPassFailure();
    }
    WalkResult walked = getOperation().walk([&](lm::FusedOp fused) {
      return succeeded(verifyFused(fused, *info)) ? WalkResult::advance() : WalkResult::interrupt();
    });
    if (walked.wasInterrupted())
      return signalPassFailure();
    markAllAnalysesPreserved();
  }

  LogicalResult verifyFused(lm::FusedOp fused, const schedule::TargetInfo &info) {
    auto schedule = fused->getAttrOfType<plan::ScheduleAttr>(plan::kScheduleAttrName);
    if (!schedule)
      return fused.emitOpError() << "has no " << plan::kScheduleAttrName;
    const schedule::TemplateInfo *kernel = info.findTemplate(schedule.getTemplateName());
    if (!kernel)
      return fused.emitOpError() << "names template '" << schedule.getTemplateName()
                                 << "', which target '" << info.name << "' does not have";
    if (kernel->kind != fused.getKind())
      return fused.emitOpError() << "of kind '" << fused.getKind() << "' names template '"
                                 << kernel->name << "', which is for kind '" << kernel->kind << "'";
    if (failed(verifyTunables(fused, *kernel, schedule.getTunables())))
      return failure();
    if (std::string problem = schedule::whyNotLegal(fused, schedule); !problem.empty())
      return fused.emitOpError() << problem;
    return success();
  }
};
} // namespace

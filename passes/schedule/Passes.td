//===- Passes.td - passes of phase scheduled -----------------*- tablegen -*-===//
#ifndef STOOP_PASSES_SCHEDULE_PASSES_TD
#define STOOP_PASSES_SCHEDULE_PASSES_TD

include "mlir/Pass/PassBase.td"

def SelectSchedule : Pass<"lm-select-schedule", "::mlir::ModuleOp"> {
  let summary = "A kernel template and tunables for every fused region";
  let description = [{
    Asks the schedule providers in turn and sets `plan.schedule` on each lm.fused: a tuning database if one is
    given, then heuristics. A schedule that is already there is kept and marked as forced. Changes nothing else.
    Records of the database count for the machine and the kernel library that the other options name; a region
    without one is a missed remark.

    Example: test/passes/schedule/lm-select-schedule.mlir
  }];
  let options = [
    Option<"target", "target", "std::string", "\"cpu\"", "target to choose templates for">,
    ListOption<"levels", "target-cpu-levels", "std::string",
               "feature levels that each kernel is compiled for; none: the target's lowest">,
    Option<"tuningDb", "tuning-db", "std::string", "", "file of measured schedules; none: heuristics">,
    Option<"tuningDevice", "tuning-device", "std::string", "", "machine whose records count">,
    Option<"tuningProcessors", "tuning-processors", "unsigned", "0", "number of its processors">,
    Option<"tuningLibrary", "tuning-library", "std::string", "", "hash of the kernel library">
  ];
  let dependentDialects = ["::stoop::plan::PlanDialect"];
}

def VerifySchedule : Pass<"lm-verify-schedule", "::mlir::ModuleOp"> {
  let summary = "Gate of phase scheduled";
  let description = [{
    Fails unless every lm.fused has a schedule whose template the target has for the region's kind, with exactly the
    tunables of that template, each within its bounds.

    Example: test/passes/schedule/lm-verify-schedule-invalid.mlir
  }];
  let options = [
    Option<"target", "target", "std::string", "\"cpu\"", "target whose templates are allowed">
  ];
}

#endif // STOOP_PASSES_SCHEDULE_PASSES_TD

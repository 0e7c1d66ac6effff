// RUN: stoop-opt %S/../Inputs/sequential.mlir --stoop-graph-pipeline --stoop-fused-pipeline --lm-select-schedule --lm-verify-schedule | FileCheck %s

// What lm-select-schedule chooses for a whole model passes unchanged.
// CHECK: plan.schedule = #plan.schedule<"attention"

// RUN: stoop-opt %S/../Inputs/sequential.mlir --stoop-graph-pipeline="prefill-buckets=4,16" --stoop-fused-pipeline --stoop-scheduled-pipeline --plan-lower-fused --plan-pack-weights --plan-layout-kv-cache --plan-assign-offsets --plan-verify-planned | FileCheck %s
// RUN: stoop-opt %S/../Inputs/sequential.mlir --stoop-graph-pipeline --stoop-fused-pipeline --stoop-scheduled-pipeline --plan-lower-fused --plan-pack-weights --plan-layout-kv-cache --plan-assign-offsets="solver=best-fit" --plan-verify-planned | FileCheck %s

// What planning makes of a whole model passes unchanged, whoever solves it.
// CHECK: plan.program @tiny
// CHECK: plan.launch

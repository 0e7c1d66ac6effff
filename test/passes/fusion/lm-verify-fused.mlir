// RUN: stoop-opt %S/../Inputs/sequential.mlir --stoop-graph-pipeline --lm-fuse-epilogue --lm-form-fused-regions --lm-verify-fused | FileCheck %s

// A whole model behind the fusion passes passes unchanged.
// CHECK: lm.fused "embedding"
// CHECK: lm.fused "linear"

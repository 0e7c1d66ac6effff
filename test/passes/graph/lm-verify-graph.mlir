// RUN: stoop-opt %S/../Inputs/sequential.mlir --lm-split-entry-points --lm-verify-graph | FileCheck %s

// What lm-split-entry-points makes of a whole model passes unchanged.
// CHECK: lm.entry decode @decode_b1
// CHECK: lm.entry decode @decode_b2
// CHECK: lm.entry prefill @prefill_32
// CHECK: lm.entry score @score_32

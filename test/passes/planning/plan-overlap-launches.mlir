// RUN: stoop-opt %s --plan-overlap-launches | FileCheck %s

// Launches of a grid start early, but for those of a decode step whose blocks do not fit a multiprocessor with one of a launch
// in front of theirs: 227 KiB of shared memory, one KiB of each block the system's, and 2048 threads.
plan.program @p target("cuda") metadata({}) {
  plan.arena @act size(256) align(64) lifetime transient
  plan.arena @io size(320) align(64) lifetime io
  // CHECK: plan.kernel @fits
  // CHECK-SAME: starts_early}
  plan.kernel @fits schedule(#plan.schedule<"elementwise_elements", source = "heuristic", tunables = {}>) row_strides([8, 8])
      attributes {plan.geometry = #plan.geometry<grid = [1, 1, 1], threads = 1024, shared = 115200, scratch = 0>} {
  ^bb0(%x: tensor<1x8xf32>):
    %r = lm.activation relu %x : tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  // One KiB more than is left beside @fits, though not beside itself in a prompt.
  // CHECK: plan.kernel @large
  // CHECK-SAME: starts_late = "a block of 'fits', in front of it in decode_b1, and one of its own take 233472 bytes of shared memory, and a multiprocessor of compute capability 9.0 has 232448"
  plan.kernel @large schedule(#plan.schedule<"elementwise_elements", source = "heuristic", tunables = {}>) row_strides([8, 8])
      attributes {plan.geometry = #plan.geometry<grid = [1, 1, 1], threads = 256, shared = 116224, scratch = 0>} {
  ^bb0(%x: tensor<1x8xf32>):
    %r = lm.activation relu %x : tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  // CHECK: plan.kernel @prompt
  // CHECK-SAME: starts_early}
  plan.kernel @prompt schedule(#plan.schedule<"elementwise_elements", source = "heuristic", tunables = {}>) row_strides([8, 8])
      attributes {plan.geometry = #plan.geometry<grid = [1, 1, 1], threads = 256, shared = 200000, scratch = 0>} {
  ^bb0(%x: tensor<1x8xf32>):
    %r = lm.activation relu %x : tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  // No grid, no launch to start early.
  // CHECK: plan.kernel @host
  // CHECK-NOT: starts_
  // CHECK: lm.yield
  plan.kernel @host schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8, 8]) {
  ^bb0(%x: tensor<1x8xf32>):
    %r = lm.activation relu %x : tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @fits reads(%a) writes(%b)
    plan.launch @fits reads(%b) writes(%a)
    plan.launch @large reads(%a) writes(%logits)
  }
  plan.entry prefill @prefill_1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @large reads(%a) writes(%b)
    plan.launch @prompt reads(%b) writes(%logits)
  }
}

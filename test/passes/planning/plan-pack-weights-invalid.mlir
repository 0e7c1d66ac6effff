// RUN: stoop-opt %s --plan-pack-weights --split-input-file --verify-diagnostics

// Two templates that want one weight in two orders.
plan.program @disagree target("cpu") metadata({}) {
  // expected-error @below {{is read as panel16 by lm.linear and as table by lm.rope}}
  plan.weight @w pack(#plan.pack<rows, 8 x 6 : f32>) origin({})
  plan.kernel @linear schedule(#plan.schedule<"linear", source = "heuristic", tunables = {prefetch = 0 : i64}>) row_strides([6, 0, 8]) {
  ^bb0(%x: tensor<1x6xf32>, %w: tensor<8x6xf32>):
    %r = lm.linear %x, %w : (tensor<1x6xf32>, tensor<8x6xf32>) -> tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.kernel @rope schedule(#plan.schedule<"rope", source = "heuristic", tunables = {}>) row_strides([6, 1, 0, 6]) {
  ^bb0(%x: tensor<1x6xf32>, %p: tensor<1xi32>, %w: tensor<8x6xf32>):
    %r = lm.rope %x, %p, %w heads(1) : (tensor<1x6xf32>, tensor<1xi32>, tensor<8x6xf32>) -> tensor<1x6xf32>
    lm.yield %r : tensor<1x6xf32>
  }
  plan.entry decode @decode_b1 rows(1) {
    %p = plan.alloc size(4) lifetime io role("positions")
    %a = plan.alloc size(64) lifetime transient
    %b = plan.alloc size(64) lifetime transient
    %w = plan.weight_ref @w : !plan.buffer
    plan.launch @linear reads(%a, %w) writes(%b)
    plan.launch @rope reads(%a, %p, %w) writes(%b)
  }
}

// -----

// Vectors are float32 in memory.
plan.program @narrow target("cpu") metadata({}) {
  // expected-error @below {{is read as vector, expects f32, got 'bf16'}}
  plan.weight @g pack(#plan.pack<vector, 1 x 8 : bf16>) origin({})
}

// -----

// Panels hold integers.
plan.program @floats target("cpu") metadata({}) {
  // expected-error @below {{is quantised as "fp8", but lm.linear reads it as panel16}}
  plan.weight @w pack(#plan.pack<tiles, 5 x 10 : f32, "fp8">) origin({})
  plan.kernel @linear schedule(#plan.schedule<"linear", source = "heuristic", tunables = {prefetch = 0 : i64}>) row_strides([10, 0, 5]) {
  ^bb0(%x: tensor<1x10xf32>, %w: tensor<5x10xf32, "fp8">):
    %r = lm.linear %x, %w : (tensor<1x10xf32>, tensor<5x10xf32, "fp8">) -> tensor<1x5xf32>
    lm.yield %r : tensor<1x5xf32>
  }
  plan.entry decode @decode_b1 rows(1) {
    %a = plan.alloc size(64) lifetime transient
    %b = plan.alloc size(64) lifetime transient
    %w = plan.weight_ref @w : !plan.buffer
    plan.launch @linear reads(%a, %w) writes(%b)
  }
}

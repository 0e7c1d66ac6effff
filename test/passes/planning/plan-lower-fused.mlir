// RUN: stoop-opt %s --plan-lower-fused | FileCheck %s

// CHECK-LABEL: plan.program @m target("cpu") metadata({batch = 1 : i64, dtype = "f32", {{.*}}layers = 2 : i64, max_positions = 16 : i64, name = "m", vocab = 8 : i64})
// Weights stay in row order and remember their origin.
// CHECK: plan.weight @w pack(<rows, 8 x 8 : bf16>) origin({sources = [#lm.source<key = "w"
// CHECK: plan.weight @g pack(<vector, 1 x 8 : f32>) origin({round = bf16, sources = [
// Both norms have equal bodies, strides and schedules: one kernel. The appends differ in the strides of their inputs
// only: two kernels.
// CHECK: plan.kernel @k0 schedule(<"embedding", {{.*}}>) row_strides([1, 0, 8])
// CHECK: plan.kernel @k1 schedule(<"norm", {{.*}}>) row_strides([8, 0, 8])
// CHECK: plan.kernel @k2 schedule(<"kv_append", {{.*}}>) row_strides([0, 8, 8, 1, 1])
// CHECK: plan.kernel @k3 schedule(<"embedding", {{.*}}>) row_strides([1, 0, 4])
// CHECK: plan.kernel @k4 schedule(<"kv_append", {{.*}}>) row_strides([0, 4, 8, 1, 1])
// CHECK: plan.kernel @k5 schedule(<"linear", {{.*}}>) row_strides([4, 0, 8, 1])
// CHECK-NOT: plan.kernel
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 2 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {name = "m"}} {
  lm.weight @w : tensor<8x8xbf16> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = bf16, rows = 8, cols = 8>])
  lm.weight @v : tensor<8x4xbf16> sources([#lm.source<key = "v", file = "f", offset = 128, dtype = bf16, rows = 8, cols = 4>])
  lm.weight @g : tensor<8xf32> sources([#lm.source<key = "g", file = "f", offset = 192, dtype = f32, rows = 1, cols = 8>]) round(bf16)
  lm.kv_state @kv layers(2) : !lm.kv<1x16x1x4xf32>
  // CHECK: plan.entry decode @decode_b1 rows(1) {
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> (tensor<1x8xf32>, tensor<1x1xf32>) {
    // Arguments are buffers with roles.
    // CHECK-DAG: %[[TOKENS:[0-9]+]] = plan.alloc size(4) lifetime io role("tokens")
    // CHECK-DAG: %[[POSITIONS:[0-9]+]] = plan.alloc size(4) lifetime io role("positions")
    // CHECK-DAG: %[[SLOTS:[0-9]+]] = plan.alloc size(4) lifetime io role("slots")
    // CHECK: %[[W:[0-9]+]] = plan.weight_ref @w
    %w = lm.load_weight @w : tensor<8x8xbf16>
    %u = lm.load_weight @v : tensor<8x4xbf16>
    %g = lm.load_weight @g : tensor<8xf32>
    // CHECK: %[[X:[0-9]+]] = plan.alloc size(32) lifetime transient
    // CHECK: plan.launch @k0 reads(%[[TOKENS]], %[[W]]) writes(%[[X]])
    %x = lm.fused "embedding" (%tokens, %w) {plan.schedule = #plan.schedule<"embedding", source = "heuristic", tunables = {}>} : (tensor<1xi32>, tensor<8x8xbf16>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xbf16>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xbf16>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    // CHECK: plan.launch @k1
    %n = lm.fused "norm" (%x, %g) {plan.schedule = #plan.schedule<"norm", source = "heuristic", tunables = {}>} : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1x8xf32>, %j: tensor<8xf32>):
      %r = lm.norm rms %i, %j eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    // CHECK: %[[N:[0-9]+]] = plan.alloc size(32)
    // CHECK: plan.launch @k1 {{.*}} writes(%[[N]])
    %n2 = lm.fused "norm" (%n, %g) {plan.schedule = #plan.schedule<"norm", source = "heuristic", tunables = {}>} : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1x8xf32>, %j: tensor<8xf32>):
      %r = lm.norm rms %i, %j eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    // A view keeps the rows of its source: an offset of 4 columns is 16 bytes; a view from column 0 is the source. A view
    // of a view adds up.
    // CHECK: %[[V:[0-9]+]] = plan.subview %[[N]][16]
    %k = lm.view %n2[0] : tensor<1x8xf32> -> tensor<1x4xf32>
    %v = lm.view %n2[4] : tensor<1x8xf32> -> tensor<1x4xf32>
    // CHECK: plan.subview %[[N]][24]
    %part = lm.view %v[2] : tensor<1x4xf32> -> tensor<1x2xf32>
    // A cache is one buffer per layer, numbered; the append updates it.
    // CHECK: %[[KV:[0-9]+]] = plan.alloc size(512) lifetime persistent index(1)
    %kv = lm.kv_view @kv[1] : !lm.kv<1x16x1x4xf32>
    // CHECK: plan.launch @k2 reads(%[[KV]], %[[N]], %[[V]], %[[POSITIONS]], %[[SLOTS]]) updates(%[[KV]])
    lm.fused "kv_append" (%kv, %k, %v, %positions, %slots) {plan.schedule = #plan.schedule<"kv_append", source = "heuristic", tunables = {}>} : (!lm.kv<1x16x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>, tensor<1xi32>, tensor<1xi32>) -> () {
    ^bb0(%c: !lm.kv<1x16x1x4xf32>, %i: tensor<1x4xf32>, %j: tensor<1x4xf32>, %p: tensor<1xi32>, %s: tensor<1xi32>):
      lm.kv_append %c, %i, %j, %p, %s : !lm.kv<1x16x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>, tensor<1xi32>, tensor<1xi32>
      lm.yield
    }
    %e = lm.fused "embedding" (%tokens, %u) {plan.schedule = #plan.schedule<"embedding", source = "heuristic", tunables = {}>} : (tensor<1xi32>, tensor<8x4xbf16>) -> tensor<1x4xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x4xbf16>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x4xbf16>) -> tensor<1x4xf32>
      lm.yield %r : tensor<1x4xf32>
    }
    lm.fused "kv_append" (%kv, %e, %v, %positions, %slots) {plan.schedule = #plan.schedule<"kv_append", source = "heuristic", tunables = {}>} : (!lm.kv<1x16x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>, tensor<1xi32>, tensor<1xi32>) -> () {
    ^bb0(%c: !lm.kv<1x16x1x4xf32>, %i: tensor<1x4xf32>, %j: tensor<1x4xf32>, %p: tensor<1xi32>, %s: tensor<1xi32>):
      lm.kv_append %c, %i, %j, %p, %s : !lm.kv<1x16x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>, tensor<1xi32>, tensor<1xi32>
      lm.yield
    }
    // Results are written straight to the entry's own buffers.
    // CHECK: %[[LOGITS:[0-9]+]] = plan.alloc size(32) lifetime io role("logits")
    // CHECK: %[[MAXIMA:[0-9]+]] = plan.alloc size(4) lifetime io role("maxima")
    // CHECK: plan.launch @{{.*}} writes(%[[LOGITS]], %[[MAXIMA]])
    %y:2 = lm.fused "linear" (%e, %u) {plan.schedule = #plan.schedule<"linear", source = "heuristic", tunables = {prefetch = 0 : i64}>} : (tensor<1x4xf32>, tensor<8x4xbf16>) -> (tensor<1x8xf32>, tensor<1x1xf32>) {
    ^bb0(%i: tensor<1x4xf32>, %j: tensor<8x4xbf16>):
      %r = lm.linear %i, %j : (tensor<1x4xf32>, tensor<8x4xbf16>) -> tensor<1x8xf32>
      %m = lm.block_max %r : tensor<1x8xf32> -> tensor<1x1xf32>
      lm.yield %r, %m : tensor<1x8xf32>, tensor<1x1xf32>
    }
    lm.return %y#0, %y#1 : tensor<1x8xf32>, tensor<1x1xf32>
  }
}

// RUN: stoop-opt %s --lm-form-fused-regions | FileCheck %s
// RUN: not stoop-opt %s --lm-form-fused-regions="kinds=embedding,linear,elementwise" 2>&1 | FileCheck %s --check-prefix=KINDS

// KINDS: 'lm.norm' op needs a kernel of kind 'norm'; the target has 'embedding', 'linear', 'elementwise'

lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @g : tensor<8xf32> sources([#lm.source<key = "g", file = "f", offset = 256, dtype = f32, rows = 1, cols = 8>])
  lm.weight @rope : tensor<16x4xf32> generator(#lm.rope_table<invFreq = [1.0, 0.1], factor = 1.0 : f32, positions = 16, round = "none">)
  lm.kv_state @kv layers(1) : !lm.kv<1x16x2x4xf32>

  // Every anchor gets a region of its kind; views and loads stay outside, and so does the order of effects.
  // CHECK-LABEL: lm.entry prefill @anchors
  // CHECK: lm.fused "embedding"
  // CHECK: lm.fused "norm"
  // CHECK: %[[QKV:[0-9]+]] = lm.fused "linear"
  // CHECK: %[[K:[0-9]+]] = lm.view %[[QKV]][0]
  // CHECK: %[[R:[0-9]+]] = lm.fused "rope"(%[[K]], %{{.*}}, %{{.*}})
  // CHECK: %[[KV:[0-9]+]] = lm.kv_view @kv[0]
  // CHECK: lm.fused "kv_append"(%[[KV]], %[[R]], %[[K]], %{{.*}}, %{{.*}}) : {{.*}} -> () {
  // CHECK: lm.kv_append
  // CHECK-NEXT: lm.yield
  // CHECK: lm.fused "attention"(%[[R]], %[[KV]],
  // CHECK: lm.fused "gather_last"
  lm.entry prefill @anchors(%tokens: tensor<4xi32>, %positions: tensor<4xi32>, %slots: tensor<4xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %g = lm.load_weight @g : tensor<8xf32>
    %t = lm.load_weight @rope : tensor<16x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<4xi32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
    %l = lm.linear %n, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    %k = lm.view %l[0] : tensor<4x8xf32> -> tensor<4x8xf32>
    %r = lm.rope %k, %positions, %t heads(2) : (tensor<4x8xf32>, tensor<4xi32>, tensor<16x4xf32>) -> tensor<4x8xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x16x2x4xf32>
    lm.kv_append %kv, %r, %k, %positions, %slots : !lm.kv<1x16x2x4xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4xi32>, tensor<4xi32>
    %a = lm.attention %r, %kv, %positions, %slots heads(2) scale(0.5) alibi none : (tensor<4x8xf32>, !lm.kv<1x16x2x4xf32>, tensor<4xi32>, tensor<4xi32>) -> tensor<4x8xf32>
    %y = lm.gather_last %a : tensor<4x8xf32> -> tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }

  // Elementwise ops that follow one another share a region of kind "elementwise".
  // CHECK-LABEL: lm.entry decode @elementwise
  // CHECK: %[[GATE:[0-9]+]] = lm.view
  // CHECK: %[[UP:[0-9]+]] = lm.view
  // CHECK: lm.fused "elementwise"(%[[GATE]], %[[UP]])
  // CHECK: lm.activation silu
  // CHECK-NEXT: lm.binary mul
  // CHECK-NEXT: lm.yield
  // CHECK-NOT: lm.fused
  lm.entry decode @elementwise(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x4xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %gate = lm.view %x[0] : tensor<1x8xf32> -> tensor<1x4xf32>
    %up = lm.view %x[4] : tensor<1x8xf32> -> tensor<1x4xf32>
    %a = lm.activation silu %gate : tensor<1x4xf32>
    %y = lm.binary mul %a, %up : tensor<1x4xf32>
    lm.return %y : tensor<1x4xf32>
  }
}

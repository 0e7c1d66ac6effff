// RUN: stoop-opt %s --lm-fuse-epilogue --lm-fuse-segments="capabilities=multi_segment" | FileCheck %s
// RUN: stoop-opt %s --lm-fuse-epilogue --lm-fuse-segments | FileCheck %s --check-prefix=NONE

// NONE-NOT: :2 = lm.fused

lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @b : tensor<8xf32> sources([#lm.source<key = "b", file = "f", offset = 256, dtype = f32, rows = 1, cols = 8>])
  lm.weight @rope : tensor<16x4xf32> generator(#lm.rope_table<invFreq = [1.0, 0.1], factor = 1.0 : f32, positions = 16, round = "none">)
  lm.kv_state @kv layers(1) : !lm.kv<1x16x2x4xf32>

  // Two linears behind two norms of one value; the second stands behind the attention, and the launch in front of it.
  // CHECK-LABEL: lm.entry decode @two_norms
  // CHECK: %[[X:[0-9]+]] = lm.embedding
  // CHECK: %[[N:[0-9]+]] = lm.norm rms %[[X]]
  // CHECK: %[[O:[0-9]+]] = lm.norm rms %[[X]]
  // CHECK: %[[Y:[0-9]+]]:2 = lm.fused "linear"(%[[N]], %{{[0-9]+}}, %[[O]])
  // CHECK: lm.linear
  // CHECK-NEXT: lm.linear
  // CHECK-NEXT: lm.activation silu
  // CHECK-NEXT: lm.yield
  // CHECK: lm.attention %[[Y]]#0
  lm.entry decode @two_norms(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x16x2x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %n = lm.norm rms %x, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    %q = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %a = lm.attention %q, %kv, %positions, %slots heads(2) scale(0.5) alibi none : (tensor<1x8xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x8xf32>
    %o = lm.norm rms %x, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    %u = lm.linear %o, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %v = lm.activation silu %u : tensor<1x8xf32>
    %y = lm.linear %v, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %z = lm.binary add %a, %y : tensor<1x8xf32>
    lm.return %z : tensor<1x8xf32>
  }

  // Linears on rows of their own.
  // CHECK-LABEL: lm.entry decode @negative_rows
  // CHECK-NOT: lm.fused
  // CHECK: lm.return
  lm.entry decode @negative_rows(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %z = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %v = lm.binary mul %z, %z : tensor<1x8xf32>
    %q = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %u = lm.linear %v, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %y = lm.linear %q, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }

  // One waits for the other.
  // CHECK-LABEL: lm.entry decode @negative_wait
  // CHECK-NOT: lm.fused
  // CHECK: lm.return
  lm.entry decode @negative_wait(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %n = lm.norm rms %x, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    %q = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %m = lm.norm rms %n, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    %u = lm.linear %q, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    lm.return %u : tensor<1x8xf32>
  }
}

// RUN: stoop-opt %s --lm-fuse-epilogue="capabilities=epilogue_dag,multi_linear" --lm-fuse-linears="capabilities=epilogue_dag,multi_linear" | FileCheck %s
// RUN: stoop-opt %s --lm-fuse-epilogue --lm-fuse-linears | FileCheck %s --check-prefix=NONE

// Without the capability two linears never share a region.
// NONE-NOT: lm.linear{{.*}}{{[[:space:]]}}{{.*}}lm.linear

lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @b : tensor<8xf32> sources([#lm.source<key = "b", file = "f", offset = 256, dtype = f32, rows = 1, cols = 8>])
  lm.weight @h : tensor<8x8xbf16> sources([#lm.source<key = "h", file = "f", offset = 288, dtype = bf16, rows = 8, cols = 8>])

  // Both branches of a parallel block and the residual: concatenated K.
  // CHECK-LABEL: lm.entry decode @sum
  // CHECK: lm.fused "linear"
  // CHECK: %[[L:[0-9]+]] = lm.linear
  // CHECK-NEXT: %[[R:[0-9]+]] = lm.linear
  // CHECK-NEXT: %[[B:[0-9]+]] = lm.bias %[[L]]
  // CHECK-NEXT: %[[S:[0-9]+]] = lm.binary add %[[R]], %[[B]]
  // CHECK-NEXT: %[[T:[0-9]+]] = lm.binary add %{{.*}}, %[[S]]
  // CHECK-NEXT: lm.yield %[[T]] :
  // CHECK-NOT: lm.fused
  // CHECK: lm.return
  lm.entry decode @sum(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %lb = lm.bias %l, %b : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    %r = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %s = lm.binary add %r, %lb : tensor<1x8xf32>
    %t = lm.binary add %x, %s : tensor<1x8xf32>
    lm.return %t : tensor<1x8xf32>
  }

  // A gate and what it multiplies.
  // CHECK-LABEL: lm.entry decode @gated
  // CHECK: lm.fused "linear"
  // CHECK: lm.linear
  // CHECK-NEXT: lm.linear
  // CHECK-NEXT: lm.activation silu
  // CHECK-NEXT: lm.binary mul
  // CHECK-NEXT: lm.yield
  lm.entry decode @gated(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %g = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %a = lm.activation silu %g : tensor<1x8xf32>
    %u = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %y = lm.binary mul %a, %u : tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }

  // One of them needs the other: a launch cannot wait for itself.
  // CHECK-LABEL: lm.entry decode @negative_cycle
  // CHECK: lm.fused "linear"
  // CHECK: lm.linear
  // CHECK-NOT: lm.linear
  // CHECK: lm.norm
  // CHECK: lm.linear
  lm.entry decode @negative_cycle(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %a = lm.activation silu %l : tensor<1x8xf32>
    %n = lm.norm rms %a, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    %r = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %y = lm.binary add %a, %r : tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }

  // Weights of different element types need the capability mixed_elements.
  // CHECK-LABEL: lm.entry decode @negative_elements
  // CHECK: lm.linear
  // CHECK: lm.fused "linear"
  // CHECK: lm.linear
  // CHECK-NOT: lm.linear
  // CHECK: lm.return
  lm.entry decode @negative_elements(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %h = lm.load_weight @h : tensor<8x8xbf16>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %r = lm.linear %x, %h : (tensor<1x8xf32>, tensor<8x8xbf16>) -> tensor<1x8xf32>
    %y = lm.binary add %l, %r : tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }
}

// RUN: stoop-opt %s --lm-fuse-prologue="capabilities=norm_prologue,embedding_prologue,gather_last_prologue max-gathered-rows=2 max-prologue-rows=4" | FileCheck %s
// RUN: stoop-opt %s --lm-fuse-prologue="capabilities=rope_epilogue" | FileCheck %s --check-prefix=NONE

// Kernels that take no prologue have none.
// NONE-NOT: lm.fused

lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @b : tensor<8xf32> sources([#lm.source<key = "b", file = "f", offset = 256, dtype = f32, rows = 1, cols = 8>])

  // The embedding joins behind its norm and is yielded: it is the residual of the second launch.
  // CHECK-LABEL: lm.entry decode @embedding
  // CHECK: %[[Y:[0-9]+]]:2 = lm.fused "linear"
  // CHECK: %[[E:[0-9]+]] = lm.embedding
  // CHECK-NEXT: %[[N:[0-9]+]] = lm.norm rms %[[E]]
  // CHECK-NEXT: %[[L:[0-9]+]] = lm.linear %[[N]]
  // CHECK-NEXT: lm.yield %[[E]], %[[L]]
  // CHECK: lm.binary add %[[Y]]#0, %[[Y]]#1
  lm.entry decode @embedding(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %n = lm.norm rms %x, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    %l = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %y = lm.binary add %x, %l : tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }

  // A norm that two launches read rides in the first and is yielded to the second.
  // CHECK-LABEL: lm.entry decode @two_readers
  // CHECK: %[[Y:[0-9]+]]:2 = lm.fused "linear"
  // CHECK: %[[N:[0-9]+]] = lm.norm
  // CHECK-NEXT: %[[L:[0-9]+]] = lm.linear %[[N]]
  // CHECK-NEXT: lm.yield %[[N]], %[[L]]
  // CHECK: lm.linear %[[Y]]#0
  lm.entry decode @two_readers(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %z = lm.binary mul %x, %x : tensor<1x8xf32>
    %n = lm.norm rms %z, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    %l = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %r = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %y = lm.binary mul %l, %r : tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }

  // The last row, its norm and the head.
  // CHECK-LABEL: lm.entry prefill @last_row
  // CHECK: lm.fused "linear"
  // CHECK: lm.gather_last
  // CHECK-NEXT: lm.norm
  // CHECK-NEXT: lm.linear
  lm.entry prefill @last_row(%tokens: tensor<4xi32>, %positions: tensor<4xi32>, %slots: tensor<4xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<4xi32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    %z = lm.binary mul %x, %x : tensor<4x8xf32>
    %g = lm.gather_last %z : tensor<4x8xf32> -> tensor<1x8xf32>
    %n = lm.norm rms %g, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    %l = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    lm.return %l : tensor<1x8xf32>
  }

  // More rows than are worth gathering: the norm joins alone. More than are worth a norm: nothing does.
  // CHECK-LABEL: lm.entry score @negative_gathered
  // CHECK: lm.embedding
  // CHECK: lm.fused "linear"
  // CHECK: lm.norm
  // CHECK-NEXT: lm.linear
  // CHECK-LABEL: lm.entry score @negative_mapped
  // CHECK-NOT: lm.fused
  // CHECK: lm.return
  lm.entry score @negative_gathered(%tokens: tensor<3xi32>, %positions: tensor<3xi32>, %slots: tensor<3xi32>) -> tensor<3x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<3xi32>, tensor<8x8xf32>) -> tensor<3x8xf32>
    %n = lm.norm rms %x, %b eps(1.0e-5) : (tensor<3x8xf32>, tensor<8xf32>) -> tensor<3x8xf32>
    %l = lm.linear %n, %w : (tensor<3x8xf32>, tensor<8x8xf32>) -> tensor<3x8xf32>
    lm.return %l : tensor<3x8xf32>
  }
  lm.entry score @negative_mapped(%tokens: tensor<5xi32>, %positions: tensor<5xi32>, %slots: tensor<5xi32>) -> tensor<5x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<5xi32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    %n = lm.norm rms %x, %b eps(1.0e-5) : (tensor<5x8xf32>, tensor<8xf32>) -> tensor<5x8xf32>
    %l = lm.linear %n, %w : (tensor<5x8xf32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    lm.return %l : tensor<5x8xf32>
  }

  // Rows that no linear multiplies.
  // CHECK-LABEL: lm.entry decode @negative_no_linear
  // CHECK-NOT: lm.fused
  // CHECK: lm.return
  lm.entry decode @negative_no_linear(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %n = lm.norm rms %x, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    lm.return %n : tensor<1x8xf32>
  }
}

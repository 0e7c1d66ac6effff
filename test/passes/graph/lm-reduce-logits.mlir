// RUN: stoop-opt %s --lm-reduce-logits | FileCheck %s

// Entries that choose tokens return the maxima of their logits too; those that score, and the dynamic one, do not.
// CHECK-LABEL: lm.model @m
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 40 : i64, max_positions = 16 : i64,
    batch = 2 : i64, metadata = {}} {
  lm.weight @w : tensor<40x4xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 40, cols = 4>])

  // CHECK: lm.entry decode @decode_b2({{.*}}) -> (tensor<2x40xf32>, tensor<2x3xf32>) {
  // CHECK: %[[Y:[0-9]+]] = lm.linear
  // CHECK: %[[M:[0-9]+]] = lm.block_max %[[Y]] : tensor<2x40xf32> -> tensor<2x3xf32>
  // CHECK: lm.return %[[Y]], %[[M]] : tensor<2x40xf32>, tensor<2x3xf32>
  lm.entry decode @decode_b2(%tokens: tensor<2xi32>, %positions: tensor<2xi32>, %slots: tensor<2xi32>) -> tensor<2x40xf32> {
    %w = lm.load_weight @w : tensor<40x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<2xi32>, tensor<40x4xf32>) -> tensor<2x4xf32>
    %y = lm.linear %x, %w : (tensor<2x4xf32>, tensor<40x4xf32>) -> tensor<2x40xf32>
    lm.return %y : tensor<2x40xf32>
  }
  // CHECK: lm.entry prefill @prefill_4({{.*}}) -> (tensor<1x40xf32>, tensor<1x3xf32>) {
  lm.entry prefill @prefill_4(%tokens: tensor<4xi32>, %positions: tensor<4xi32>, %slots: tensor<4xi32>) -> tensor<1x40xf32> {
    %w = lm.load_weight @w : tensor<40x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<4xi32>, tensor<40x4xf32>) -> tensor<4x4xf32>
    %last = lm.gather_last %x : tensor<4x4xf32> -> tensor<1x4xf32>
    %y = lm.linear %last, %w : (tensor<1x4xf32>, tensor<40x4xf32>) -> tensor<1x40xf32>
    lm.return %y : tensor<1x40xf32>
  }
  // CHECK: lm.entry score @score_4({{.*}}) -> tensor<4x40xf32> {
  // CHECK-NOT: lm.block_max
  lm.entry score @score_4(%tokens: tensor<4xi32>, %positions: tensor<4xi32>, %slots: tensor<4xi32>) -> tensor<4x40xf32> {
    %w = lm.load_weight @w : tensor<40x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<4xi32>, tensor<40x4xf32>) -> tensor<4x4xf32>
    %y = lm.linear %x, %w : (tensor<4x4xf32>, tensor<40x4xf32>) -> tensor<4x40xf32>
    lm.return %y : tensor<4x40xf32>
  }
}

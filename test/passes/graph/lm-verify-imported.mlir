// RUN: stoop-opt %s --lm-verify-imported | FileCheck %s
// RUN: stoop-opt %S/../Inputs/sequential.mlir --lm-verify-imported | FileCheck %s --check-prefix=WHOLE

// A model with one dynamic forward entry whose only layer appends, then attends, passes unchanged.
// CHECK: lm.model @one
// CHECK: lm.entry forward @forward
// WHOLE: lm.entry forward @forward
lm.model @one attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.kv_state @kv layers(1) : !lm.kv<1x16x1x4xf32>
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x16x1x4xf32>
    lm.kv_append %kv, %x, %x, %positions, %slots : !lm.kv<1x16x1x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>
    %a = lm.attention %x, %kv, %positions, %slots heads(1) scale(0.5) alibi none : (tensor<?x4xf32>, !lm.kv<1x16x1x4xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x4xf32>
    %y = lm.linear %a, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    lm.return %y : tensor<?x8xf32>
  }
}

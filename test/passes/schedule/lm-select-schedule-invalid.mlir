// RUN: stoop-opt %s --lm-select-schedule --verify-diagnostics

lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    // A kind that the target has no template for.
    // expected-error @below {{of kind 'norm_linear' has no kernel template on target 'cpu'}}
    %x = lm.fused "norm_linear" (%tokens, %w) : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xf32>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    lm.return %x : tensor<1x8xf32>
  }
}

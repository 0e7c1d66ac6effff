// RUN: stoop-opt %s --lm-split-entry-points="batch=2" --verify-diagnostics --split-input-file
// RUN: not stoop-opt %S/../Inputs/sequential.mlir --lm-split-entry-points="prefill-buckets=0" 2>&1 | FileCheck %s

// CHECK: cannot have a prefill bucket of 0 rows

// More sequences than the KV cache has.
// expected-error @below {{has room for 1 sequences in its KV cache, option batch asks for 2}}
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    %y = lm.linear %x, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    lm.return %y : tensor<?x8xf32>
  }
}

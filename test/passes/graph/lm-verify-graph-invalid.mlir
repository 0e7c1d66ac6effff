// RUN: stoop-opt %s --lm-verify-graph --split-input-file --verify-diagnostics

// An entry that is still dynamic in kind.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 2 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  // expected-error @below {{of kind forward is not allowed behind phase import}}
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    %y = lm.linear %x, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    lm.return %y : tensor<?x8xf32>
  }
}

// -----

// An entry that is still dynamic in rows.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 2 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  // expected-error @below {{expects a static number of rows in phase graph}}
  lm.entry decode @decode(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    %y = lm.linear %x, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    lm.return %y : tensor<?x8xf32>
  }
}

// -----

// More rows than the KV cache has sequences.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 2 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  // expected-error @below {{has 3 rows, more than the model's batch of 2}}
  lm.entry decode @decode(%tokens: tensor<3xi32>, %positions: tensor<3xi32>, %slots: tensor<3xi32>) -> tensor<3x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<3xi32>, tensor<8x4xf32>) -> tensor<3x4xf32>
    %y = lm.linear %x, %w : (tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<3x8xf32>
    lm.return %y : tensor<3x8xf32>
  }
}

// -----

// More rows than the compiled context.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 2 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  // expected-error @below {{has 32 rows, more than the model's context of 16}}
  lm.entry prefill @prefill(%tokens: tensor<32xi32>, %positions: tensor<32xi32>, %slots: tensor<32xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<32xi32>, tensor<8x4xf32>) -> tensor<32x4xf32>
    %l = lm.gather_last %x : tensor<32x4xf32> -> tensor<1x4xf32>
    %y = lm.linear %l, %w : (tensor<1x4xf32>, tensor<8x4xf32>) -> tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }
}

// -----

// A prefill entry makes logits of one row.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 2 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  // expected-error @below {{of kind prefill expects logits of type 'tensor<1x8xf32>', got 'tensor<4x8xf32>'}}
  lm.entry prefill @prefill(%tokens: tensor<4xi32>, %positions: tensor<4xi32>, %slots: tensor<4xi32>) -> tensor<4x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<4xi32>, tensor<8x4xf32>) -> tensor<4x4xf32>
    %y = lm.linear %x, %w : (tensor<4x4xf32>, tensor<8x4xf32>) -> tensor<4x8xf32>
    lm.return %y : tensor<4x8xf32>
  }
}

// -----

// A scoring entry makes logits of all rows.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 2 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  // expected-error @below {{of kind score expects logits of type 'tensor<4x8xf32>', got 'tensor<1x8xf32>'}}
  lm.entry score @score(%tokens: tensor<4xi32>, %positions: tensor<4xi32>, %slots: tensor<4xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<4xi32>, tensor<8x4xf32>) -> tensor<4x4xf32>
    %l = lm.gather_last %x : tensor<4x4xf32> -> tensor<1x4xf32>
    %y = lm.linear %l, %w : (tensor<1x4xf32>, tensor<8x4xf32>) -> tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }
}

// -----

// A model that cannot read a prompt.
// expected-error @below {{expects an entry of kind prefill, got none}}
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 2 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.entry decode @decode(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x4xf32>) -> tensor<1x4xf32>
    %y = lm.linear %x, %w : (tensor<1x4xf32>, tensor<8x4xf32>) -> tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }
}

// -----

// A model that cannot decode.
// expected-error @below {{expects an entry of kind decode, got none}}
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 2 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.entry prefill @prefill(%tokens: tensor<4xi32>, %positions: tensor<4xi32>, %slots: tensor<4xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<4xi32>, tensor<8x4xf32>) -> tensor<4x4xf32>
    %l = lm.gather_last %x : tensor<4x4xf32> -> tensor<1x4xf32>
    %y = lm.linear %l, %w : (tensor<1x4xf32>, tensor<8x4xf32>) -> tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }
}

// -----

// A second result that is not the maxima of the first.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 2 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  // expected-error @below {{expects lm.block_max of its logits as a second result}}
  lm.entry decode @decode(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> (tensor<1x8xf32>, tensor<1x1xf32>) {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x4xf32>) -> tensor<1x4xf32>
    %y = lm.linear %x, %w : (tensor<1x4xf32>, tensor<8x4xf32>) -> tensor<1x8xf32>
    %m = lm.block_max %x : tensor<1x4xf32> -> tensor<1x1xf32>
    lm.return %y, %m : tensor<1x8xf32>, tensor<1x1xf32>
  }
}

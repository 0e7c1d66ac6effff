// RUN: stoop-opt %s --lm-verify-imported --split-input-file --verify-diagnostics

// A module without a model.
// expected-error @below {{expects one lm.model, got none}}
module {
}

// -----

// Something beside the model.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
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
// expected-error @below {{stands beside the model}}
plan.program @p target("cpu") metadata({}) {
}

// -----

// Two models.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
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
// expected-error @below {{is a second model}}
lm.model @m2 attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
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

// -----

// No entry.
// expected-error @below {{expects one entry of kind forward, got none}}
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.kv_state @kv layers(1) : !lm.kv<1x16x1x4xf32>
}

// -----

// An entry of another kind.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.kv_state @kv layers(1) : !lm.kv<1x16x1x4xf32>
  // expected-error @below {{expects a model with one entry, of kind forward}}
  lm.entry decode @forward(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x4xf32>) -> tensor<1x4xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x16x1x4xf32>
    lm.kv_append %kv, %x, %x, %positions, %slots : !lm.kv<1x16x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>, tensor<1xi32>, tensor<1xi32>
    %a = lm.attention %x, %kv, %positions, %slots heads(1) scale(0.5) alibi none : (tensor<1x4xf32>, !lm.kv<1x16x1x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x4xf32>
    %y = lm.linear %a, %w : (tensor<1x4xf32>, tensor<8x4xf32>) -> tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }
}

// -----

// Static rows.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.kv_state @kv layers(1) : !lm.kv<1x16x1x4xf32>
  // expected-error @below {{expects a dynamic number of rows, got 1}}
  lm.entry forward @forward(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x4xf32>) -> tensor<1x4xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x16x1x4xf32>
    lm.kv_append %kv, %x, %x, %positions, %slots : !lm.kv<1x16x1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>, tensor<1xi32>, tensor<1xi32>
    %a = lm.attention %x, %kv, %positions, %slots heads(1) scale(0.5) alibi none : (tensor<1x4xf32>, !lm.kv<1x16x1x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x4xf32>
    %y = lm.linear %a, %w : (tensor<1x4xf32>, tensor<8x4xf32>) -> tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }
}

// -----

// No KV cache.
// expected-error @below {{expects one lm.kv_state, got 0}}
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

// -----

// A KV cache that disagrees with the model: positions.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  // expected-error @below {{expects the model's 16 positions, got 32}}
  lm.kv_state @kv layers(1) : !lm.kv<1x32x1x4xf32>
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x32x1x4xf32>
    lm.kv_append %kv, %x, %x, %positions, %slots : !lm.kv<1x32x1x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>
    %a = lm.attention %x, %kv, %positions, %slots heads(1) scale(0.5) alibi none : (tensor<?x4xf32>, !lm.kv<1x32x1x4xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x4xf32>
    %y = lm.linear %a, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    lm.return %y : tensor<?x8xf32>
  }
}

// -----

// A KV cache that disagrees with the model: layers.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  // expected-error @below {{expects the model's 1 layers, got 2}}
  lm.kv_state @kv layers(2) : !lm.kv<1x16x1x4xf32>
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

// -----

// A second dynamic dimension is no shape of an activation, and neither is another element type.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.kv_state @kv layers(1) : !lm.kv<1x16x1x4xf32>
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    // expected-error @below {{expects a result of f32 or the model's dtype 'f32'}}
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xbf16>
    %n = lm.linear %x, %w : (tensor<?x4xbf16>, tensor<8x4xf32>) -> tensor<?x8xf32>
    lm.return %n : tensor<?x8xf32>
  }
}

// -----

// A region before its phase.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.kv_state @kv layers(1) : !lm.kv<1x16x1x4xf32>
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    // expected-error @below {{is not allowed before phase fused}}
    %y = lm.fused "linear" (%x, %w) : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32> {
    ^bb0(%i: tensor<?x4xf32>, %j: tensor<8x4xf32>):
      %r = lm.linear %i, %j : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
      lm.yield %r : tensor<?x8xf32>
    }
    lm.return %y : tensor<?x8xf32>
  }
}

// -----

// Logits of another vocabulary.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 9 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.kv_state @kv layers(1) : !lm.kv<1x16x1x4xf32>
  // expected-error @below {{expects logits of the model's 9 columns}}
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

// -----

// A layer appended to twice.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.kv_state @kv layers(1) : !lm.kv<1x16x1x4xf32>
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x16x1x4xf32>
    lm.kv_append %kv, %x, %x, %positions, %slots : !lm.kv<1x16x1x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>
    // expected-error @below {{appends to layer 0 of the KV cache a second time}}
    lm.kv_append %kv, %x, %x, %positions, %slots : !lm.kv<1x16x1x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>
    %a = lm.attention %x, %kv, %positions, %slots heads(1) scale(0.5) alibi none : (tensor<?x4xf32>, !lm.kv<1x16x1x4xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x4xf32>
    %y = lm.linear %a, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    lm.return %y : tensor<?x8xf32>
  }
}

// -----

// Attention before the append.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.kv_state @kv layers(1) : !lm.kv<1x16x1x4xf32>
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x16x1x4xf32>
    // expected-error @below {{attends to layer 0 of the KV cache before its keys are appended}}
    %a = lm.attention %x, %kv, %positions, %slots heads(1) scale(0.5) alibi none : (tensor<?x4xf32>, !lm.kv<1x16x1x4xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x4xf32>
    lm.kv_append %kv, %x, %x, %positions, %slots : !lm.kv<1x16x1x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>
    %y = lm.linear %a, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    lm.return %y : tensor<?x8xf32>
  }
}

// -----

// A layer that nothing attends to.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.kv_state @kv layers(1) : !lm.kv<1x16x1x4xf32>
  // expected-error @below {{never attends to layer 0 of the KV cache}}
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x16x1x4xf32>
    lm.kv_append %kv, %x, %x, %positions, %slots : !lm.kv<1x16x1x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>
    %y = lm.linear %x, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    lm.return %y : tensor<?x8xf32>
  }
}

// -----

// A weight that nothing uses.
lm.model @m attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  // expected-error @below {{is never used}}
  lm.weight @spare : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
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

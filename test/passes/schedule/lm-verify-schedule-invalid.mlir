// RUN: stoop-opt %s --lm-verify-schedule --split-input-file --verify-diagnostics

// No schedule.
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.fused "embedding" (%tokens, %w) {plan.schedule = #plan.schedule<"embedding", source = "forced", tunables = {}>}
        : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xf32>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    // expected-error @below {{has no plan.schedule}}
    %y = lm.fused "linear" (%x, %w) : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1x8xf32>, %j: tensor<8x8xf32>):
      %r = lm.linear %i, %j : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    lm.return %y : tensor<1x8xf32>
  }
}

// -----

// A template that the target does not have.
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.fused "embedding" (%tokens, %w) {plan.schedule = #plan.schedule<"embedding", source = "forced", tunables = {}>}
        : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xf32>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    // expected-error @below {{names template 'wgmma', which target 'cpu' does not have}}
    %y = lm.fused "linear" (%x, %w) {plan.schedule = #plan.schedule<"wgmma", source = "forced", tunables = {}>}
        : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1x8xf32>, %j: tensor<8x8xf32>):
      %r = lm.linear %i, %j : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    lm.return %y : tensor<1x8xf32>
  }
}

// -----

// A template for another kind.
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.fused "embedding" (%tokens, %w) {plan.schedule = #plan.schedule<"embedding", source = "forced", tunables = {}>}
        : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xf32>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    // expected-error @below {{of kind 'linear' names template 'norm', which is for kind 'norm'}}
    %y = lm.fused "linear" (%x, %w) {plan.schedule = #plan.schedule<"norm", source = "forced", tunables = {}>}
        : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1x8xf32>, %j: tensor<8x8xf32>):
      %r = lm.linear %i, %j : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    lm.return %y : tensor<1x8xf32>
  }
}

// -----

// A tunable that is missing.
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.fused "embedding" (%tokens, %w) {plan.schedule = #plan.schedule<"embedding", source = "forced", tunables = {}>}
        : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xf32>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    // expected-error @below {{expects tunable 'prefetch' of template 'linear'}}
    %y = lm.fused "linear" (%x, %w) {plan.schedule = #plan.schedule<"linear", source = "forced", tunables = {}>}
        : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1x8xf32>, %j: tensor<8x8xf32>):
      %r = lm.linear %i, %j : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    lm.return %y : tensor<1x8xf32>
  }
}

// -----

// A tunable out of bounds.
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.fused "embedding" (%tokens, %w) {plan.schedule = #plan.schedule<"embedding", source = "forced", tunables = {}>}
        : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xf32>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    // expected-error @below {{expects tunable 'prefetch' between 0 and 65536, got 65537}}
    %y = lm.fused "linear" (%x, %w) {plan.schedule = #plan.schedule<"linear", source = "forced", tunables = {block_panels = 8 : i64, prefetch = 65537 : i64}>}
        : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1x8xf32>, %j: tensor<8x8xf32>):
      %r = lm.linear %i, %j : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    lm.return %y : tensor<1x8xf32>
  }
}

// -----

// A tunable that the template does not have.
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.fused "embedding" (%tokens, %w) {plan.schedule = #plan.schedule<"embedding", source = "forced", tunables = {}>}
        : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xf32>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    // expected-error @below {{has tunable 'unroll', which template 'linear' does not have}}
    %y = lm.fused "linear" (%x, %w) {plan.schedule = #plan.schedule<"linear", source = "forced", tunables = {block_panels = 8 : i64, prefetch = 0 : i64, unroll = 4 : i64}>}
        : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1x8xf32>, %j: tensor<8x8xf32>):
      %r = lm.linear %i, %j : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    lm.return %y : tensor<1x8xf32>
  }
}

// -----

// A tunable of other numbers of rows.
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.fused "embedding" (%tokens, %w) {plan.schedule = #plan.schedule<"embedding", source = "forced", tunables = {}>}
        : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xf32>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    // expected-error @below {{has tunable 'block_rows', which template 'linear' does not have for 1 row}}
    %y = lm.fused "linear" (%x, %w) {plan.schedule = #plan.schedule<"linear", source = "forced", tunables = {block_panels = 8 : i64, prefetch = 0 : i64, block_rows = 48 : i64}>}
        : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1x8xf32>, %j: tensor<8x8xf32>):
      %r = lm.linear %i, %j : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    lm.return %y : tensor<1x8xf32>
  }
}

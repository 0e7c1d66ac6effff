// RUN: stoop-opt %s --plan-lower-fused --split-input-file --verify-diagnostics

// An entry that phase graph has not made static.
lm.model @dynamic attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  // expected-error @below {{of kind forward cannot be planned; run phase graph first}}
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    lm.return %x : tensor<?x8xf32>
  }
}

// -----

// An op that phase fused has not put in a region.
lm.model @unfused attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    // expected-error @below {{is not in a region; run phase fused first}}
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    lm.return %x : tensor<1x8xf32>
  }
}

// -----

// A region without a schedule.
lm.model @unscheduled attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    // expected-error @below {{has no plan.schedule; run phase scheduled first}}
    %x = lm.fused "embedding" (%tokens, %w) : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xf32>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    lm.return %x : tensor<1x8xf32>
  }
}

// -----

// Logits that are a part of another buffer have no place of their own.
lm.model @view attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 4 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x4xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.fused "embedding" (%tokens, %w) {plan.schedule = #plan.schedule<"embedding", source = "heuristic", tunables = {}>}
        : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xf32>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    %v = lm.view %x[0] : tensor<1x8xf32> -> tensor<1x4xf32>
    // expected-error @below {{expects results that regions write, each its own}}
    lm.return %v : tensor<1x4xf32>
  }
}

// RUN: stoop-opt %s --lm-select-schedule="target=cuda" | FileCheck %s

// Which template a region gets on the GPU, and which predicate sends it to another one.
lm.model @m attributes {family = "f", dtype = bf16, hidden = 128 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 1 : i64, head_dim = 64 : i64, ffn = 8 : i64, vocab = 128 : i64, max_positions = 64 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<128x128xbf16> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = bf16, rows = 128, cols = 128>])
  lm.kv_state @kv layers(1) : !lm.kv<1x64x1x64xbf16>
  lm.kv_state @wide layers(1) : !lm.kv<1x64x1x128xf32>
  lm.kv_state @odd layers(1) : !lm.kv<1x64x32x4xbf16>

  // Few rows: weights are streamed; attention of a decode step splits the keys over the multiprocessors.
  // CHECK-LABEL: lm.entry decode @decode_b1
  // CHECK: lm.fused "embedding"{{.*}}<"embedding_rows", source = "heuristic", tunables = {}>
  // 8 strips of 4 tiles are no equal parts for 108 multiprocessors: they are cut anywhere.
  // CHECK: lm.fused "linear"{{.*}}<"linear_stream", source = "heuristic", tunables = {slice = 1 : i64, split = 1 : i64, stages = 8 : i64, trigger = 50 : i64}>
  // CHECK: lm.fused "attention"{{.*}}<"attention_flash", source = "heuristic", tunables = {least_split_keys = 128 : i64, row_tile = 1 : i64, splits = 1 : i64}>
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x128xf32> {
    %w = lm.load_weight @w : tensor<128x128xbf16>
    %x = lm.fused "embedding" (%tokens, %w) : (tensor<1xi32>, tensor<128x128xbf16>) -> tensor<1x128xbf16> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<128x128xbf16>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<128x128xbf16>) -> tensor<1x128xbf16>
      lm.yield %r : tensor<1x128xbf16>
    }
    %y = lm.fused "linear" (%x, %w) : (tensor<1x128xbf16>, tensor<128x128xbf16>) -> tensor<1x128xbf16> {
    ^bb0(%i: tensor<1x128xbf16>, %j: tensor<128x128xbf16>):
      %r = lm.linear %i, %j : (tensor<1x128xbf16>, tensor<128x128xbf16>) -> tensor<1x128xbf16>
      lm.yield %r : tensor<1x128xbf16>
    }
    %c = lm.kv_view @kv[0] : !lm.kv<1x64x1x64xbf16>
    %a = lm.fused "attention" (%y, %c, %positions, %slots) : (tensor<1x128xbf16>, !lm.kv<1x64x1x64xbf16>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x128xbf16> {
    ^bb0(%q: tensor<1x128xbf16>, %k: !lm.kv<1x64x1x64xbf16>, %p: tensor<1xi32>, %s: tensor<1xi32>):
      %r = lm.attention %q, %k, %p, %s heads(2) scale(0.125) alibi none : (tensor<1x128xbf16>, !lm.kv<1x64x1x64xbf16>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x128xbf16>
      lm.yield %r : tensor<1x128xbf16>
    }
    %h = lm.fused "linear" (%a, %w) : (tensor<1x128xbf16>, tensor<128x128xbf16>) -> tensor<1x128xf32> {
    ^bb0(%i: tensor<1x128xbf16>, %j: tensor<128x128xbf16>):
      %r = lm.linear %i, %j : (tensor<1x128xbf16>, tensor<128x128xbf16>) -> tensor<1x128xf32>
      lm.yield %r : tensor<1x128xf32>
    }
    // CHECK: lm.fused "linear"{{.*}}<"linear_stream",
    // Weights of float32 activations are multiplied in float32.
    // CHECK: lm.fused "linear"{{.*}}<"linear_small", source = "heuristic", tunables = {columns_per_warp = 2 : i64}>
    %e = lm.fused "linear" (%h, %w) : (tensor<1x128xf32>, tensor<128x128xbf16>) -> tensor<1x128xf32> {
    ^bb0(%i: tensor<1x128xf32>, %j: tensor<128x128xbf16>):
      %r = lm.linear %i, %j : (tensor<1x128xf32>, tensor<128x128xbf16>) -> tensor<1x128xf32>
      lm.yield %r : tensor<1x128xf32>
    }
    lm.return %e : tensor<1x128xf32>
  }

  // Many rows: tensor cores where both factors are of one narrow type. Weights of float32 activations, caches of another
  // type and heads that are no multiple of 16 bytes take float32 arithmetic.
  // CHECK-LABEL: lm.entry prefill @prefill_32
  // CHECK: lm.fused "linear"{{.*}}<"linear_mma", source = "heuristic", tunables = {splits = 1 : i64, stages = 3 : i64, tile_columns = 64 : i64}>
  // CHECK: lm.fused "attention"{{.*}}<"attention_mma", source = "heuristic", tunables = {key_tile = 64 : i64, row_fragments = 1 : i64}>
  // CHECK: lm.fused "attention"{{.*}}<"attention_flash", source = "heuristic", tunables = {least_split_keys = 128 : i64, row_tile = 32 : i64, splits = 1 : i64}>
  // CHECK: lm.fused "attention"{{.*}}<"attention_flash", source = "heuristic", tunables = {least_split_keys = 128 : i64, row_tile = 32 : i64, splits = 1 : i64}>
  // CHECK: lm.fused "linear"{{.*}}<"linear_mma",
  // CHECK: lm.fused "linear"{{.*}}<"linear_fma", source = "heuristic", tunables = {tile_columns = 64 : i64}>
  lm.entry prefill @prefill_32(%tokens: tensor<32xi32>, %positions: tensor<32xi32>, %slots: tensor<32xi32>) -> tensor<32x128xf32> {
    %w = lm.load_weight @w : tensor<128x128xbf16>
    %x = lm.fused "embedding" (%tokens, %w) : (tensor<32xi32>, tensor<128x128xbf16>) -> tensor<32x128xbf16> {
    ^bb0(%i: tensor<32xi32>, %j: tensor<128x128xbf16>):
      %r = lm.embedding %i, %j : (tensor<32xi32>, tensor<128x128xbf16>) -> tensor<32x128xbf16>
      lm.yield %r : tensor<32x128xbf16>
    }
    %y = lm.fused "linear" (%x, %w) : (tensor<32x128xbf16>, tensor<128x128xbf16>) -> tensor<32x128xbf16> {
    ^bb0(%i: tensor<32x128xbf16>, %j: tensor<128x128xbf16>):
      %r = lm.linear %i, %j : (tensor<32x128xbf16>, tensor<128x128xbf16>) -> tensor<32x128xbf16>
      lm.yield %r : tensor<32x128xbf16>
    }
    %c = lm.kv_view @kv[0] : !lm.kv<1x64x1x64xbf16>
    %a = lm.fused "attention" (%y, %c, %positions, %slots) : (tensor<32x128xbf16>, !lm.kv<1x64x1x64xbf16>, tensor<32xi32>, tensor<32xi32>) -> tensor<32x128xbf16> {
    ^bb0(%q: tensor<32x128xbf16>, %k: !lm.kv<1x64x1x64xbf16>, %p: tensor<32xi32>, %s: tensor<32xi32>):
      %r = lm.attention %q, %k, %p, %s heads(2) scale(0.125) alibi none : (tensor<32x128xbf16>, !lm.kv<1x64x1x64xbf16>, tensor<32xi32>, tensor<32xi32>) -> tensor<32x128xbf16>
      lm.yield %r : tensor<32x128xbf16>
    }
    %f = lm.kv_view @wide[0] : !lm.kv<1x64x1x128xf32>
    %b = lm.fused "attention" (%a, %f, %positions, %slots) : (tensor<32x128xbf16>, !lm.kv<1x64x1x128xf32>, tensor<32xi32>, tensor<32xi32>) -> tensor<32x128xbf16> {
    ^bb0(%q: tensor<32x128xbf16>, %k: !lm.kv<1x64x1x128xf32>, %p: tensor<32xi32>, %s: tensor<32xi32>):
      %r = lm.attention %q, %k, %p, %s heads(1) scale(0.125) alibi none : (tensor<32x128xbf16>, !lm.kv<1x64x1x128xf32>, tensor<32xi32>, tensor<32xi32>) -> tensor<32x128xbf16>
      lm.yield %r : tensor<32x128xbf16>
    }
    %o = lm.kv_view @odd[0] : !lm.kv<1x64x32x4xbf16>
    %d = lm.fused "attention" (%b, %o, %positions, %slots) : (tensor<32x128xbf16>, !lm.kv<1x64x32x4xbf16>, tensor<32xi32>, tensor<32xi32>) -> tensor<32x128xbf16> {
    ^bb0(%q: tensor<32x128xbf16>, %k: !lm.kv<1x64x32x4xbf16>, %p: tensor<32xi32>, %s: tensor<32xi32>):
      %r = lm.attention %q, %k, %p, %s heads(32) scale(0.5) alibi none : (tensor<32x128xbf16>, !lm.kv<1x64x32x4xbf16>, tensor<32xi32>, tensor<32xi32>) -> tensor<32x128xbf16>
      lm.yield %r : tensor<32x128xbf16>
    }
    %n = lm.fused "linear" (%d, %w) : (tensor<32x128xbf16>, tensor<128x128xbf16>) -> tensor<32x128xf32> {
    ^bb0(%i: tensor<32x128xbf16>, %j: tensor<128x128xbf16>):
      %r = lm.linear %i, %j : (tensor<32x128xbf16>, tensor<128x128xbf16>) -> tensor<32x128xf32>
      lm.yield %r : tensor<32x128xf32>
    }
    %e = lm.fused "linear" (%n, %w) : (tensor<32x128xf32>, tensor<128x128xbf16>) -> tensor<32x128xf32> {
    ^bb0(%i: tensor<32x128xf32>, %j: tensor<128x128xbf16>):
      %r = lm.linear %i, %j : (tensor<32x128xf32>, tensor<128x128xbf16>) -> tensor<32x128xf32>
      lm.yield %r : tensor<32x128xf32>
    }
    lm.return %e : tensor<32x128xf32>
  }
}

// RUN: stoop-opt %s --split-input-file --verify-diagnostics --allow-unregistered-dialect
// One case per labelled constraint of the lm ops; the constraint is in the symbol's name.

module {
  // expected-error @below {{expects a positive layers, got 0}}
  lm.model @model_positive_dims attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 0 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  }
}

// -----

module {
  // expected-error @below {{expects heads to be a multiple of kv_heads, got 3 and 2}}
  lm.model @model_grouped_heads attributes {family = "falcon", dtype = f32, hidden = 12 : i64, layers = 1 : i64, heads = 3 : i64, kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  }
}

// -----

lm.model @m attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  // expected-error @below {{expects either sources or a generator}}
  lm.weight @weight_c1_origin : tensor<8xf32>
}

// -----

lm.model @m attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  // expected-error @below {{expects sources of 256 elements, got 128}}
  lm.weight @weight_c2_shape : tensor<32x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 16, cols = 8>])
}

// -----

lm.model @m attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  // expected-error @below {{expects 8 columns of source 'w', got 16}}
  lm.weight @weight_c2_columns : tensor<32x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 16, cols = 16>])
}

// -----

lm.model @m attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  // expected-error @below {{expects a layout of 32 rows, got 16}}
  lm.weight @weight_c3_layout : tensor<32x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 32, cols = 8>]) layout(#lm.qkv_layout<groups = 1, queries = 2, headDim = 4>)
}

// -----

lm.model @m attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  // expected-error @below {{expects the generator's shape 64x4, got 'tensor<32x4xf32>'}}
  lm.weight @weight_c4_generator : tensor<32x4xf32> generator(#lm.rope_table<invFreq = [1.0, 0.5], factor = 1.0 : f32, positions = 64, round = "none">)
}

// -----

lm.model @m attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  // expected-error @below {{expects the name of a quantisation scheme as encoding, got "int3"}}
  lm.weight @weight_c5_scheme : tensor<32x8xf32, "int3"> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 32, cols = 8>])
}

// -----

lm.model @m attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  // expected-error @below {{expects a quantised weight to be a float32 matrix with sources, got 'tensor<32x8xbf16, "int8">'}}
  lm.weight @weight_c5_element : tensor<32x8xbf16, "int8"> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 32, cols = 8>])
}

// -----

lm.model @m attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  // expected-error @below {{expects codes, zeros and scales of quantised matrices with 32 rows in all, got 3 sources with 16 rows}}
  lm.weight @weight_c6_rows : tensor<32x8xf32, "int4-g32"> sources([#lm.source<key = "q", file = "f", offset = 0, dtype = i32, rows = 1, cols = 16>, #lm.source<key = "z", file = "f", offset = 64, dtype = i32, rows = 1, cols = 2>, #lm.source<key = "s", file = "f", offset = 72, dtype = f16, rows = 1, cols = 16>]) {lm.stored_form = "gptq"}
}

// -----

lm.model @m attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  lm.entry forward @load_weight_c1_symbol(%t: tensor<1xi32>, %p: tensor<1xi32>, %s: tensor<1xi32>) -> tensor<1x32xf32> {
    // expected-error @below {{names no weight: @nothing}}
    %w = lm.load_weight @nothing : tensor<1x32xf32>
    lm.return %w : tensor<1x32xf32>
  }
}

// -----

lm.model @m attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<1x16xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 1, cols = 16>])
  lm.entry forward @load_weight_c2_type(%t: tensor<1xi32>, %p: tensor<1xi32>, %s: tensor<1xi32>) -> tensor<1x32xf32> {
    // expected-error @below {{expects the weight's type 'tensor<1x16xf32>', got 'tensor<1x32xf32>'}}
    %w = lm.load_weight @w : tensor<1x32xf32>
    lm.return %w : tensor<1x32xf32>
  }
}

// -----

lm.model @m attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  lm.kv_state @kv layers(1) : !lm.kv<1x64x1x4xf32>
  lm.entry forward @kv_view_c2_layer(%t: tensor<1xi32>, %p: tensor<1xi32>, %s: tensor<1xi32>) -> tensor<1x4xf32> {
    // expected-error @below {{expects a layer below 1, got 1}}
    %kv = lm.kv_view @kv[1] : !lm.kv<1x64x1x4xf32>
    %q = "test.source"() : () -> tensor<1x4xf32>
    lm.return %q : tensor<1x4xf32>
  }
}

// -----

lm.model @m attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64, batch = 1 : i64, metadata = {}} {
  // expected-error @below {{expects tokens, positions and slots of one type tensor<rows x i32>}}
  lm.entry forward @entry_c1_indices(%t: tensor<1xi32>, %p: tensor<2xi32>, %s: tensor<1xi32>) -> tensor<1x32xf32> {
    lm.return
  }
}

// -----

func.func @embedding_c1_columns(%t: tensor<1xi32>, %w: tensor<32x8xf32>) {
  // expected-error @below {{expects 8 columns, as the table, got 4}}
  %x = lm.embedding %t, %w : (tensor<1xi32>, tensor<32x8xf32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @embedding_c2_rows(%t: tensor<1xi32>, %w: tensor<32x8xf32>) {
  // expected-error @below {{expects a result with the rows of 'tensor<1xi32>', got 'tensor<2x8xf32>'}}
  %x = lm.embedding %t, %w : (tensor<1xi32>, tensor<32x8xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @linear_c1_inner_dim(%x: tensor<1x8xf32>, %w: tensor<16x4xf32>) {
  // expected-error @below {{expects 8 columns of the weight, as the input, got 4}}
  %y = lm.linear %x, %w : (tensor<1x8xf32>, tensor<16x4xf32>) -> tensor<1x16xf32>
  return
}

// -----

func.func @linear_c2_outer_dim(%x: tensor<1x8xf32>, %w: tensor<16x8xf32>) {
  // expected-error @below {{expects 16 columns of the result, as rows of the weight, got 8}}
  %y = lm.linear %x, %w : (tensor<1x8xf32>, tensor<16x8xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @linear_c3_rows(%x: tensor<1x8xf32>, %w: tensor<16x8xf32>) {
  // expected-error @below {{expects a result with the rows of}}
  %y = lm.linear %x, %w : (tensor<1x8xf32>, tensor<16x8xf32>) -> tensor<2x16xf32>
  return
}

// -----

func.func @norm_c1_shapes(%x: tensor<1x8xf32>, %g: tensor<8xf32>) {
  // expected-error @below {{expects 8 columns, as the input, got 4}}
  %y = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x4xbf16>
  return
}

// -----

func.func @norm_c2_features(%x: tensor<1x8xf32>, %g: tensor<4xf32>) {
  // expected-error @below {{expects 8 elements of scale, got 4}}
  %y = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<4xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @norm_c3_bias(%x: tensor<1x8xf32>, %g: tensor<8xf32>) {
  // expected-error @below {{expects a bias exactly for a layer norm}}
  %y = lm.norm layer %x, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @bias_c2_features(%x: tensor<1x8xf32>, %b: tensor<4xf32>) {
  // expected-error @below {{expects 8 elements of the vector, got 4}}
  %y = lm.bias %x, %b : (tensor<1x8xf32>, tensor<4xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @view_c1_range(%x: tensor<1x8xf32>) {
  // expected-error @below {{expects a range within 8 columns, got [6, 10)}}
  %y = lm.view %x[6] : tensor<1x8xf32> -> tensor<1x4xf32>
  return
}

// -----

func.func @view_c2_element(%x: tensor<1x8xf32>) {
  // expected-error @below {{expects element type 'f32', got 'bf16'}}
  %y = lm.view %x[0] : tensor<1x8xf32> -> tensor<1x4xbf16>
  return
}

// -----

func.func @block_max_c1(%x: tensor<4x40xf32>) {
  // expected-error @below {{expects 3 columns, one for a block of the input, got 2}}
  %y = lm.block_max %x : tensor<4x40xf32> -> tensor<4x2xf32>
  return
}

// -----

func.func @block_max_c2(%x: tensor<4x40xf32>) {
  // expected-error @below {{expects a result with the rows of 'tensor<4x40xf32>', got 'tensor<3x3xf32>'}}
  %y = lm.block_max %x : tensor<4x40xf32> -> tensor<3x3xf32>
  return
}

// -----

func.func @block_max_c3(%x: tensor<4x40xbf16>) {
  // expected-error @below {{expects a float32 result, got 'tensor<4x3xbf16>'}}
  %y = lm.block_max %x : tensor<4x40xbf16> -> tensor<4x3xbf16>
  return
}

// -----

func.func @block_moments_c1(%x: tensor<4x40xf32>) {
  // expected-error @below {{expects 6 columns, the numbers of each block of the input, got 3}}
  %y = lm.block_moments layer %x by 16 : tensor<4x40xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @block_moments_c2(%x: tensor<4x40xf32>) {
  // expected-error @below {{expects a result with the rows of 'tensor<4x40xf32>', got 'tensor<3x3xf32>'}}
  %y = lm.block_moments rms %x by 16 : tensor<4x40xf32> -> tensor<3x3xf32>
  return
}

// -----

func.func @block_moments_c3(%x: tensor<4x40xbf16>) {
  // expected-error @below {{expects a float32 result, got 'tensor<4x3xbf16>'}}
  %y = lm.block_moments rms %x by 16 : tensor<4x40xbf16> -> tensor<4x3xbf16>
  return
}

// -----

func.func @block_moments_c4(%x: tensor<4x40xf32>) {
  // expected-error @below {{expects blocks of one column or more, got 0}}
  %y = lm.block_moments rms %x by 0 : tensor<4x40xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @norm_c4_of_another_value(%x: tensor<4x40xf32>, %z: tensor<4x40xf32>, %g: tensor<40xf32>) {
  %m = lm.block_moments rms %z by 16 : tensor<4x40xf32> -> tensor<4x3xf32>
  // expected-error @below {{expects moments of its input, for its kind of norm and its blocks}}
  %y = lm.norm rms %x, %g moments(%m by 16) eps(1.0e-5) : (tensor<4x40xf32>, tensor<40xf32>, tensor<4x3xf32>) -> tensor<4x40xf32>
  return
}

// -----

func.func @norm_c4_of_other_blocks(%x: tensor<4x40xf32>, %m: tensor<4x3xf32>, %g: tensor<40xf32>) {
  // expected-error @below {{expects 2 columns of moments, got 3}}
  %y = lm.norm rms %x, %g moments(%m by 32) eps(1.0e-5) : (tensor<4x40xf32>, tensor<40xf32>, tensor<4x3xf32>) -> tensor<4x40xf32>
  return
}

// -----

func.func @norm_c4_half(%x: tensor<4x40xf32>, %g: tensor<40xf32>) {
  // expected-error @below {{expects moments and a positive block, or neither}}
  %y = lm.norm rms %x, %g eps(1.0e-5) {block = 16 : i64} : (tensor<4x40xf32>, tensor<40xf32>) -> tensor<4x40xf32>
  return
}

// -----

func.func @gather_last_c1(%x: tensor<4x8xf32>) {
  // expected-error @below {{expects a result of type 'tensor<1x8xf32>', got 'tensor<2x8xf32>'}}
  %y = lm.gather_last %x : tensor<4x8xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @rope_c2_even_head_dim(%x: tensor<1x6xf32>, %p: tensor<1xi32>, %t: tensor<64x3xf32>) {
  // expected-error @below {{expects features to be heads times an even head dimension, got 6 features and 2 heads}}
  %y = lm.rope %x, %p, %t heads(2) : (tensor<1x6xf32>, tensor<1xi32>, tensor<64x3xf32>) -> tensor<1x6xf32>
  return
}

// -----

func.func @rope_c3_table(%x: tensor<1x8xf32>, %p: tensor<1xi32>, %t: tensor<64x8xf32>) {
  // expected-error @below {{expects 4 columns of the table, got 8}}
  %y = lm.rope %x, %p, %t heads(2) : (tensor<1x8xf32>, tensor<1xi32>, tensor<64x8xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @kv_append_c1_columns(%kv: !lm.kv<1x64x1x4xf32>, %k: tensor<1x8xf32>, %p: tensor<1xi32>) {
  // expected-error @below {{expects 4 columns, heads x head_dim of the cache, got 8}}
  lm.kv_append %kv, %k, %k, %p, %p : !lm.kv<1x64x1x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1xi32>, tensor<1xi32>
  return
}

// -----

func.func @attention_c1_features(%kv: !lm.kv<1x64x1x4xf32>, %q: tensor<1x4xf32>, %p: tensor<1xi32>) {
  // expected-error @below {{expects 8 query columns, heads x head_dim, got 4}}
  %a = lm.attention %q, %kv, %p, %p heads(2) scale(0.5) alibi none : (tensor<1x4xf32>, !lm.kv<1x64x1x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @attention_c2_groups(%kv: !lm.kv<1x64x2x4xf32>, %q: tensor<1x12xf32>, %p: tensor<1xi32>) {
  // expected-error @below {{expects heads to be a multiple of 2 KV heads, got 3}}
  %a = lm.attention %q, %kv, %p, %p heads(3) scale(0.5) alibi none : (tensor<1x12xf32>, !lm.kv<1x64x2x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x12xf32>
  return
}

// -----

func.func @attention_c3_slopes(%kv: !lm.kv<1x64x1x4xf32>, %q: tensor<1x8xf32>, %p: tensor<1xi32>) {
  // expected-error @below {{expects 2 ALiBi slopes, got 0}}
  %a = lm.attention %q, %kv, %p, %p heads(2) scale(0.5) alibi exact : (tensor<1x8xf32>, !lm.kv<1x64x1x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @fused_c1_arguments(%x: tensor<1x8xf32>) {
  // expected-error @below {{expects block arguments of the inputs' types}}
  %y = lm.fused "elementwise"(%x) : (tensor<1x8xf32>) -> tensor<1x4xf32> {
  ^bb0(%a: tensor<1x4xf32>):
    lm.yield %a : tensor<1x4xf32>
  }
  return
}

// -----

func.func @fused_c2_results(%x: tensor<1x8xf32>) {
  // expected-error @below {{expects an lm.yield of the result types}}
  %y = lm.fused "elementwise"(%x) : (tensor<1x8xf32>) -> tensor<1x4xf32> {
  ^bb0(%a: tensor<1x8xf32>):
    lm.yield %a : tensor<1x8xf32>
  }
  return
}

// -----

// expected-error @below {{expected batch x positions x heads x head_dim x float type}}
func.func private @kv_type(!lm.kv<64x1x4xf32>)

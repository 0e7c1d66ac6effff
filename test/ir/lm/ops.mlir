// RUN: stoop-opt %s --verify-roundtrip | FileCheck %s
// Every lm op, as the model would be imported, survives printing and parsing.

// CHECK-LABEL: lm.model @tiny
lm.model @tiny attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 32 : i64, max_positions = 64 : i64,
    batch = 1 : i64, metadata = {name = "tiny"}} {
  // CHECK: lm.weight @embed : tensor<32x8xbf16> sources([#lm.source<key = "w", file = "m.safetensors", offset = 64, dtype = bf16, rows = 32, cols = 8>])
  lm.weight @embed : tensor<32x8xbf16> sources([#lm.source<key = "w", file = "m.safetensors", offset = 64, dtype = bf16, rows = 32, cols = 8>])
  // CHECK: lm.weight @qkv : tensor<16x8xf32> sources({{.*}}) layout(<groups = 1, queries = 2, headDim = 4>)
  lm.weight @qkv : tensor<16x8xf32> sources([#lm.source<key = "q", file = "m.safetensors", offset = 576, dtype = f32, rows = 16, cols = 8>]) layout(#lm.qkv_layout<groups = 1, queries = 2, headDim = 4>)
  lm.weight @out : tensor<8x8xf32> sources([#lm.source<key = "o", file = "m.safetensors", offset = 1088, dtype = f32, rows = 8, cols = 8>])
  // CHECK: lm.weight @scale : tensor<8xf32> sources({{.*}}) round(bf16)
  lm.weight @scale : tensor<8xf32> sources([#lm.source<key = "g", file = "m.safetensors", offset = 1344, dtype = f32, rows = 1, cols = 8>]) round(bf16)
  lm.weight @shift : tensor<8xf32> sources([#lm.source<key = "b", file = "m.safetensors", offset = 1376, dtype = f32, rows = 1, cols = 8>])
  // Floats keep their bits through the text: 0.01 is not what float32 holds.
  // CHECK: lm.weight @rope : tensor<64x4xf32> generator(<invFreq = [1.000000e+00, 0.00999999977], factor = 1.000000e+00 : f32, positions = 64, round = "none">)
  lm.weight @rope : tensor<64x4xf32> generator(#lm.rope_table<invFreq = [1.0, 0.01], factor = 1.0 : f32, positions = 64, round = "none">)
  // CHECK: lm.kv_state @kv layers(1) : !lm.kv<1x64x1x4xf32>
  lm.kv_state @kv layers(1) : !lm.kv<1x64x1x4xf32>

  // CHECK: lm.entry forward @forward(%{{.*}}: tensor<?xi32>, %{{.*}}: tensor<?xi32>, %{{.*}}: tensor<?xi32>) -> tensor<?x32xf32> {
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x32xf32> {
    %embed = lm.load_weight @embed : tensor<32x8xbf16>
    %x = lm.embedding %tokens, %embed : (tensor<?xi32>, tensor<32x8xbf16>) -> tensor<?x8xf32>
    %g = lm.load_weight @scale : tensor<8xf32>
    %b = lm.load_weight @shift : tensor<8xf32>
    // CHECK: lm.norm layer %{{.*}}, %{{.*}}, %{{.*}} eps(9.99999974E-6)
    %n = lm.norm layer %x, %g, %b eps(1.0e-5) : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    // CHECK: lm.norm rms %{{.*}}, %{{.*}} eps(
    %r = lm.norm rms %x, %g eps(1.0e-5) : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %wqkv = lm.load_weight @qkv : tensor<16x8xf32>
    %qkv = lm.linear %n, %wqkv : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
    // CHECK: lm.view %{{.*}}[8] : tensor<?x16xf32> -> tensor<?x4xf32>
    %q = lm.view %qkv[0] : tensor<?x16xf32> -> tensor<?x8xf32>
    %k = lm.view %qkv[8] : tensor<?x16xf32> -> tensor<?x4xf32>
    %v = lm.view %qkv[12] : tensor<?x16xf32> -> tensor<?x4xf32>
    %rope = lm.load_weight @rope : tensor<64x4xf32>
    // CHECK: lm.rope %{{.*}}, %{{.*}}, %{{.*}} heads(2)
    %q2 = lm.rope %q, %positions, %rope heads(2) : (tensor<?x8xf32>, tensor<?xi32>, tensor<64x4xf32>) -> tensor<?x8xf32>
    // CHECK: lm.kv_view @kv[0] : <1x64x1x4xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x64x1x4xf32>
    // CHECK: lm.kv_append
    lm.kv_append %kv, %k, %v, %positions, %slots : !lm.kv<1x64x1x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>
    // CHECK: lm.attention %{{.*}} heads(2) scale(5.000000e-01) alibi hf slopes([6.250000e-02, 3.906250e-03])
    %a = lm.attention %q2, %kv, %positions, %slots heads(2) scale(0.5) alibi hf slopes([0.0625, 0.00390625])
        : (tensor<?x8xf32>, !lm.kv<1x64x1x4xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x8xf32>
    %wout = lm.load_weight @out : tensor<8x8xf32>
    %o = lm.linear %a, %wout : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    // CHECK: lm.bias
    %ob = lm.bias %o, %b : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    // CHECK: lm.activation gelu_tanh %{{.*}} : tensor<?x8xf32>
    %act = lm.activation gelu_tanh %ob : tensor<?x8xf32>
    // CHECK: lm.binary add
    %sum = lm.binary add %x, %act : tensor<?x8xf32>
    %logits = lm.linear %sum, %embed : (tensor<?x8xf32>, tensor<32x8xbf16>) -> tensor<?x32xf32>
    lm.return %logits : tensor<?x32xf32>
  }

  // CHECK: lm.entry prefill @prefill_16
  lm.entry prefill @prefill_16(%tokens: tensor<16xi32>, %positions: tensor<16xi32>, %slots: tensor<16xi32>) -> tensor<1x32xf32> {
    %embed = lm.load_weight @embed : tensor<32x8xbf16>
    // CHECK: lm.fused "embedding"
    %x = lm.fused "embedding"(%tokens, %embed) : (tensor<16xi32>, tensor<32x8xbf16>) -> tensor<16x8xf32> {
    ^bb0(%t: tensor<16xi32>, %w: tensor<32x8xbf16>):
      %0 = lm.embedding %t, %w : (tensor<16xi32>, tensor<32x8xbf16>) -> tensor<16x8xf32>
      lm.yield %0 : tensor<16x8xf32>
    }
    // CHECK: lm.block_max %{{.*}} : tensor<16x8xf32> -> tensor<16x1xf32>
    %max = lm.block_max %x : tensor<16x8xf32> -> tensor<16x1xf32>
    // CHECK: %[[M:.*]] = lm.block_moments rms %[[X:.*]] by 3 : tensor<16x8xf32> -> tensor<16x3xf32>
    %moments = lm.block_moments rms %x by 3 : tensor<16x8xf32> -> tensor<16x3xf32>
    %scale = lm.load_weight @scale : tensor<8xf32>
    // CHECK: lm.norm rms %[[X]], %{{.*}} moments(%[[M]] by 3) eps(9.99999974E-6) : (tensor<16x8xf32>, tensor<8xf32>, tensor<16x3xf32>) -> tensor<16x8xf32>
    %normed = lm.norm rms %x, %scale moments(%moments by 3) eps(1.0e-5) : (tensor<16x8xf32>, tensor<8xf32>, tensor<16x3xf32>) -> tensor<16x8xf32>
    // CHECK: lm.gather_last
    %last = lm.gather_last %x : tensor<16x8xf32> -> tensor<1x8xf32>
    %logits = lm.linear %last, %embed : (tensor<1x8xf32>, tensor<32x8xbf16>) -> tensor<1x32xf32>
    lm.return %logits : tensor<1x32xf32>
  }
}

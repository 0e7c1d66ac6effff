// RUN: stoop-opt %s --lm-fuse-epilogue --lm-form-fused-regions --remarks-filter=fusion --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s

// What joined, and why the rest stays alone: both name the entry and the model path.
// CHECK: "layers.0.mlp.up.bias"{{.*}}[Passed] lm-fuse-epilogue | Category:fusion | Function=decode_b1 | {{.*}}op=lm.bias
// CHECK: "layers.0.mlp.act"{{.*}}[Missed] lm-form-fused-regions | Category:fusion | Function=decode_b1 | {{.*}}the result of the region in front has 2 uses
// CHECK: "layers.0.gate"{{.*}}[Missed] lm-form-fused-regions | {{.*}}a region of kind 'embedding' takes no epilogue
// CHECK: "layers.0.part"{{.*}}[Missed] lm-form-fused-regions | {{.*}}it uses a part of the columns that the region in front makes
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @b : tensor<8xf32> sources([#lm.source<key = "b", file = "f", offset = 256, dtype = f32, rows = 1, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %m = lm.bias %l, %b : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32> loc("layers.0.mlp.up.bias")
    %a = lm.activation gelu %m : tensor<1x8xf32> loc("layers.0.mlp.act")
    %n = lm.linear %a, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %k = lm.norm rms %m, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    %g = lm.activation relu %x : tensor<1x8xf32> loc("layers.0.gate")
    %p = lm.linear %g, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %v = lm.view %p[4] : tensor<1x8xf32> -> tensor<1x4xf32>
    %q = lm.activation silu %v : tensor<1x4xf32> loc("layers.0.part")
    %y = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }
}

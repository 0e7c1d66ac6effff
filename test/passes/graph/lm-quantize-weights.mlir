// RUN: stoop-opt %s --lm-quantize-weights | FileCheck %s --check-prefix=NONE
// RUN: stoop-opt %s --lm-quantize-weights="scheme=int8" | FileCheck %s --check-prefix=INT8
// RUN: stoop-opt %s --lm-quantize-weights="scheme=int4" | FileCheck %s --check-prefix=INT4
// RUN: stoop-opt %s --lm-quantize-weights="scheme=fp8" | FileCheck %s --check-prefix=FP8
// RUN: stoop-opt %s --lm-quantize-weights="scheme=int4-g128 overrides=layers.*=int4-g32,*.up=none,embed=int4-g128" \
// RUN:   | FileCheck %s --check-prefix=OVERRIDES

// Nothing changes without a scheme.
// NONE-NOT: quantization
// NONE: lm.weight @embed : tensor<8x4xbf16>

// Every matrix, at the weight and at its loads; the vector keeps its values. 8 rows of 4 columns are one panel of 16
// scales and one unit.
// INT8: quantization = [{bytes = 384 : i64, matrices = 3 : i64, scheme = "int8"}]
// INT8: lm.weight @embed : tensor<8x4xf32, "int8">
// INT8: lm.weight @layers.0.up : tensor<4x4xf32, "int8">
// INT8: lm.weight @layers.0.down : tensor<4x4xf32, "int8">
// INT8: lm.weight @bias : tensor<4xf32>
// INT8: lm.load_weight @embed : tensor<8x4xf32, "int8">
// INT8: lm.linear {{.*}} : (tensor<?x4xf32>, tensor<4x4xf32, "int8">) -> tensor<?x4xf32>

// Floats of 8 bits, the vocabulary too.
// FP8: lm.weight @embed : tensor<8x4xf32, "fp8">
// FP8: lm.weight @layers.0.up : tensor<4x4xf32, "fp8">

// The matrix that tokens enter and logits leave by stays at 8 bits.
// INT4: quantization = [{bytes = 128 : i64, matrices = 1 : i64, scheme = "int8"}, {bytes = 208 : i64, matrices = 2 : i64, scheme = "int4-g32"}]
// INT4: lm.weight @embed : tensor<8x4xf32, "int8">
// INT4: lm.weight @layers.0.up : tensor<4x4xf32, "int4-g32">

// The last pattern that matches counts, also against the rule.
// OVERRIDES: lm.weight @embed : tensor<8x4xf32, "int4-g128">
// OVERRIDES: lm.weight @layers.0.up : tensor<4x4xbf16>
// OVERRIDES: lm.weight @layers.0.down : tensor<4x4xf32, "int4-g32">
lm.model @m attributes {family = "f", dtype = bf16, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xbf16> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = bf16, rows = 8, cols = 4>])
  lm.weight @layers.0.up : tensor<4x4xbf16> sources([#lm.source<key = "u", file = "f", offset = 64, dtype = bf16, rows = 4, cols = 4>])
  lm.weight @layers.0.down : tensor<4x4xbf16> sources([#lm.source<key = "d", file = "f", offset = 96, dtype = bf16, rows = 4, cols = 4>])
  lm.weight @bias : tensor<4xf32> sources([#lm.source<key = "b", file = "f", offset = 128, dtype = bf16, rows = 1, cols = 4>])
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xbf16>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xbf16>) -> tensor<?x4xf32>
    %u = lm.load_weight @layers.0.up : tensor<4x4xbf16>
    %a = lm.linear %x, %u : (tensor<?x4xf32>, tensor<4x4xbf16>) -> tensor<?x4xf32>
    %d = lm.load_weight @layers.0.down : tensor<4x4xbf16>
    %b = lm.linear %a, %d : (tensor<?x4xf32>, tensor<4x4xbf16>) -> tensor<?x4xf32>
    %v = lm.load_weight @bias : tensor<4xf32>
    %c = lm.bias %b, %v : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %y = lm.linear %c, %w : (tensor<?x4xf32>, tensor<8x4xbf16>) -> tensor<?x8xf32>
    lm.return %y : tensor<?x8xf32>
  }
}

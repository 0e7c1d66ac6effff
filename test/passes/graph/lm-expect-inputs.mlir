// RUN: stoop-opt %S/../Inputs/sequential.mlir --lm-quantize-weights="scheme=int4" --lm-expect-inputs | FileCheck %s
// RUN: stoop-opt %S/../Inputs/sequential.mlir --lm-quantize-weights="overrides=l0.up=int8" --lm-expect-inputs \
// RUN:   | FileCheck %s --check-prefix=ONE
// RUN: stoop-opt %S/../Inputs/sequential.mlir --lm-expect-inputs | FileCheck %s --check-prefix=NONE
// RUN: stoop-opt %s --lm-expect-inputs | FileCheck %s --check-prefix=OTHERS

// The head, which is the embedding, is left out.
// CHECK: quantization = [{anticipated = 0 : i64, bytes = {{[0-9]+}} : i64, matrices = 1 : i64, scheme = "int8"}, {anticipated = 8 : i64, bytes = {{[0-9]+}} : i64, matrices = 8 : i64, scheme = "int4-g32"}]
// CHECK: lm.weight @embed
// CHECK-NOT: lm.inputs
// CHECK: lm.weight @l0.qkv : {{.*}} {lm.inputs = #lm.inputs<table = @embed, scale = @norm.scale, bias = @norm.bias>}
// Attention mixes what the last rows of the fused matrix make.
// CHECK: lm.weight @l0.out : {{.*}} {lm.inputs = #lm.inputs<table = @embed, scale = @norm.scale, bias = @norm.bias, matrix = @l0.qkv, offset = @l0.qkv.bias, first = 16, rows = 8, head = 4>}
// CHECK: lm.weight @l0.up : {{.*}} {lm.inputs = #lm.inputs<table = @embed, scale = @norm.scale, bias = @norm.bias>}
// CHECK: lm.weight @l0.down : {{.*}} {lm.inputs = #lm.inputs<table = @embed, scale = @norm.scale, bias = @norm.bias, matrix = @l0.up, rows = 16, activation = gelu>}

// ONE: quantization = [{anticipated = 0 : i64, {{.*}} scheme = "none"}, {anticipated = 1 : i64, bytes = {{[0-9]+}} : i64, matrices = 1 : i64, scheme = "int8"}]
// ONE: lm.weight @l0.up {{.*}} {lm.inputs = #lm.inputs<
// ONE-NOT: lm.inputs =
// NONE-NOT: lm.inputs =

// Heads that share values, an RMS norm, a gated product; then two inputs, a sum, integers of the checkpoint.
// OTHERS-LABEL: lm.model @others
// OTHERS: lm.weight @out {{.*}} {lm.inputs = #lm.inputs<table = @embed, scale = @g, bias = @b, matrix = @qkv, first = 12, rows = 4, head = 4, repeats = 2>}
// OTHERS: lm.weight @gate {{.*}} {lm.inputs = #lm.inputs<table = @embed, scale = @g>}
// OTHERS: lm.weight @up {{.*}} {lm.inputs = #lm.inputs<table = @embed, scale = @g>}
// OTHERS: lm.weight @down {{.*}} {lm.inputs = #lm.inputs<table = @embed, scale = @g, matrix = @gate, factor = @up, rows = 8, activation = silu>}
// OTHERS-NOT: lm.inputs
lm.model @others attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @g : tensor<8xf32> sources([#lm.source<key = "g", file = "f", offset = 0, dtype = f32, rows = 1, cols = 8>])
  lm.weight @b : tensor<8xf32> sources([#lm.source<key = "b", file = "f", offset = 32, dtype = f32, rows = 1, cols = 8>])
  lm.weight @qkv : tensor<16x8xf32> sources([#lm.source<key = "q", file = "f", offset = 64, dtype = f32, rows = 16, cols = 8>]) layout(#lm.qkv_layout<groups = 1, queries = 2, headDim = 4>)
  lm.weight @out : tensor<8x8xf32, "int8"> sources([#lm.source<key = "o", file = "f", offset = 576, dtype = f32, rows = 8, cols = 8>])
  lm.weight @gate : tensor<8x8xf32, "int8"> sources([#lm.source<key = "r", file = "f", offset = 832, dtype = f32, rows = 8, cols = 8>])
  lm.weight @up : tensor<8x8xf32, "int8"> sources([#lm.source<key = "x", file = "f", offset = 1088, dtype = f32, rows = 8, cols = 8>])
  lm.weight @down : tensor<8x8xf32, "int8"> sources([#lm.source<key = "s", file = "f", offset = 1344, dtype = f32, rows = 8, cols = 8>])
  lm.weight @embed : tensor<8x8xf32> sources([#lm.source<key = "e", file = "f", offset = 2176, dtype = f32, rows = 8, cols = 8>])
  lm.weight @twice : tensor<8x8xf32, "int8"> sources([#lm.source<key = "t", file = "f", offset = 1600, dtype = f32, rows = 8, cols = 8>])
  lm.weight @sum : tensor<8x8xf32, "int8"> sources([#lm.source<key = "u", file = "f", offset = 2432, dtype = f32, rows = 8, cols = 8>])
  lm.weight @stored : tensor<8x8xf32, "int4-g32"> sources([
      #lm.source<key = "c", file = "f", offset = 1856, dtype = i32, rows = 1, cols = 8>,
      #lm.source<key = "z", file = "f", offset = 1888, dtype = i32, rows = 1, cols = 1>,
      #lm.source<key = "s", file = "f", offset = 1892, dtype = f16, rows = 1, cols = 8>]) {lm.stored_form = "gptq"}
  lm.weight @behind : tensor<8x8xf32, "int8"> sources([#lm.source<key = "h", file = "f", offset = 1920, dtype = f32, rows = 8, cols = 8>])
  lm.weight @head : tensor<8x8xf32, "int8"> sources([#lm.source<key = "k", file = "f", offset = 2688, dtype = f32, rows = 8, cols = 8>])
  lm.kv_state @kv layers(1) : !lm.kv<1x16x1x4xf32>
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %g = lm.load_weight @g : tensor<8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %wqkv = lm.load_weight @qkv : tensor<16x8xf32>
    %wout = lm.load_weight @out : tensor<8x8xf32, "int8">
    %wgate = lm.load_weight @gate : tensor<8x8xf32, "int8">
    %wup = lm.load_weight @up : tensor<8x8xf32, "int8">
    %wdown = lm.load_weight @down : tensor<8x8xf32, "int8">
    %wtwice = lm.load_weight @twice : tensor<8x8xf32, "int8">
    %wsum = lm.load_weight @sum : tensor<8x8xf32, "int8">
    %wstored = lm.load_weight @stored : tensor<8x8xf32, "int4-g32">
    %wbehind = lm.load_weight @behind : tensor<8x8xf32, "int8">
    %whead = lm.load_weight @head : tensor<8x8xf32, "int8">
    %wembed = lm.load_weight @embed : tensor<8x8xf32>
    %x = lm.embedding %tokens, %wembed : (tensor<?xi32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %n = lm.norm layer %x, %g, %b eps(1.0e-5) : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %r = lm.norm rms %x, %g eps(1.0e-5) : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %qkv = lm.linear %n, %wqkv : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
    %q = lm.view %qkv[0] : tensor<?x16xf32> -> tensor<?x8xf32>
    %k = lm.view %qkv[8] : tensor<?x16xf32> -> tensor<?x4xf32>
    %v = lm.view %qkv[12] : tensor<?x16xf32> -> tensor<?x4xf32>
    %cache = lm.kv_view @kv[0] : !lm.kv<1x16x1x4xf32>
    lm.kv_append %cache, %k, %v, %positions, %slots : !lm.kv<1x16x1x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>
    %a = lm.attention %q, %cache, %positions, %slots heads(2) scale(0.5) alibi none : (tensor<?x8xf32>, !lm.kv<1x16x1x4xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x8xf32>
    %o = lm.linear %a, %wout : (tensor<?x8xf32>, tensor<8x8xf32, "int8">) -> tensor<?x8xf32>
    %u = lm.linear %r, %wgate : (tensor<?x8xf32>, tensor<8x8xf32, "int8">) -> tensor<?x8xf32>
    %s = lm.activation silu %u : tensor<?x8xf32>
    %p = lm.linear %r, %wup : (tensor<?x8xf32>, tensor<8x8xf32, "int8">) -> tensor<?x8xf32>
    %m = lm.binary mul %s, %p : tensor<?x8xf32>
    %y = lm.linear %m, %wdown : (tensor<?x8xf32>, tensor<8x8xf32, "int8">) -> tensor<?x8xf32>
    %t = lm.linear %n, %wtwice : (tensor<?x8xf32>, tensor<8x8xf32, "int8">) -> tensor<?x8xf32>
    %t2 = lm.linear %r, %wtwice : (tensor<?x8xf32>, tensor<8x8xf32, "int8">) -> tensor<?x8xf32>
    %sum = lm.binary add %n, %o : tensor<?x8xf32>
    %z = lm.linear %sum, %wsum : (tensor<?x8xf32>, tensor<8x8xf32, "int8">) -> tensor<?x8xf32>
    %i = lm.linear %n, %wstored : (tensor<?x8xf32>, tensor<8x8xf32, "int4-g32">) -> tensor<?x8xf32>
    %j = lm.activation gelu %i : tensor<?x8xf32>
    %k2 = lm.linear %j, %wbehind : (tensor<?x8xf32>, tensor<8x8xf32, "int8">) -> tensor<?x8xf32>
    %logits = lm.linear %n, %whead : (tensor<?x8xf32>, tensor<8x8xf32, "int8">) -> tensor<?x8xf32>
    lm.return %logits : tensor<?x8xf32>
  }
}

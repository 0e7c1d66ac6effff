// RUN: stoop-opt %s --lm-fuse-columns="capabilities=rope_epilogue,kv_append_epilogue" | FileCheck %s
// RUN: stoop-opt %s --lm-fuse-columns="capabilities=rope_epilogue" | FileCheck %s --check-prefix=ROPE
// RUN: stoop-opt %s --lm-fuse-columns="capabilities=reduction_epilogue" | FileCheck %s --check-prefix=REDUCE
// RUN: stoop-opt %s --lm-fuse-columns="capabilities=rope_epilogue,kv_append_epilogue rotation-tiles=6,64" | FileCheck %s --check-prefix=TILES

lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @qkv : tensor<24x8xf32> sources([#lm.source<key = "q", file = "f", offset = 512, dtype = f32, rows = 24, cols = 8>])
  lm.weight @rope : tensor<16x4xf32> generator(#lm.rope_table<invFreq = [1.0, 0.1], factor = 1.0 : f32, positions = 16, round = "none">)
  lm.kv_state @kv layers(1) : !lm.kv<1x16x2x4xf32>

  // Rotation and store follow the heads; what is left is the rotated query.
  // CHECK-LABEL: lm.entry decode @rotated
  // CHECK: %[[Q:[0-9]+]] = lm.fused "linear"
  // CHECK: lm.linear
  // CHECK-NEXT: %[[VQ:[0-9]+]] = lm.view %{{[0-9]+}}[0]
  // CHECK-NEXT: %[[VK:[0-9]+]] = lm.view %{{[0-9]+}}[8]
  // CHECK-NEXT: %[[VV:[0-9]+]] = lm.view %{{[0-9]+}}[16]
  // CHECK-NEXT: %[[RQ:[0-9]+]] = lm.rope %[[VQ]]
  // CHECK-NEXT: %[[RK:[0-9]+]] = lm.rope %[[VK]]
  // CHECK-NEXT: lm.kv_append %{{.*}}, %[[RK]], %[[VV]]
  // CHECK-NEXT: lm.yield %[[RQ]] : tensor<1x8xf32>
  // CHECK: lm.attention %[[Q]]
  // A target that cannot store to the cache yields the three views apart, not the whole value.
  // ROPE-LABEL: lm.entry decode @rotated
  // ROPE: %[[R:[0-9]+]]:3 = lm.fused "linear"
  // ROPE: lm.yield %{{.*}}, %{{.*}}, %{{.*}} : tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>
  // ROPE: lm.kv_append
  // Tiles of six columns hold no pairs of heads of four.
  // TILES-LABEL: lm.entry decode @rotated
  // TILES-NOT: lm.fused
  // TILES: lm.attention
  lm.entry decode @rotated(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %qkvw = lm.load_weight @qkv : tensor<24x8xf32>
    %t = lm.load_weight @rope : tensor<16x4xf32>
    %w = lm.load_weight @w : tensor<8x8xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x16x2x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %qkv = lm.linear %x, %qkvw : (tensor<1x8xf32>, tensor<24x8xf32>) -> tensor<1x24xf32>
    %q = lm.view %qkv[0] : tensor<1x24xf32> -> tensor<1x8xf32>
    %k = lm.view %qkv[8] : tensor<1x24xf32> -> tensor<1x8xf32>
    %v = lm.view %qkv[16] : tensor<1x24xf32> -> tensor<1x8xf32>
    %rq = lm.rope %q, %positions, %t heads(2) : (tensor<1x8xf32>, tensor<1xi32>, tensor<16x4xf32>) -> tensor<1x8xf32>
    %rk = lm.rope %k, %positions, %t heads(2) : (tensor<1x8xf32>, tensor<1xi32>, tensor<16x4xf32>) -> tensor<1x8xf32>
    lm.kv_append %kv, %rk, %v, %positions, %slots : !lm.kv<1x16x2x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1xi32>, tensor<1xi32>
    %a = lm.attention %rq, %kv, %positions, %slots heads(2) scale(0.5) alibi none : (tensor<1x8xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x8xf32>
    lm.return %a : tensor<1x8xf32>
  }

  // Without rotation the query is a view, and is all that is stored.
  // CHECK-LABEL: lm.entry decode @alibi
  // CHECK: lm.fused "linear"
  // CHECK: %[[V:[0-9]+]] = lm.view %{{[0-9]+}}[0]
  // CHECK: lm.kv_append
  // CHECK-NEXT: lm.yield %[[V]] :
  lm.entry decode @alibi(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %qkvw = lm.load_weight @qkv : tensor<24x8xf32>
    %t = lm.load_weight @rope : tensor<16x4xf32>
    %w = lm.load_weight @w : tensor<8x8xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x16x2x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %qkv = lm.linear %x, %qkvw : (tensor<1x8xf32>, tensor<24x8xf32>) -> tensor<1x24xf32>
    %q = lm.view %qkv[0] : tensor<1x24xf32> -> tensor<1x8xf32>
    %k = lm.view %qkv[8] : tensor<1x24xf32> -> tensor<1x8xf32>
    %v = lm.view %qkv[16] : tensor<1x24xf32> -> tensor<1x8xf32>
    lm.kv_append %kv, %k, %v, %positions, %slots : !lm.kv<1x16x2x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1xi32>, tensor<1xi32>
    %a = lm.attention %q, %kv, %positions, %slots heads(2) scale(0.5) alibi none : (tensor<1x8xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x8xf32>
    lm.return %a : tensor<1x8xf32>
  }

  // Values that another launch makes.
  // CHECK-LABEL: lm.entry decode @negative_values
  // CHECK-NOT: lm.fused
  // CHECK: lm.return
  lm.entry decode @negative_values(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %qkvw = lm.load_weight @qkv : tensor<24x8xf32>
    %t = lm.load_weight @rope : tensor<16x4xf32>
    %w = lm.load_weight @w : tensor<8x8xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x16x2x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %qkv = lm.linear %x, %qkvw : (tensor<1x8xf32>, tensor<24x8xf32>) -> tensor<1x24xf32>
    %k = lm.view %qkv[8] : tensor<1x24xf32> -> tensor<1x8xf32>
    lm.kv_append %kv, %k, %x, %positions, %slots : !lm.kv<1x16x2x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1xi32>, tensor<1xi32>
    %a = lm.attention %x, %kv, %positions, %slots heads(2) scale(0.5) alibi none : (tensor<1x8xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x8xf32>
    lm.return %a : tensor<1x8xf32>
  }

  // Heads that a view would cut.
  // CHECK-LABEL: lm.entry decode @negative_heads
  // CHECK-NOT: lm.fused
  // CHECK: lm.return
  lm.entry decode @negative_heads(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %qkvw = lm.load_weight @qkv : tensor<24x8xf32>
    %t = lm.load_weight @rope : tensor<16x4xf32>
    %w = lm.load_weight @w : tensor<8x8xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x16x2x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %qkv = lm.linear %x, %qkvw : (tensor<1x8xf32>, tensor<24x8xf32>) -> tensor<1x24xf32>
    %q = lm.view %qkv[2] : tensor<1x24xf32> -> tensor<1x8xf32>
    %rq = lm.rope %q, %positions, %t heads(2) : (tensor<1x8xf32>, tensor<1xi32>, tensor<16x4xf32>) -> tensor<1x8xf32>
    lm.return %rq : tensor<1x8xf32>
  }

  // What is reduced follows its columns, and is returned beside them.
  // REDUCE-LABEL: lm.entry decode @reduced
  // REDUCE: %[[R:[0-9]+]]:2 = lm.fused "linear"
  // REDUCE: %[[Y:[0-9]+]] = lm.linear
  // REDUCE-NEXT: %[[M:[0-9]+]] = lm.block_max %[[Y]]
  // REDUCE-NEXT: lm.yield %[[Y]], %[[M]] : tensor<1x24xf32>, tensor<1x2xf32>
  // REDUCE: lm.return %[[R]]#0, %[[R]]#1
  // CHECK-LABEL: lm.entry decode @reduced
  // CHECK-NOT: lm.fused
  lm.entry decode @reduced(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> (tensor<1x24xf32>, tensor<1x2xf32>) {
    %head = lm.load_weight @qkv : tensor<24x8xf32>
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %y = lm.linear %x, %head : (tensor<1x8xf32>, tensor<24x8xf32>) -> tensor<1x24xf32>
    %m = lm.block_max %y : tensor<1x24xf32> -> tensor<1x2xf32>
    lm.return %y, %m : tensor<1x24xf32>, tensor<1x2xf32>
  }
}

// RUN: stoop-opt %s --plan-lower-fused --plan-pack-weights | FileCheck %s
// RUN: stoop-opt %S/../Inputs/sequential.mlir --stoop-graph-pipeline --stoop-fused-pipeline="capabilities=epilogue_dag,norm_prologue,embedding_prologue,kv_append_epilogue,reduction_epilogue max-gathered-rows=4" --stoop-scheduled-pipeline --stoop-planned-pipeline | FileCheck %s --check-prefix=MODEL

// Verdicts of all entries become the program's.
// CHECK: plan.program @m {{.*}}attributes {fusion_log = [{entry = "decode_b1"}, {entry = "decode_b1"}]}
// How a weight is packed follows from the op that reads it, whatever else is in its kernel.
// CHECK-DAG: plan.weight @embed pack(<panel16, 8 x 8 : f32>)
// CHECK-DAG: plan.weight @qkv pack(<panel16, 24 x 8 : f32>)
// CHECK-DAG: plan.weight @rope pack(<table, 16 x 4 : f32>)
// A stride for each input, then for each result: the embedded row and the rotated query.
// CHECK: plan.kernel @k0 schedule(<"linear", {{.*}}>) row_strides([1, 0, 0, 1, 0, 0, 1, 8, 8])
// CHECK: lm.yield %{{.*}}, %{{.*}} : tensor<1x8xf32>, tensor<1x8xf32>
// A region that only stores to the cache writes nothing and updates the cache.
// CHECK: plan.kernel @k1 schedule(<"linear", {{.*}}>) row_strides([8, 0, 0, 1, 1])
// CHECK: plan.launch @k0 reads({{.*}}, %[[KV:[0-9]+]], %{{[0-9]+}}) writes(%{{[0-9]+}}, %{{[0-9]+}}) updates(%[[KV]])
// CHECK: plan.launch @k1 reads({{.*}}) updates(%[[KV]])
// CHECK: plan.launch @k2 reads(%{{[0-9]+}}, %[[KV]], %{{[0-9]+}}, %{{[0-9]+}}) writes(%{{[0-9]+}}){{$}}

// A whole model: 5 launches a layer and the head, and the gate of phase planned holds.
// MODEL: plan.entry decode @decode_b1
// MODEL-COUNT-11: plan.launch
// MODEL-NOT: plan.launch
// MODEL: plan.entry

lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x8xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @qkv : tensor<24x8xf32> sources([#lm.source<key = "q", file = "f", offset = 256, dtype = f32, rows = 24, cols = 8>])
  lm.weight @rope : tensor<16x4xf32> generator(#lm.rope_table<invFreq = [1.0, 0.1], factor = 1.0 : f32, positions = 16, round = "none">)
  lm.kv_state @kv layers(1) : !lm.kv<1x16x2x4xf32>
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> attributes {lm.fusion_log = [{entry = "decode_b1"}, {entry = "decode_b1"}]} {
    %e = lm.load_weight @embed : tensor<8x8xf32>
    %w = lm.load_weight @qkv : tensor<24x8xf32>
    %t = lm.load_weight @rope : tensor<16x4xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<1x16x2x4xf32>
    %x, %q = lm.fused "linear" (%tokens, %e, %w, %positions, %t, %kv, %slots) {plan.schedule = #plan.schedule<"linear", source = "forced", tunables = {}>} : (tensor<1xi32>, tensor<8x8xf32>, tensor<24x8xf32>, tensor<1xi32>, tensor<16x4xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%ids: tensor<1xi32>, %table: tensor<8x8xf32>, %m: tensor<24x8xf32>, %at: tensor<1xi32>, %angles: tensor<16x4xf32>, %cache: !lm.kv<1x16x2x4xf32>, %seq: tensor<1xi32>):
      %a = lm.embedding %ids, %table : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %l = lm.linear %a, %m : (tensor<1x8xf32>, tensor<24x8xf32>) -> tensor<1x24xf32>
      %vq = lm.view %l[0] : tensor<1x24xf32> -> tensor<1x8xf32>
      %vk = lm.view %l[8] : tensor<1x24xf32> -> tensor<1x8xf32>
      %vv = lm.view %l[16] : tensor<1x24xf32> -> tensor<1x8xf32>
      %r = lm.rope %vq, %at, %angles heads(2) : (tensor<1x8xf32>, tensor<1xi32>, tensor<16x4xf32>) -> tensor<1x8xf32>
      lm.kv_append %cache, %vk, %vv, %at, %seq : !lm.kv<1x16x2x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1xi32>, tensor<1xi32>
      lm.yield %a, %r : tensor<1x8xf32>, tensor<1x8xf32>
    }
    lm.fused "linear" (%x, %w, %kv, %positions, %slots) {plan.schedule = #plan.schedule<"linear", source = "forced", tunables = {}>} : (tensor<1x8xf32>, tensor<24x8xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>, tensor<1xi32>) -> () {
    ^bb0(%i: tensor<1x8xf32>, %m: tensor<24x8xf32>, %cache: !lm.kv<1x16x2x4xf32>, %at: tensor<1xi32>, %seq: tensor<1xi32>):
      %l = lm.linear %i, %m : (tensor<1x8xf32>, tensor<24x8xf32>) -> tensor<1x24xf32>
      %vk = lm.view %l[8] : tensor<1x24xf32> -> tensor<1x8xf32>
      %vv = lm.view %l[16] : tensor<1x24xf32> -> tensor<1x8xf32>
      lm.kv_append %cache, %vk, %vv, %at, %seq : !lm.kv<1x16x2x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1xi32>, tensor<1xi32>
      lm.yield
    }
    %y = lm.fused "attention" (%q, %kv, %positions, %slots) {plan.schedule = #plan.schedule<"attention", source = "forced", tunables = {}>} : (tensor<1x8xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1x8xf32>, %cache: !lm.kv<1x16x2x4xf32>, %at: tensor<1xi32>, %seq: tensor<1xi32>):
      %a = lm.attention %i, %cache, %at, %seq heads(2) scale(0.5) alibi none : (tensor<1x8xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x8xf32>
      lm.yield %a : tensor<1x8xf32>
    }
    lm.return %y : tensor<1x8xf32>
  }
}

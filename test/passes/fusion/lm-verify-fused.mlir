// RUN: stoop-opt %S/../Inputs/sequential.mlir --stoop-graph-pipeline --lm-fuse-epilogue --lm-form-fused-regions --lm-verify-fused | FileCheck %s
// RUN: stoop-opt %s --lm-verify-fused --verify-roundtrip | FileCheck %s --check-prefix=GENERAL

// A whole model behind the fusion passes passes unchanged.
// CHECK: lm.fused "embedding"
// CHECK: lm.fused "linear"

// The general form: the gate lets it through, and it survives the printer.
// GENERAL: %[[A:[0-9]+]]:3 = lm.fused "linear"
// GENERAL: lm.yield %{{.*}}, %{{.*}}, %{{.*}} : tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>
// GENERAL: lm.fused "linear"({{.*}}) : {{.*}} -> () {
// GENERAL: lm.kv_append
// GENERAL-NEXT: lm.yield
// GENERAL-NEXT: }
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @g : tensor<8xf32> sources([#lm.source<key = "g", file = "f", offset = 256, dtype = f32, rows = 1, cols = 8>])
  lm.weight @rope : tensor<16x4xf32> generator(#lm.rope_table<invFreq = [1.0, 0.1], factor = 1.0 : f32, positions = 16, round = "none">)
  lm.kv_state @kv layers(1) : !lm.kv<1x16x2x4xf32>
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %weight = lm.load_weight @w : tensor<8x8xf32>
    %scale = lm.load_weight @g : tensor<8xf32>
    %table = lm.load_weight @rope : tensor<16x4xf32>
    %cache = lm.kv_view @kv[0] : !lm.kv<1x16x2x4xf32>
    %rows = lm.fused "embedding" (%tokens, %weight) : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xf32>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }

    // A parallel block: two norms of the embedding share their statistics; a segment with columns, one with an activation.
    %out1:3 = lm.fused "linear" (%tokens, %weight, %scale, %positions, %table, %cache, %slots) : (tensor<1xi32>, tensor<8x8xf32>, tensor<8xf32>, tensor<1xi32>, tensor<16x4xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>) -> (tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%ids: tensor<1xi32>, %w: tensor<8x8xf32>, %g: tensor<8xf32>, %at: tensor<1xi32>, %t: tensor<16x4xf32>, %kv: !lm.kv<1x16x2x4xf32>, %seq: tensor<1xi32>):
      %e = lm.embedding %ids, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %n = lm.norm rms %e, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      %o = lm.norm rms %e, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      %l = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %u = lm.linear %o, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %q = lm.view %l[0] : tensor<1x8xf32> -> tensor<1x8xf32>
      %r = lm.rope %q, %at, %t heads(2) : (tensor<1x8xf32>, tensor<1xi32>, tensor<16x4xf32>) -> tensor<1x8xf32>
      %k = lm.view %l[0] : tensor<1x8xf32> -> tensor<1x8xf32>
      %v = lm.view %l[0] : tensor<1x8xf32> -> tensor<1x8xf32>
      %s = lm.rope %k, %at, %t heads(2) : (tensor<1x8xf32>, tensor<1xi32>, tensor<16x4xf32>) -> tensor<1x8xf32>
      lm.kv_append %kv, %s, %v, %at, %seq : !lm.kv<1x16x2x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1xi32>, tensor<1xi32>
      %a = lm.activation relu %u : tensor<1x8xf32>
      lm.yield %e, %r, %a : tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>
    }

    // Two linears of one segment: both branches and the residual.
    %out2 = lm.fused "linear" (%rows, %weight, %rows) : (tensor<1x8xf32>, tensor<8x8xf32>, tensor<1x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>, %z: tensor<1x8xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %u = lm.linear %z, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %s = lm.binary add %l, %u : tensor<1x8xf32>
      %y = lm.binary add %x, %s : tensor<1x8xf32>
      lm.yield %y : tensor<1x8xf32>
    }

    // Values that are used twice, and stored as well.
    %out3:2 = lm.fused "linear" (%rows, %weight) : (tensor<1x8xf32>, tensor<8x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %a = lm.activation relu %l : tensor<1x8xf32>
      %s = lm.binary add %l, %a : tensor<1x8xf32>
      lm.yield %a, %s : tensor<1x8xf32>, tensor<1x8xf32>
    }

    // A region that stores to the cache alone.
    lm.fused "linear" (%rows, %weight, %cache, %positions, %slots) : (tensor<1x8xf32>, tensor<8x8xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>, tensor<1xi32>) -> () {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>, %kv: !lm.kv<1x16x2x4xf32>, %at: tensor<1xi32>, %seq: tensor<1xi32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %k = lm.view %l[0] : tensor<1x8xf32> -> tensor<1x8xf32>
      %v = lm.view %l[0] : tensor<1x8xf32> -> tensor<1x8xf32>
      lm.kv_append %kv, %k, %v, %at, %seq : !lm.kv<1x16x2x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1xi32>, tensor<1xi32>
      lm.yield
    }

    // A chain of elementwise ops, and an anchor alone.
    %out4 = lm.fused "elementwise" (%rows) : (tensor<1x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>):
      %a = lm.activation relu %x : tensor<1x8xf32>
      %s = lm.binary add %a, %x : tensor<1x8xf32>
      lm.yield %s : tensor<1x8xf32>
    }

    // Values of a segment that are reduced, and a reduction alone.
    %out6:3 = lm.fused "linear" (%rows, %weight) : (tensor<1x8xf32>, tensor<8x8xf32>) -> (tensor<1x8xf32>, tensor<1x1xf32>, tensor<1x1xf32>) {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %m = lm.block_max %l : tensor<1x8xf32> -> tensor<1x1xf32>
      %a = lm.activation relu %l : tensor<1x8xf32>
      %o = lm.block_max %a : tensor<1x8xf32> -> tensor<1x1xf32>
      lm.yield %a, %m, %o : tensor<1x8xf32>, tensor<1x1xf32>, tensor<1x1xf32>
    }
    %out7 = lm.fused "reduction" (%out6#0) : (tensor<1x8xf32>) -> tensor<1x1xf32> {
    ^bb0(%x: tensor<1x8xf32>):
      %m = lm.block_max %x : tensor<1x8xf32> -> tensor<1x1xf32>
      lm.yield %m : tensor<1x1xf32>
    }

    // The head behind its norm.
    %out5 = lm.fused "linear" (%rows, %scale, %weight) : (tensor<1x8xf32>, tensor<8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %g: tensor<8xf32>, %w: tensor<8x8xf32>):
      %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      %l = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %l : tensor<1x8xf32>
    }
    lm.return %out5 : tensor<1x8xf32>
  }
}

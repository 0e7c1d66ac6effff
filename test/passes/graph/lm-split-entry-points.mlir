// RUN: stoop-opt %s --lm-split-entry-points="prefill-buckets=4,64 score-rows=8" --split-input-file | FileCheck %s
// RUN: stoop-opt %s --lm-split-entry-points="batch=2 score-rows=0" --split-input-file | FileCheck %s --check-prefix=DEFAULT

// Decode entries: powers of two below the batch, and the batch itself. Buckets and scoring rows are clipped to the
// compiled context of 16. The dynamic entry is gone.
// CHECK-LABEL: lm.model @entries
// CHECK-NOT: forward
// CHECK: lm.entry decode @decode_b1(%{{.*}}: tensor<1xi32>, %{{.*}}: tensor<1xi32>, %{{.*}}: tensor<1xi32>) -> tensor<1x8xf32>
// CHECK: lm.entry decode @decode_b2({{.*}}) -> tensor<2x8xf32>
// CHECK: lm.entry decode @decode_b3({{.*}}) -> tensor<3x8xf32>
// Prefill cuts the rows in front of the ops at the end that treat rows independently: the final norm and the head.
// CHECK: lm.entry prefill @prefill_4(%[[TOKENS:[a-z0-9]+]]: tensor<4xi32>, {{.*}}) -> tensor<1x8xf32>
// CHECK: %[[W:[0-9]+]] = lm.load_weight @embed
// CHECK: %[[X:[0-9]+]] = lm.embedding %[[TOKENS]], %[[W]] {{.*}} -> tensor<4x4xf32>
// CHECK: %[[S:[0-9]+]] = lm.binary add %[[X]], %[[X]] : tensor<4x4xf32>
// CHECK: %[[LAST:[0-9]+]] = lm.gather_last %[[S]] : tensor<4x4xf32> -> tensor<1x4xf32>
// CHECK: %[[N:[0-9]+]] = lm.norm layer %[[LAST]], {{.*}} -> tensor<1x4xf32>
// CHECK: %[[Y:.*]] = lm.linear %[[N]], %[[W]] {{.*}} -> tensor<1x8xf32>
// CHECK: lm.return %[[Y]] : tensor<1x8xf32>
// CHECK: lm.entry prefill @prefill_16(
// CHECK-NOT: lm.entry prefill
// CHECK: lm.entry score @score_8({{.*}}) -> tensor<8x8xf32>
// CHECK-NOT: lm.gather_last
// DEFAULT-LABEL: lm.model @entries
// DEFAULT: @decode_b1
// DEFAULT: @decode_b2
// DEFAULT-NOT: @decode_b
// DEFAULT: @prefill_16
// DEFAULT-NOT: lm.entry
lm.model @entries attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 3 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.weight @g : tensor<4xf32> sources([#lm.source<key = "g", file = "f", offset = 128, dtype = f32, rows = 1, cols = 4>])
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %g = lm.load_weight @g : tensor<4xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    %s = lm.binary add %x, %x : tensor<?x4xf32>
    %n = lm.norm layer %s, %g, %g eps(1.0e-5) : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %y = lm.linear %n, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    lm.return %y : tensor<?x8xf32>
  }
}

// -----

// A value with another user is not cut early: the sum needs all rows of the norm, so only the head runs on one row.
// DEFAULT-LABEL: lm.model @shared
// CHECK-LABEL: lm.model @shared
// CHECK: lm.entry prefill @prefill_4
// CHECK: %[[N:[0-9]+]] = lm.norm layer {{.*}} -> tensor<4x4xf32>
// CHECK: %[[S:[0-9]+]] = lm.binary mul %[[N]], %[[N]] : tensor<4x4xf32>
// CHECK: %[[LAST:[0-9]+]] = lm.gather_last %[[S]]
// CHECK: lm.linear %[[LAST]], {{.*}} -> tensor<1x8xf32>
lm.model @shared attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 3 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.weight @g : tensor<4xf32> sources([#lm.source<key = "g", file = "f", offset = 128, dtype = f32, rows = 1, cols = 4>])
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %g = lm.load_weight @g : tensor<4xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    %n = lm.norm layer %x, %g, %g eps(1.0e-5) : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %s = lm.binary mul %n, %n : tensor<?x4xf32>
    %y = lm.linear %s, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    lm.return %y : tensor<?x8xf32>
  }
}

// -----

// The embedding is read by the norm and by an append: the append keeps all rows, the norm alone gets the last one.
// CHECK-LABEL: lm.model @other_user
// CHECK: lm.entry prefill @prefill_4
// CHECK: %[[X:[0-9]+]] = lm.embedding {{.*}} -> tensor<4x4xf32>
// CHECK: %[[LAST:[0-9]+]] = lm.gather_last %[[X]]
// CHECK: lm.norm layer %[[LAST]]
// CHECK: lm.kv_append %{{.*}}, %[[X]], %[[X]], {{.*}} tensor<4x4xf32>, tensor<4x4xf32>
// CHECK: lm.linear {{.*}} -> tensor<1x8xf32>
lm.model @other_user attributes {family = "f", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 3 : i64, metadata = {}} {
  lm.weight @embed : tensor<8x4xf32> sources([#lm.source<key = "e", file = "f", offset = 0, dtype = f32, rows = 8, cols = 4>])
  lm.weight @g : tensor<4xf32> sources([#lm.source<key = "g", file = "f", offset = 128, dtype = f32, rows = 1, cols = 4>])
  lm.kv_state @kv layers(1) : !lm.kv<3x16x1x4xf32>
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x8xf32> {
    %w = lm.load_weight @embed : tensor<8x4xf32>
    %g = lm.load_weight @g : tensor<4xf32>
    %kv = lm.kv_view @kv[0] : !lm.kv<3x16x1x4xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    %n = lm.norm layer %x, %g, %g eps(1.0e-5) : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    lm.kv_append %kv, %x, %x, %positions, %slots : !lm.kv<3x16x1x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, tensor<?xi32>
    %y = lm.linear %n, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    lm.return %y : tensor<?x8xf32>
  }
}

// Norms of many rows whose moments are left: tiles normalise them as they load them if that costs less than a launch.
// Costs: rows and columns of a tile, ns of a launch, GB/s, two times GFLOP/s. Of five rows, normalising twice (8 columns in tiles of
// 4) takes 0.64 us behind arithmetic of 1 us; a launch takes 0.32 us besides its start.

// RUN: stoop-opt %s --stoop-fused-pipeline="capabilities=epilogue_dag,reduction_epilogue,norm_prologue max-prologue-rows=4 moments-block=4 tile-costs=4,4,1000,1,1,1" | FileCheck %s
// RUN: stoop-opt %s --stoop-fused-pipeline="capabilities=epilogue_dag,reduction_epilogue,norm_prologue max-prologue-rows=4 moments-block=4 tile-costs=4,4,100,1,1,1" | FileCheck %s --check-prefix=DEAR
// RUN: stoop-opt %s --stoop-fused-pipeline="capabilities=epilogue_dag,reduction_epilogue,norm_prologue max-prologue-rows=4 moments-block=4" | FileCheck %s --check-prefix=NONE

// Targets whose tiles take none: the norm is a launch of its own, and no moments are left for it.
// NONE-NOT: lm.block_moments

lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 8 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @b : tensor<8xf32> sources([#lm.source<key = "b", file = "f", offset = 256, dtype = f32, rows = 1, cols = 8>])

  // CHECK-LABEL: lm.entry score @cheap
  // CHECK: lm.fused "linear"
  // CHECK: lm.block_moments rms
  // CHECK: lm.fused "linear"
  // CHECK: lm.norm rms {{.*}} moments(
  // CHECK-NEXT: lm.linear
  // DEAR-LABEL: lm.entry score @cheap
  // DEAR-SAME: reason = "a launch of its own costs 0.4 us, normalising its 5 rows in each of 2 columns of tiles 0.6 us"
  // DEAR-NOT: lm.block_moments
  lm.entry score @cheap(%tokens: tensor<5xi32>, %positions: tensor<5xi32>, %slots: tensor<5xi32>) -> tensor<5x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<5xi32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    %l = lm.linear %x, %w : (tensor<5x8xf32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    %n = lm.norm rms %l, %b eps(1.0e-5) : (tensor<5x8xf32>, tensor<8xf32>) -> tensor<5x8xf32>
    %o = lm.linear %n, %w : (tensor<5x8xf32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    lm.return %o : tensor<5x8xf32>
  }

  // Rows that another op reads too have to be stored; rows without moments have to be summed up.
  // CHECK-LABEL: lm.entry score @negative_read_twice
  // CHECK-SAME: reason = "lm.binary reads its result too
  // CHECK: lm.fused "norm"
  lm.entry score @negative_read_twice(%tokens: tensor<5xi32>, %positions: tensor<5xi32>, %slots: tensor<5xi32>) -> tensor<5x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<5xi32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    %l = lm.linear %x, %w : (tensor<5x8xf32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    %n = lm.norm rms %l, %b eps(1.0e-5) : (tensor<5x8xf32>, tensor<8xf32>) -> tensor<5x8xf32>
    %o = lm.linear %n, %w : (tensor<5x8xf32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    %y = lm.binary add %o, %n : tensor<5x8xf32>
    lm.return %y : tensor<5x8xf32>
  }
  // CHECK-LABEL: lm.entry score @negative_embedded
  // CHECK-SAME: reason = "tiles normalise rows whose moments the launch in front has left, and none are left of these"
  // CHECK: lm.fused "norm"
  lm.entry score @negative_embedded(%tokens: tensor<5xi32>, %positions: tensor<5xi32>, %slots: tensor<5xi32>) -> tensor<5x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<5xi32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    %n = lm.norm rms %x, %b eps(1.0e-5) : (tensor<5x8xf32>, tensor<8xf32>) -> tensor<5x8xf32>
    %o = lm.linear %n, %w : (tensor<5x8xf32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    lm.return %o : tensor<5x8xf32>
  }
}

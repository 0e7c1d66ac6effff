// RUN: stoop-opt %s --lm-fuse-epilogue="capabilities=epilogue_dag" --lm-leave-moments="capabilities=reduction_epilogue moments-block=3 max-prologue-rows=4" | FileCheck %s
// RUN: stoop-opt %s --lm-fuse-epilogue="capabilities=epilogue_dag" --lm-leave-moments | FileCheck %s --check-prefix=NONE
// RUN: stoop-opt %s --lm-fuse-epilogue="capabilities=epilogue_dag" --lm-leave-moments="moments-block=3" | FileCheck %s --check-prefix=NONE
// RUN: stoop-opt %s --lm-fuse-epilogue="capabilities=epilogue_dag" --lm-leave-moments="capabilities=reduction_epilogue moments-block=3 least-moments-columns=9" | FileCheck %s --check-prefix=NONE
// RUN: stoop-opt %s --lm-leave-moments="moments-block=3 anywhere=true" | FileCheck %s --check-prefix=ANYWHERE
// RUN: stoop-opt %s --stoop-fused-pipeline="capabilities=epilogue_dag,reduction_epilogue,norm_prologue moments-block=3" | FileCheck %s --check-prefix=FUSED

// Nothing is left without blocks, without kernels for them, or of rows that are too short.
// NONE-NOT: lm.block_moments

lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 8 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @b : tensor<8xf32> sources([#lm.source<key = "b", file = "f", offset = 256, dtype = f32, rows = 1, cols = 8>])

  // Two norms of one value share its moments; the embedding is made by rows, so its norm looks for itself.
  // CHECK-LABEL: lm.entry decode @shared
  // CHECK: %[[X:.*]] = lm.embedding
  // CHECK: lm.norm layer %[[X]], %{{[0-9]+}}, %{{[0-9]+}} eps
  // CHECK: %[[Y:[0-9]+]] = lm.fused "linear"
  // CHECK: %[[M:[0-9]+]] = lm.block_moments layer %[[Y]] by 3 : tensor<2x8xf32> -> tensor<2x6xf32>
  // CHECK: lm.norm layer %[[Y]], %{{[0-9]+}}, %{{[0-9]+}} moments(%[[M]] by 3)
  // CHECK: lm.norm layer %[[Y]], %{{[0-9]+}}, %{{[0-9]+}} moments(%[[M]] by 3)
  // In the end they ride behind the sum and are yielded with it; both norms ride in front of the linears.
  // FUSED-LABEL: lm.entry decode @shared
  // FUSED: %[[Y:[0-9]+]]:2 = lm.fused "linear"
  // FUSED: %[[S:[0-9]+]] = lm.binary add
  // FUSED-NEXT: %[[M:[0-9]+]] = lm.block_moments layer %[[S]] by 3
  // FUSED-NEXT: lm.yield %[[S]], %[[M]]
  // FUSED: lm.fused "linear"(%[[Y]]#0
  // FUSED: lm.norm layer {{.*}} moments(
  // FUSED-NEXT: lm.linear
  lm.entry decode @shared(%tokens: tensor<2xi32>, %positions: tensor<2xi32>, %slots: tensor<2xi32>) -> tensor<2x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<2xi32>, tensor<8x8xf32>) -> tensor<2x8xf32>
    %n = lm.norm layer %x, %b, %b eps(1.0e-5) : (tensor<2x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    %l = lm.linear %n, %w : (tensor<2x8xf32>, tensor<8x8xf32>) -> tensor<2x8xf32>
    %y = lm.binary add %l, %x : tensor<2x8xf32>
    %n1 = lm.norm layer %y, %b, %b eps(1.0e-5) : (tensor<2x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    %n2 = lm.norm layer %y, %b, %b eps(1.0e-5) : (tensor<2x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
    %l1 = lm.linear %n1, %w : (tensor<2x8xf32>, tensor<8x8xf32>) -> tensor<2x8xf32>
    %l2 = lm.linear %n2, %w : (tensor<2x8xf32>, tensor<8x8xf32>) -> tensor<2x8xf32>
    %z = lm.binary add %l1, %l2 : tensor<2x8xf32>
    lm.return %z : tensor<2x8xf32>
  }

  // What no linear stands behind is left alone, unless a test asks for it; so is a norm of the last row.
  // CHECK-LABEL: lm.entry prefill @no_linear
  // CHECK-NOT: lm.block_moments
  // ANYWHERE-LABEL: lm.entry prefill @no_linear
  // ANYWHERE: %[[Z:[0-9]+]] = lm.binary mul
  // ANYWHERE-NEXT: %[[M:[0-9]+]] = lm.block_moments rms %[[Z]] by 3 : tensor<4x8xf32> -> tensor<4x3xf32>
  // ANYWHERE: lm.norm rms %[[Z]], %{{[0-9]+}} moments(%[[M]] by 3)
  // ANYWHERE: %[[G:[0-9]+]] = lm.gather_last
  // ANYWHERE-NEXT: lm.norm rms %[[G]], %{{[0-9]+}} eps
  lm.entry prefill @no_linear(%tokens: tensor<4xi32>, %positions: tensor<4xi32>, %slots: tensor<4xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<4xi32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    %z = lm.binary mul %x, %x : tensor<4x8xf32>
    %n = lm.norm rms %z, %b eps(1.0e-5) : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
    %l = lm.linear %n, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    %g = lm.gather_last %l : tensor<4x8xf32> -> tensor<1x8xf32>
    %h = lm.norm rms %g, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    %o = lm.linear %h, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    lm.return %o : tensor<1x8xf32>
  }

  // More rows than a prologue takes: the norm is a launch of its own, which reads the rows anyway.
  // CHECK-LABEL: lm.entry decode @negative_rows
  // CHECK-NOT: lm.block_moments
  // CHECK: lm.return
  lm.entry decode @negative_rows(%tokens: tensor<5xi32>, %positions: tensor<5xi32>, %slots: tensor<5xi32>) -> tensor<5x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<5xi32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    %l = lm.linear %x, %w : (tensor<5x8xf32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    %n = lm.norm rms %l, %b eps(1.0e-5) : (tensor<5x8xf32>, tensor<8xf32>) -> tensor<5x8xf32>
    %o = lm.linear %n, %w : (tensor<5x8xf32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    lm.return %o : tensor<5x8xf32>
  }
}

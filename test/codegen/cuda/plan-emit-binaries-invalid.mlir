// RUN: stoop-opt %s --split-input-file --verify-diagnostics \
// RUN:   --pass-pipeline="builtin.module(plan-set-geometry,plan.program(plan-emit-binaries{architectures=sm_80}))"

// A template that is not launched as a grid.
plan.program @p target("cuda") metadata({}) {
  // expected-error @below {{of template 'norm' has no plan.geometry}}
  plan.kernel @k schedule(<"norm", source = "forced", tunables = {}>) row_strides([64, 0, 64]) {
  ^bb0(%x: tensor<1x64xf32>, %g: tensor<64xf32>):
    %0 = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x64xf32>, tensor<64xf32>) -> tensor<1x64xf32>
    lm.yield %0 : tensor<1x64xf32>
  }
}

// -----

// Tiles read rows from memory.
plan.program @p target("cuda") metadata({}) {
  // expected-error @below {{has a prologue, which template 'linear_mma' does not take}}
  plan.kernel @k schedule(<"linear_mma", source = "forced", tunables = {splits = 1 : i64, stages = 3 : i64, tile_columns = 64 : i64}>)
      row_strides([64, 0, 0, 20]) {
  ^bb0(%x: tensor<32x64xf32>, %g: tensor<64xf32>, %w: tensor<20x64xbf16>):
    %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<32x64xf32>, tensor<64xf32>) -> tensor<32x64xbf16>
    %0 = lm.linear %n, %w : (tensor<32x64xbf16>, tensor<20x64xbf16>) -> tensor<32x20xf32>
    lm.yield %0 : tensor<32x20xf32>
  }
}

// -----

// What the parts of a region have to have in common.
plan.program @p target("cuda") metadata({}) {
  plan.kernel @k schedule(<"linear_small", source = "forced", tunables = {columns_per_warp = 2 : i64}>)
      row_strides([64, 0, 0, 0, 20]) {
  ^bb0(%x: tensor<1x64xf32>, %y: tensor<1x64xf32>, %g: tensor<64xf32>, %w: tensor<20x64xbf16>):
    %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x64xf32>, tensor<64xf32>) -> tensor<1x64xbf16>
    // expected-error @below {{normalises another value than the rest of its region's prologue}}
    %m = lm.norm rms %y, %g eps(1.0e-5) : (tensor<1x64xf32>, tensor<64xf32>) -> tensor<1x64xbf16>
    %0 = lm.linear %n, %w : (tensor<1x64xbf16>, tensor<20x64xbf16>) -> tensor<1x20xf32>
    %1 = lm.linear %m, %w : (tensor<1x64xbf16>, tensor<20x64xbf16>) -> tensor<1x20xf32>
    %2 = lm.binary add %0, %1 : tensor<1x20xf32>
    lm.yield %2 : tensor<1x20xf32>
  }
}

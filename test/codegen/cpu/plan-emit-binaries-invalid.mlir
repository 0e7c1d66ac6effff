// RUN: stoop-opt %s --split-input-file --verify-diagnostics --pass-pipeline="builtin.module(plan.program(plan-emit-binaries{architectures=x86-64-v3}))"

// A target without a code generator.
// expected-error @below {{has target 'tpu', but code generators exist for: cpu}}
plan.program @p target("tpu") metadata({}) {
}

// -----

plan.program @p target("cpu") metadata({}) {
  // expected-error @below {{names template 'no_such', which is not one of linear norm}}
  plan.kernel @k schedule(#plan.schedule<"no_such", source = "forced", tunables = {}>) row_strides([64, 64]) {
  ^bb0(%x: tensor<8x64xf32>):
    %y = lm.gather_last %x : tensor<8x64xf32> -> tensor<1x64xf32>
    lm.yield %y : tensor<1x64xf32>
  }
}

// -----

// An anchor that the template does not compute.
plan.program @p target("cpu") metadata({}) {
  plan.kernel @k schedule(#plan.schedule<"norm", source = "forced", tunables = {}>) row_strides([64, 64]) {
  ^bb0(%x: tensor<8x64xf32>):
    // expected-error @below {{cannot be computed by template 'norm' of kind norm}}
    %y = lm.gather_last %x : tensor<8x64xf32> -> tensor<1x64xf32>
    lm.yield %y : tensor<1x64xf32>
  }
}

// -----

// Element types that no port has.
plan.program @p target("cpu") metadata({}) {
  // expected-error @below {{template 'linear' has no variant for element types f16,bf16,bf16}}
  plan.kernel @k schedule(#plan.schedule<"linear", source = "forced", tunables = {}>) row_strides([64, 0, 16]) {
  ^bb0(%x: tensor<8x64xbf16>, %w: tensor<16x64xf16>):
    %y = lm.linear %x, %w : (tensor<8x64xbf16>, tensor<16x64xf16>) -> tensor<8x16xbf16>
    lm.yield %y : tensor<8x16xbf16>
  }
}

// -----

// An epilogue behind a template that takes none.
plan.program @p target("cpu") metadata({}) {
  // expected-error @below {{template 'gather_last' takes no epilogue, but the body has 2 ops}}
  plan.kernel @k schedule(#plan.schedule<"gather_last", source = "forced", tunables = {}>) row_strides([64, 64]) {
  ^bb0(%x: tensor<8x64xf32>):
    %y = lm.gather_last %x : tensor<8x64xf32> -> tensor<1x64xf32>
    %z = lm.activation relu %y : tensor<1x64xf32>
    lm.yield %z : tensor<1x64xf32>
  }
}

// -----

// Two anchors in one kernel.
plan.program @p target("cpu") metadata({}) {
  plan.kernel @k schedule(#plan.schedule<"linear", source = "forced", tunables = {}>) row_strides([16, 0, 16]) {
  ^bb0(%x: tensor<8x16xf32>, %w: tensor<16x16xf32>):
    %y = lm.linear %x, %w : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
    // expected-error @below {{is a second anchor in one kernel}}
    %z = lm.linear %y, %w : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
    lm.yield %z : tensor<8x16xf32>
  }
}

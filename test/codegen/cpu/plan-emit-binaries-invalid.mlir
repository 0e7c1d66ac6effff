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
  // expected-error @below {{template 'linear' has no variant for element types f16,bf16}}
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

// A linear that reads another one's result: rows of one launch are independent.
plan.program @p target("cpu") metadata({}) {
  plan.kernel @k schedule(#plan.schedule<"linear", source = "forced", tunables = {}>) row_strides([16, 0, 16]) {
  ^bb0(%x: tensor<8x16xf32>, %w: tensor<16x16xf32>):
    %y = lm.linear %x, %w : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
    // expected-error @below {{reads a value that the kernel's prologue does not give}}
    %z = lm.linear %y, %w : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
    lm.yield %z : tensor<8x16xf32>
  }
}

// -----

// Two anchors in one kernel that is no kernel of linears.
plan.program @p target("cpu") metadata({}) {
  plan.kernel @k schedule(#plan.schedule<"gather_last", source = "forced", tunables = {}>) row_strides([16, 16]) {
  ^bb0(%x: tensor<8x16xf32>):
    %y = lm.gather_last %x : tensor<8x16xf32> -> tensor<1x16xf32>
    // expected-error @below {{is a second anchor in one kernel}}
    %z = lm.gather_last %y : tensor<1x16xf32> -> tensor<1x16xf32>
    lm.yield %z : tensor<1x16xf32>
  }
}

// -----

// Norms of different rows share no statistics.
plan.program @p target("cpu") metadata({}) {
  plan.kernel @k schedule(#plan.schedule<"linear", source = "forced", tunables = {}>) row_strides([16, 16, 0, 0, 16, 16]) {
  ^bb0(%x: tensor<8x16xf32>, %y: tensor<8x16xf32>, %g: tensor<16xf32>, %w: tensor<16x16xf32>):
    %a = lm.norm rms %x, %g eps(1.0e-5) : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
    // expected-error @below {{shares no statistics with the kernel's other norms}}
    %b = lm.norm rms %y, %g eps(1.0e-5) : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8x16xf32>
    %c = lm.linear %a, %w : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
    %d = lm.linear %b, %w : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
    lm.yield %c, %d : tensor<8x16xf32>, tensor<8x16xf32>
  }
}

// -----

// Many embedded rows would need their size in every thread's scratch.
plan.program @p target("cpu") metadata({}) {
  plan.kernel @k schedule(#plan.schedule<"linear", source = "forced", tunables = {}>) row_strides([0, 0, 0, 16]) {
  ^bb0(%t: tensor<8xi32>, %e: tensor<32x16xf32>, %w: tensor<16x16xf32>):
    // expected-error @below {{rides in a kernel of linears for at most 4 rows}}
    %x = lm.embedding %t, %e : (tensor<8xi32>, tensor<32x16xf32>) -> tensor<8x16xf32>
    %y = lm.linear %x, %w : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
    lm.yield %y : tensor<8x16xf32>
  }
}

// -----

// Columns of a head that start in the middle of one.
plan.program @p target("cpu") metadata({}) {
  plan.kernel @k schedule(#plan.schedule<"linear", source = "forced", tunables = {}>) row_strides([16, 0, 0, 0, 16]) {
  ^bb0(%x: tensor<8x16xf32>, %w: tensor<48x16xf32>, %p: tensor<8xi32>, %t: tensor<9x16xf32>):
    %y = lm.linear %x, %w : (tensor<8x16xf32>, tensor<48x16xf32>) -> tensor<8x48xf32>
    // expected-error @below {{expects an offset that is a multiple of the head's 16 columns, got 8}}
    %v = lm.view %y[8] : tensor<8x48xf32> -> tensor<8x32xf32>
    %r = lm.rope %v, %p, %t heads(2) : (tensor<8x32xf32>, tensor<8xi32>, tensor<9x16xf32>) -> tensor<8x32xf32>
    lm.yield %r : tensor<8x32xf32>
  }
}

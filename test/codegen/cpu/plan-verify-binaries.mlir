// RUN: stoop-opt %s --split-input-file --verify-diagnostics --pass-pipeline="builtin.module(plan.program(plan-verify-binaries))"

// No code at all.
plan.program @p target("cpu") metadata({}) {
  // expected-error @below {{has no binary; the program has none at all}}
  plan.kernel @k schedule(#plan.schedule<"gather_last", source = "heuristic", tunables = {}>) row_strides([64, 64]) {
  ^bb0(%x: tensor<8x64xf32>):
    %y = lm.gather_last %x : tensor<8x64xf32> -> tensor<1x64xf32>
    lm.yield %y : tensor<1x64xf32>
  }
}

// -----

plan.program @p target("cpu") metadata({}) {
  // expected-error @below {{names no kernel of the program: @k}}
  plan.binary @b kernels([@k]) level("x86-64-v3") format("elf-object") data(dense<0> : tensor<4xi8>)
}

// -----

plan.program @p target("cpu") metadata({}) {
  plan.kernel @k schedule(#plan.schedule<"gather_last", source = "heuristic", tunables = {}>) row_strides([64, 64]) {
  ^bb0(%x: tensor<8x64xf32>):
    %y = lm.gather_last %x : tensor<8x64xf32> -> tensor<1x64xf32>
    lm.yield %y : tensor<1x64xf32>
  }
  // expected-error @below {{expects format "elf-object", got "cubin"}}
  plan.binary @b kernels([@k]) level("x86-64-v3") format("cubin") data(dense<0> : tensor<4xi8>)
}

// -----

plan.program @p target("cpu") metadata({}) {
  plan.kernel @k schedule(#plan.schedule<"gather_last", source = "heuristic", tunables = {}>) row_strides([64, 64]) {
  ^bb0(%x: tensor<8x64xf32>):
    %y = lm.gather_last %x : tensor<8x64xf32> -> tensor<1x64xf32>
    lm.yield %y : tensor<1x64xf32>
  }
  // expected-error @below {{names no CPU feature level: "sm_90a"}}
  plan.binary @b kernels([@k]) level("sm_90a") format("elf-object") data(dense<0> : tensor<4xi8>)
}

// -----

// Bytes that are no object file.
plan.program @p target("cpu") metadata({}) {
  plan.kernel @k schedule(#plan.schedule<"gather_last", source = "heuristic", tunables = {}>) row_strides([64, 64]) {
  ^bb0(%x: tensor<8x64xf32>):
    %y = lm.gather_last %x : tensor<8x64xf32> -> tensor<1x64xf32>
    lm.yield %y : tensor<1x64xf32>
  }
  // expected-error @below {{has no code}}
  plan.binary @b kernels([@k]) level("x86-64-v3") format("elf-object") data(dense<0> : tensor<4xi8>)
}

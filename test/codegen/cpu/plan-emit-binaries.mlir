// RUN: stoop-opt %s --stoop-binaries-pipeline="architectures=x86-64-v3,amx threads=2" --mlir-elide-resource-strings-if-larger=16 | FileCheck %s
// RUN: stoop-opt %s --stoop-binaries-pipeline="architectures=x86-64-v3 threads=1" > %t.1
// RUN: stoop-opt %s --stoop-binaries-pipeline="architectures=x86-64-v3 threads=3" > %t.3
// RUN: cmp %t.1 %t.3

// One kernel of each kind; binaries follow the kernels' order, levels ascending within a kernel. The last two kernels become the
// same code and share their binaries. Threads do not change a byte.

// CHECK-LABEL: plan.program @tiny
plan.program @tiny target("cpu") metadata({}) {
  plan.kernel @embed schedule(#plan.schedule<"embedding", source = "heuristic", tunables = {}>) row_strides([0, 0, 64]) {
  ^bb0(%tokens: tensor<8xi32>, %w: tensor<100x64xbf16>):
    %x = lm.embedding %tokens, %w : (tensor<8xi32>, tensor<100x64xbf16>) -> tensor<8x64xf32>
    lm.yield %x : tensor<8x64xf32>
  }
  plan.kernel @norm schedule(#plan.schedule<"norm", source = "heuristic", tunables = {}>) row_strides([64, 0, 0, 64]) {
  ^bb0(%x: tensor<8x64xf32>, %g: tensor<64xf32>, %b: tensor<64xf32>):
    %y = lm.norm layer %x, %g, %b eps(1.0e-5) : (tensor<8x64xf32>, tensor<64xf32>, tensor<64xf32>) -> tensor<8x64xf32>
    lm.yield %y : tensor<8x64xf32>
  }
  plan.kernel @up schedule(#plan.schedule<"linear", source = "heuristic", tunables = {prefetch = 512 : i64}>) row_strides([64, 0, 0, 96]) {
  ^bb0(%x: tensor<8x64xf32>, %w: tensor<96x64xbf16>, %b: tensor<96xf32>):
    %0 = lm.linear %x, %w : (tensor<8x64xf32>, tensor<96x64xbf16>) -> tensor<8x96xf32>
    %1 = lm.bias %0, %b : (tensor<8x96xf32>, tensor<96xf32>) -> tensor<8x96xf32>
    %2 = lm.activation gelu %1 : tensor<8x96xf32>
    lm.yield %2 : tensor<8x96xf32>
  }
  plan.kernel @rotate schedule(#plan.schedule<"rope", source = "heuristic", tunables = {}>) row_strides([64, 0, 0, 64]) {
  ^bb0(%x: tensor<8x64xf32>, %positions: tensor<8xi32>, %table: tensor<32x16xf32>):
    %y = lm.rope %x, %positions, %table heads(4) : (tensor<8x64xf32>, tensor<8xi32>, tensor<32x16xf32>) -> tensor<8x64xf32>
    lm.yield %y : tensor<8x64xf32>
  }
  plan.kernel @append schedule(#plan.schedule<"kv_append", source = "heuristic", tunables = {}>) row_strides([0, 96, 96, 0, 0]) {
  ^bb0(%kv: !lm.kv<1x32x2x16xbf16>, %k: tensor<8x32xf32>, %v: tensor<8x32xf32>, %positions: tensor<8xi32>, %slots: tensor<8xi32>):
    lm.kv_append %kv, %k, %v, %positions, %slots : !lm.kv<1x32x2x16xbf16>, tensor<8x32xf32>, tensor<8x32xf32>, tensor<8xi32>, tensor<8xi32>
    lm.yield
  }
  plan.kernel @attend schedule(#plan.schedule<"attention", source = "heuristic", tunables = {}>) row_strides([96, 0, 0, 0, 64]) {
  ^bb0(%q: tensor<8x64xf32>, %kv: !lm.kv<1x32x2x16xbf16>, %positions: tensor<8xi32>, %slots: tensor<8xi32>):
    %y = lm.attention %q, %kv, %positions, %slots heads(4) scale(0.25) alibi hf slopes([0.25, 0.0625, 0.015625, 0.00390625])
        : (tensor<8x64xf32>, !lm.kv<1x32x2x16xbf16>, tensor<8xi32>, tensor<8xi32>) -> tensor<8x64xf32>
    lm.yield %y : tensor<8x64xf32>
  }
  plan.kernel @gate schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([96, 96, 96]) {
  ^bb0(%a: tensor<8x96xbf16>, %b: tensor<8x96xbf16>):
    %0 = lm.activation silu %a : tensor<8x96xbf16>
    %1 = lm.binary mul %0, %b : tensor<8x96xbf16>
    lm.yield %1 : tensor<8x96xbf16>
  }
  plan.kernel @last schedule(#plan.schedule<"gather_last", source = "heuristic", tunables = {}>) row_strides([64, 64]) {
  ^bb0(%x: tensor<8x64xf32>):
    %y = lm.gather_last %x : tensor<8x64xf32> -> tensor<1x64xf32>
    lm.yield %y : tensor<1x64xf32>
  }
  plan.kernel @again schedule(#plan.schedule<"gather_last", source = "heuristic", tunables = {}>) row_strides([64, 64]) {
  ^bb0(%x: tensor<8x64xf32>):
    %y = lm.gather_last %x : tensor<8x64xf32> -> tensor<1x64xf32>
    lm.yield %y : tensor<1x64xf32>
  }
  // CHECK: plan.binary @embed_x86_64_v3 kernels([@embed]) level("x86-64-v3") format("elf-object") data(dense_resource<embed_x86_64_v3> : tensor<{{[0-9]+}}xi8>)
  // CHECK-NEXT: plan.binary @embed_amx kernels([@embed]) level("amx")
  // CHECK-NEXT: plan.binary @norm_x86_64_v3
  // CHECK-NEXT: plan.binary @norm_amx
  // CHECK-NEXT: plan.binary @up_x86_64_v3
  // CHECK-NEXT: plan.binary @up_amx
  // CHECK-NEXT: plan.binary @rotate_x86_64_v3
  // CHECK-NEXT: plan.binary @rotate_amx
  // CHECK-NEXT: plan.binary @append_x86_64_v3
  // CHECK-NEXT: plan.binary @append_amx
  // CHECK-NEXT: plan.binary @attend_x86_64_v3
  // CHECK-NEXT: plan.binary @attend_amx
  // CHECK-NEXT: plan.binary @gate_x86_64_v3
  // CHECK-NEXT: plan.binary @gate_amx
  // CHECK-NEXT: plan.binary @last_x86_64_v3 kernels([@last, @again])
  // CHECK-NEXT: plan.binary @last_amx kernels([@last, @again])
}

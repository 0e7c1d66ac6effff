// RUN: stoop-opt %s --verify-roundtrip | FileCheck %s
// Every plan op survives printing and parsing.

// CHECK-LABEL: plan.program @falcon target("cpu") metadata({name = "falcon"})
plan.program @falcon target("cpu") metadata({name = "falcon"}) {
  // CHECK: plan.arena @weights size(4096) align(4096) lifetime constant
  plan.arena @weights size(4096) align(4096) lifetime constant
  plan.arena @kv size(2048) align(64) lifetime persistent
  plan.arena @act size(1024) align(64) lifetime transient
  plan.arena @io size(256) align(64) lifetime io
  // CHECK: plan.weight @w pack(<panel16, 8 x 4 : bf16>) at(<@weights[0, 128]>) origin({})
  plan.weight @w pack(#plan.pack<panel16, 8 x 4 : bf16>) at(#plan.slice<@weights[0, 128]>) origin({})
  // CHECK: plan.weight @q pack(<panel16, 8 x 4 : f32, "int4-g32">) at(<@weights[128, 104]>) origin({})
  // One panel: 16 scales and zeros, one unit of 8 columns.
  plan.weight @q pack(#plan.pack<panel16, 8 x 4 : f32, "int4-g32">) at(#plan.slice<@weights[128, 104]>) origin({})
  // CHECK: plan.kernel @k0 schedule(<"linear", source = "heuristic", tunables = {}>) row_strides([4, 0, 8]) {
  plan.kernel @k0 schedule(#plan.schedule<"linear", source = "heuristic", tunables = {}>) row_strides([4, 0, 8]) {
  ^bb0(%x: tensor<1x4xf32>, %w: tensor<8x4xbf16>):
    %y = lm.linear %x, %w : (tensor<1x4xf32>, tensor<8x4xbf16>) -> tensor<1x8xf32>
    lm.yield %y : tensor<1x8xf32>
  }
  // CHECK: plan.entry decode @decode_b1 rows(1) tokens(<@io[0, 4]>) {
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) {
    // CHECK: plan.slice @act[0, 16] : !plan.buffer
    %x = plan.slice @act[0, 16] : !plan.buffer
    %w = plan.slice @weights[0, 128] : !plan.buffer
    // CHECK: plan.alloc size(32) lifetime transient
    %a = plan.alloc size(32) lifetime transient
    // CHECK: plan.alloc size(64) lifetime persistent index(3)
    %k = plan.alloc size(64) lifetime persistent index(3)
    // CHECK: %[[BASE:.*]] = plan.slice @act[64, 64] : !plan.buffer
    %b = plan.slice @act[64, 64] : !plan.buffer
    // CHECK: plan.slice @act[96, 32] of %[[BASE]] : !plan.buffer
    %p = plan.slice @act[96, 32] of %b : !plan.buffer
    // CHECK: plan.subview %{{.*}}[16] : !plan.buffer
    %v = plan.subview %a[16] : !plan.buffer
    // CHECK: plan.weight_ref @w : !plan.buffer
    %r = plan.weight_ref @w : !plan.buffer
    // CHECK: plan.launch @k0 reads(%{{.*}}, %{{.*}}) writes(%{{.*}})
    plan.launch @k0 reads(%x, %w) writes(%a)
  }
  // CHECK: plan.binary @v3 kernels([@k0]) level("x86-64-v3") format("elf-object") data(dense<0> : tensor<4xi8>)
  plan.binary @v3 kernels([@k0]) level("x86-64-v3") format("elf-object") data(dense<0> : tensor<4xi8>)
}

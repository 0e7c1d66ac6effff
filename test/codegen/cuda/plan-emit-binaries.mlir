// RUN: stoop-opt %s --plan-set-geometry --stoop-binaries-pipeline="architectures=sm_80,ptx,sm_90a threads=2" \
// RUN:   --mlir-elide-resource-strings-if-larger=16 | FileCheck %s

// A cubin of each architecture and PTX of the oldest, in front; resources are read from the cubin; kernels of equal source
// share their code; the sampling code follows the kernels.

// CHECK-LABEL: plan.program @tiny
plan.program @tiny target("cuda") metadata({}) {
  plan.kernel @a schedule(<"linear_small", source = "heuristic", tunables = {columns_per_warp = 2 : i64}>) row_strides([64, 0, 20]) {
  ^bb0(%x: tensor<1x64xbf16>, %w: tensor<20x64xbf16>):
    %0 = lm.linear %x, %w : (tensor<1x64xbf16>, tensor<20x64xbf16>) -> tensor<1x20xf32>
    lm.yield %0 : tensor<1x20xf32>
  }
  plan.kernel @b schedule(<"linear_small", source = "forced", tunables = {columns_per_warp = 2 : i64}>) row_strides([64, 0, 20]) {
  ^bb0(%x: tensor<1x64xbf16>, %w: tensor<20x64xbf16>):
    %0 = lm.linear %x, %w : (tensor<1x64xbf16>, tensor<20x64xbf16>) -> tensor<1x20xf32>
    lm.yield %0 : tensor<1x20xf32>
  }
}
// CHECK: plan.binary @a_sm_80_ptx kernels([@a, @b]) level("sm_80.ptx") format("ptx")
// CHECK: plan.binary @a_sm_80 kernels([@a, @b]) level("sm_80") format("cubin") {{.*}} {cuda_version = {{[0-9]+}} : i64, modules_bytes = {{[0-9]+}} : i64, resources = {local_bytes = 0 : i64, registers = {{[0-9]+}} : i64, static_shared_bytes = {{[0-9]+}} : i64}}
// CHECK-NOT: sm_90a_ptx
// CHECK: plan.binary @a_sm_90a kernels([@a, @b]) level("sm_90a")
// CHECK: plan.binary @sampling_sm_80_ptx kernels([]) level("sm_80.ptx") format("ptx") {{.*}} {cuda_version = {{[0-9]+}} : i64, modules_bytes = {{[0-9]+}} : i64, role = "sampling"}
// CHECK: plan.binary @sampling_sm_80 kernels([])
// CHECK: plan.binary @sampling_sm_90a kernels([])

// RUN: stoop-opt %s --pass-pipeline="builtin.module(plan-set-geometry,plan.program(plan-size-threads{max-threads=6}))" | FileCheck %s

// A GPU has one workspace, the program's state in front, and starts no threads of the host; no code is needed to know that,
// nor what a driver is expected to take: whole pages of 2 MiB, none for graphs of no entry. The version is of the NVRTC that is here.
// CHECK: plan.program @tiny target("cuda") metadata({}) attributes {{{.*}}graphs_bytes = 0 : i64, modules_bytes = 2097152 : i64, stack_bytes = 0 : i64, workspace_bytes = 4096 : i64}
plan.program @tiny target("cuda") metadata({}) {
  plan.kernel @a schedule(<"linear_small", source = "heuristic", tunables = {columns_per_warp = 2 : i64}>) row_strides([64, 0, 20]) {
  ^bb0(%x: tensor<1x64xbf16>, %w: tensor<20x64xbf16>):
    %0 = lm.linear %x, %w : (tensor<1x64xbf16>, tensor<20x64xbf16>) -> tensor<1x20xf32>
    lm.yield %0 : tensor<1x20xf32>
  }
}

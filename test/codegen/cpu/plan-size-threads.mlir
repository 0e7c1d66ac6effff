// RUN: stoop-opt %s --pass-pipeline="builtin.module(plan.program(plan-size-threads))" | FileCheck %s
// RUN: stoop-opt %s --pass-pipeline="builtin.module(plan.program(plan-size-threads{max-threads=6}))" | FileCheck %s --check-prefix=LIMIT

// The workspace is what the hungriest kernel needs, in whole cache lines.
// CHECK: plan.program @tiny target("cpu") metadata({}) attributes {stack_bytes = 262144 : i64, workspace_bytes = {{256|320|384|448|512}} : i64}
// LIMIT: attributes {max_threads = 6 : i64, stack_bytes = 262144 : i64, workspace_bytes = {{[1-9][0-9]*}} : i64}
plan.program @tiny target("cpu") metadata({}) {
  plan.kernel @up schedule(#plan.schedule<"linear", source = "heuristic", tunables = {prefetch = 512 : i64}>) row_strides([64, 0, 96]) {
  ^bb0(%x: tensor<1x64xf32>, %w: tensor<96x64xbf16>):
    %0 = lm.linear %x, %w : (tensor<1x64xf32>, tensor<96x64xbf16>) -> tensor<1x96xf32>
    lm.yield %0 : tensor<1x96xf32>
  }
}

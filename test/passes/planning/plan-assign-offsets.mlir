// RUN: stoop-opt %s --split-input-file --plan-assign-offsets | FileCheck %s
// RUN: stoop-opt %s --split-input-file --plan-assign-offsets="solver=best-fit" | FileCheck %s --check-prefix=BEST
// RUN: stoop-opt %s --split-input-file --plan-assign-offsets="solver=search" | FileCheck %s --check-prefix=SEARCH
// RUN: not stoop-opt %s --split-input-file --plan-assign-offsets="solver=oracle" 2>&1 | FileCheck %s --check-prefix=SOLVER

// SOLVER: no arena solver is called 'oracle'
// BEST: plan.arena @act size(384) {{.*}} {packing = [{{.*}}kept = "best-fit"
// SEARCH: plan.arena @act size(384) {{.*}}kept = "search"

// Arenas are as large as the entry that needs most: @chain needs 128 + 256, @parts 64 + 192.
// CHECK: plan.arena @act size(384) align(64) lifetime transient
// What every solver needed stands beside it; equal ones: the first is kept. The unused buffer is none.
// CHECK-SAME: {packing = [{buffers = 3 : i64, entry = "chain", kept = "first-fit", lower_bound = 384 : i64, peak = 384 : i64, solvers = [{peak = 384 : i64, solver = "first-fit"}, {peak = {{[0-9]+}} : i64, solver = "best-fit"}, {peak = 384 : i64, solver = "search"}]}, {buffers = 2 : i64, entry = "parts"
// CHECK: plan.arena @io size({{[0-9]+}}) align(64) lifetime io
plan.program @p target("cpu") metadata({}) {
  plan.kernel @copy schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([1, 1]) {
  ^bb0(%x: tensor<1x1xf32>):
    %r = lm.activation relu %x : tensor<1x1xf32>
    lm.yield %r : tensor<1x1xf32>
  }

  // In a chain a, b, c: a and b are live together in the first launch, b and c in the second; a and c share. What an
  // entry's host reads and writes lives throughout, so logits and tokens never share. A buffer without uses vanishes.
  // CHECK: plan.entry decode @chain rows(1) tokens(<@io[{{[0-9]+}}, 4]>) logits(<@io[{{[0-9]+}}, 100]>)
  // CHECK: %[[A:[0-9]+]] = plan.slice @act[256, 100]
  // CHECK: %[[B:[0-9]+]] = plan.slice @act[0, 256]
  // CHECK: %[[C:[0-9]+]] = plan.slice @act[256, 128]
  // CHECK-NOT: plan.alloc
  // CHECK: plan.launch @copy reads(%{{.*}}) writes(%[[A]])
  // CHECK: plan.launch @copy reads(%[[A]]) writes(%[[B]])
  // CHECK: plan.launch @copy reads(%[[B]]) writes(%[[C]])
  // CHECK: plan.launch @copy reads(%[[C]]) writes(%{{.*}})
  plan.entry decode @chain rows(1) {
    %tokens = plan.alloc size(4) lifetime io role("tokens")
    %logits = plan.alloc size(100) lifetime io role("logits")
    %a = plan.alloc size(100) lifetime transient
    %b = plan.alloc size(256) lifetime transient
    %c = plan.alloc size(128) lifetime transient
    %unused = plan.alloc size(4096) lifetime transient
    plan.launch @copy reads(%tokens) writes(%a)
    plan.launch @copy reads(%a) writes(%b)
    plan.launch @copy reads(%b) writes(%c)
    plan.launch @copy reads(%c) writes(%logits)
  }

  // A use of a part keeps the whole buffer alive, so @parts may not put b where the last launch still reads a; the part
  // remembers its buffer and ends where that ends.
  // CHECK: plan.entry decode @parts
  // CHECK: %[[A:[0-9]+]] = plan.slice @act[0, 192]
  // CHECK: %[[PART:[0-9]+]] = plan.slice @act[128, 64] of %[[A]]
  // CHECK: %[[B:[0-9]+]] = plan.slice @act[192, 64]
  // CHECK: plan.launch @copy reads(%[[PART]])
  plan.entry decode @parts rows(1) {
    %tokens = plan.alloc size(4) lifetime io role("tokens")
    %logits = plan.alloc size(100) lifetime io role("logits")
    %a = plan.alloc size(192) lifetime transient
    %part = plan.subview %a[128] : !plan.buffer
    %b = plan.alloc size(64) lifetime transient
    plan.launch @copy reads(%tokens) writes(%a)
    plan.launch @copy reads(%tokens) writes(%b)
    plan.launch @copy reads(%part) writes(%logits)
  }
}

// -----

// A launch may write several buffers, which never share bytes even if one of them is read by nobody, or none at all: what it
// reads then lives until it.
// CHECK-LABEL: plan.program @results
// CHECK-SAME: target("cpu")
// CHECK: plan.arena @act size(448)
// CHECK: plan.entry decode @many
// CHECK: %[[A:[0-9]+]] = plan.slice @act[0, 256]
// CHECK: %[[UNREAD:[0-9]+]] = plan.slice @act[256, 128]
// CHECK: %[[B:[0-9]+]] = plan.slice @act[384, 64]
// CHECK: plan.launch @pair reads(%{{.*}}) writes(%[[A]], %[[UNREAD]], %[[B]])
// CHECK: plan.launch @sink reads(%[[A]])
plan.program @results target("cpu") metadata({}) {
  plan.kernel @pair schedule(#plan.schedule<"linear", source = "heuristic", tunables = {}>) row_strides([1, 1, 1, 1]) {
  ^bb0(%x: tensor<1x1xf32>):
    %r = lm.activation relu %x : tensor<1x1xf32>
    lm.yield %r, %r, %r : tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>
  }
  plan.kernel @sink schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([1]) {
  ^bb0(%x: tensor<1x1xf32>):
    lm.yield
  }
  plan.kernel @copy schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([1, 1]) {
  ^bb0(%x: tensor<1x1xf32>):
    %r = lm.activation relu %x : tensor<1x1xf32>
    lm.yield %r : tensor<1x1xf32>
  }
  plan.entry decode @many rows(1) {
    %tokens = plan.alloc size(4) lifetime io role("tokens")
    %logits = plan.alloc size(100) lifetime io role("logits")
    %a = plan.alloc size(256) lifetime transient
    %unread = plan.alloc size(128) lifetime transient
    %b = plan.alloc size(64) lifetime transient
    plan.launch @pair reads(%tokens) writes(%a, %unread, %b)
    plan.launch @copy reads(%b) writes(%logits)
    plan.launch @sink reads(%a)
  }
}

// How much more than the unavoidable each entry takes is an analysis remark.
// RUN: stoop-opt %s --split-input-file --plan-assign-offsets --remarks-filter=memory --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// REMARK: [Analysis] plan-assign-offsets | Category:memory | Function=chain | {{.*}}arena=act, bytes=384, lower_bound=384, solver=first-fit

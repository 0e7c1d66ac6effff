// RUN: stoop-opt %s --plan-layout-kv-cache | FileCheck %s

// Layers follow one another by number, each at the next multiple of 64 bytes; all entries share them.
// CHECK: plan.arena @kv size(260) align(4096) lifetime persistent
// CHECK-LABEL: plan.entry prefill @prefill_4
// CHECK: plan.slice @kv[128, 100]
// CHECK: plan.slice @kv[0, 100]
// CHECK: plan.slice @kv[256, 4]
// CHECK-LABEL: plan.entry decode @decode_b1
// CHECK: plan.slice @kv[0, 100]
// CHECK: plan.slice @kv[128, 100]
// Other buffers are left alone.
// CHECK: plan.alloc size(8) lifetime transient
plan.program @p target("cpu") metadata({}) {
  plan.entry prefill @prefill_4 rows(4) {
    %b = plan.alloc size(100) lifetime persistent index(1)
    %a = plan.alloc size(100) lifetime persistent index(0)
    %c = plan.alloc size(4) lifetime persistent index(7)
  }
  plan.entry decode @decode_b1 rows(1) {
    %a = plan.alloc size(100) lifetime persistent index(0)
    %b = plan.alloc size(100) lifetime persistent index(1)
    %t = plan.alloc size(8) lifetime transient
  }
}

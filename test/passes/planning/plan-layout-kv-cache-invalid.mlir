// RUN: stoop-opt %s --plan-layout-kv-cache --verify-diagnostics

// One layer cannot have two sizes.
plan.program @p target("cpu") metadata({}) {
  plan.entry prefill @prefill_4 rows(4) {
    %a = plan.alloc size(100) lifetime persistent index(0)
  }
  plan.entry decode @decode_b1 rows(1) {
    // expected-error @below {{of index 0 has 64 bytes here and 100 bytes elsewhere}}
    %a = plan.alloc size(64) lifetime persistent index(0)
  }
}

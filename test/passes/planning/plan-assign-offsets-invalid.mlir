// RUN: stoop-opt %s --plan-assign-offsets --verify-diagnostics

// A role that no entry has.
plan.program @p target("cpu") metadata({}) {
  plan.entry decode @decode_b1 rows(1) {
    // expected-error @below {{has role 'masks', expects tokens, positions, slots, logits or maxima}}
    %m = plan.alloc size(4) lifetime io role("masks")
  }
}

// RUN: stoop-opt %s --pass-pipeline="builtin.module(plan.program(plan-size-threads))" --verify-diagnostics

// Only a target knows what its kernels need.
// expected-error @below {{has target 'abacus'}}
plan.program @unknown target("abacus") metadata({}) {
}

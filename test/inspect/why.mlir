// Plan IR has a report like everything else: a launch of the second layer by the checkpoint's name of its weight.
// RUN: stoop inspect %S/../passes/report/plan-dump-report-launches.mlir --why model.layers.1.mlp.up_proj.weight | FileCheck %s
// RUN: not stoop inspect %S/../passes/report/plan-dump-report-launches.mlir --why layers.1.pu 2>&1 | FileCheck %s --check-prefix=NEAREST

// CHECK: lm.linear layers.1.up, reads model.layers.1.mlp.up_proj.weight
// CHECK-NEXT: decode_b1: launch 2 of 3, kernel k0 (linear, forced), moves 1.19 KiB
// CHECK-NEXT: the same in each of the layers 0 to 1
// CHECK-NEXT: with layers.1.up.bias
// CHECK-NEXT: fused -> lm.bias layers.1.up.bias: 32 B saved

// NEAREST: stoop: error: --why layers.1.pu: nothing in the model is called so; nearest: layers.1.up

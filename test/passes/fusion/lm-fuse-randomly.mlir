// Every seed gives regions that the gate lets through, and the same ones each time; not all seeds give equal regions.
// RUN: stoop-opt %S/../Inputs/sequential.mlir --stoop-graph-pipeline --lm-fuse-randomly=seed=1 --lm-form-fused-regions --lm-verify-fused -o %t1.mlir
// RUN: stoop-opt %S/../Inputs/sequential.mlir --stoop-graph-pipeline --lm-fuse-randomly=seed=1 --lm-form-fused-regions --lm-verify-fused -o %t1b.mlir
// RUN: diff %t1.mlir %t1b.mlir
// RUN: stoop-opt %S/../Inputs/sequential.mlir --stoop-graph-pipeline --lm-fuse-randomly=seed=2 --lm-form-fused-regions --lm-verify-fused -o %t2.mlir
// RUN: stoop-opt %S/../Inputs/sequential.mlir --stoop-graph-pipeline --lm-fuse-randomly=seed=3 --lm-form-fused-regions --lm-verify-fused -o %t3.mlir
// RUN: not diff %t1.mlir %t2.mlir > %t.diff
// RUN: cat %t1.mlir %t2.mlir %t3.mlir | FileCheck %s

// Some norms stand in front of a linear, some are launches of their own.
// CHECK-DAG: lm.norm{{.*}}{{[[:space:]]+}}%{{.*}} = lm.linear
// CHECK-DAG: lm.norm{{.*}}{{[[:space:]]+}}lm.yield

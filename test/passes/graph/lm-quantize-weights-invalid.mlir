// RUN: not stoop-opt %S/../Inputs/sequential.mlir --lm-quantize-weights="scheme=int3" 2>&1 | FileCheck %s --check-prefix=SCHEME
// RUN: not stoop-opt %S/../Inputs/sequential.mlir --lm-quantize-weights="scheme=int4-g64" 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not stoop-opt %S/../Inputs/sequential.mlir --lm-quantize-weights="overrides=embed" 2>&1 | FileCheck %s --check-prefix=FORM
// RUN: not stoop-opt %S/../Inputs/sequential.mlir --lm-quantize-weights="overrides=embed=int5" 2>&1 | FileCheck %s --check-prefix=FORM
// RUN: not stoop-opt %S/../Inputs/sequential.mlir --lm-quantize-weights="overrides=[=int8" 2>&1 | FileCheck %s --check-prefix=GLOB
// RUN: not stoop-opt %S/../Inputs/sequential.mlir --lm-quantize-weights="overrides=embedd=int8" 2>&1 | FileCheck %s --check-prefix=NAME

// SCHEME: --quantization: there is no scheme 'int3'; schemes: none, int8, int4, int4-g32, int4-g128
// GROUP: --quantization: there is no scheme 'int4-g64'
// FORM: --quantization-override 'embed{{.*}}': expected PATTERN=SCHEME, schemes: none, int8, int4, int4-g32, int4-g128
// GLOB: --quantization-override '[=int8': invalid glob pattern
// NAME: --quantization-override: no weight matrix matches 'embedd'; the nearest name is 'embed'

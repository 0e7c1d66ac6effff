// RUN: stoop-opt %s --lm-select-schedule | FileCheck %s
// RUN: stoop-opt %s --lm-select-schedule="target-cpu-levels=x86-64-v3,avx512" | FileCheck %s --check-prefix=WIDE
// RUN: not stoop-opt %s --lm-select-schedule="target=abacus" 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not stoop-opt %s --lm-select-schedule="target-cpu-levels=avx1024" 2>&1 | FileCheck %s --check-prefix=LEVEL

// TARGET: no schedules are known for target 'abacus'
// LEVEL: target 'cpu' has no feature level 'avx1024'

// A template per kind. A weight that a core's cache keeps is not fetched ahead; one that comes from memory is, by more
// when vectors are wider. Many rows have blocks instead of a prefetch distance. A schedule that is there already stays and
// counts as forced.
// CHECK-LABEL: lm.entry decode @decode_b1
// CHECK: lm.fused "embedding"({{.*}}) {plan.schedule = #plan.schedule<"embedding", source = "heuristic", tunables = {}>}
// CHECK: lm.fused "linear"({{.*}}) {plan.schedule = #plan.schedule<"linear", source = "heuristic", tunables = {block_panels = 8 : i64, prefetch = 0 : i64}>}
// CHECK: lm.fused "linear"({{.*}}) {plan.schedule = #plan.schedule<"linear", source = "heuristic", tunables = {block_panels = 8 : i64, prefetch = 2048 : i64}>}
// CHECK: lm.fused "linear"({{.*}}) {plan.schedule = #plan.schedule<"linear", source = "forced", tunables = {block_panels = 4 : i64, prefetch = 512 : i64}>}
// CHECK-LABEL: lm.entry prefill @prefill_5
// CHECK: tunables = {block_inner = 384 : i64, block_panels = 64 : i64, block_rows = 192 : i64, split_panels = 64 : i64}
// WIDE: tunables = {block_panels = 8 : i64, prefetch = 4096 : i64}
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 16384 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @big : tensor<16384x8xf32> sources([#lm.source<key = "big", file = "f", offset = 256, dtype = f32, rows = 16384, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x16384xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %big = lm.load_weight @big : tensor<16384x8xf32>
    %x = lm.fused "embedding" (%tokens, %big) : (tensor<1xi32>, tensor<16384x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<16384x8xf32>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<16384x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    %y = lm.fused "linear" (%x, %w) : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1x8xf32>, %j: tensor<8x8xf32>):
      %r = lm.linear %i, %j : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }
    %u = lm.fused "linear" (%y, %big) : (tensor<1x8xf32>, tensor<16384x8xf32>) -> tensor<1x16384xf32> {
    ^bb0(%i: tensor<1x8xf32>, %j: tensor<16384x8xf32>):
      %r = lm.linear %i, %j : (tensor<1x8xf32>, tensor<16384x8xf32>) -> tensor<1x16384xf32>
      lm.yield %r : tensor<1x16384xf32>
    }
    %z = lm.fused "linear" (%y, %big) {plan.schedule = #plan.schedule<"linear", source = "tuned", tunables = {block_panels = 4 : i64, prefetch = 512 : i64}>}
        : (tensor<1x8xf32>, tensor<16384x8xf32>) -> tensor<1x16384xf32> {
    ^bb0(%i: tensor<1x8xf32>, %j: tensor<16384x8xf32>):
      %r = lm.linear %i, %j : (tensor<1x8xf32>, tensor<16384x8xf32>) -> tensor<1x16384xf32>
      lm.yield %r : tensor<1x16384xf32>
    }
    lm.return %z : tensor<1x16384xf32>
  }
  lm.entry prefill @prefill_5(%tokens: tensor<5xi32>, %positions: tensor<5xi32>, %slots: tensor<5xi32>) -> tensor<5x16384xf32> {
    %big = lm.load_weight @big : tensor<16384x8xf32>
    %x = lm.fused "embedding" (%tokens, %big) : (tensor<5xi32>, tensor<16384x8xf32>) -> tensor<5x8xf32> {
    ^bb0(%i: tensor<5xi32>, %j: tensor<16384x8xf32>):
      %r = lm.embedding %i, %j : (tensor<5xi32>, tensor<16384x8xf32>) -> tensor<5x8xf32>
      lm.yield %r : tensor<5x8xf32>
    }
    %u = lm.fused "linear" (%x, %big) : (tensor<5x8xf32>, tensor<16384x8xf32>) -> tensor<5x16384xf32> {
    ^bb0(%i: tensor<5x8xf32>, %j: tensor<16384x8xf32>):
      %r = lm.linear %i, %j : (tensor<5x8xf32>, tensor<16384x8xf32>) -> tensor<5x16384xf32>
      lm.yield %r : tensor<5x16384xf32>
    }
    lm.return %u : tensor<5x16384xf32>
  }
}

// Every choice is an analysis remark.
// RUN: stoop-opt %s --lm-select-schedule --remarks-filter=schedule --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// REMARK: [Analysis] lm-select-schedule | Category:schedule | {{.*}}template=embedding
// REMARK: [Analysis] lm-select-schedule | Category:schedule | {{.*}}source=forced

// Measured schedules count on the machine and with the kernels that they were measured with: rows exactly, else (many
// rows are one kernel) the nearest. What was not measured is a missed remark and has its heuristic.
// RUN: stoop-opt %s --lm-select-schedule="tuning-db=%S/Inputs/other.txtpb tuning-device=abacus tuning-processors=4 tuning-library=beads" --remarks-filter=schedule --remark-format=emitRemark -o %t 2>&1 | FileCheck %s --check-prefix=MISS
// RUN: FileCheck %s --check-prefix=TUNED --input-file=%t
// RUN: stoop-opt %s --lm-select-schedule="tuning-db=%S/Inputs/other.txtpb tuning-device=sliderule tuning-processors=4 tuning-library=beads" | FileCheck %s --check-prefix=ELSEWHERE
// RUN: not stoop-opt %s --lm-select-schedule="tuning-db=%s" 2>&1 | FileCheck %s --check-prefix=DAMAGED
// MISS: [Missed] lm-select-schedule | Category:schedule | Reason="no tuned schedule: region {{[0-9a-f]+}} was not measured with 1 row"
// MISS-NOT: [Missed]
// TUNED: source = "heuristic", tunables = {block_panels = 8 : i64, prefetch = 0 : i64}
// TUNED: source = "tuned", tunables = {block_panels = 2 : i64, prefetch = 4096 : i64}, evidence = {chosen_ns = 90 : i64, heuristic_ns = 100 : i64, launches = 24 : i64, rows = 1 : i64}
// TUNED: source = "forced", tunables = {block_panels = 4 : i64, prefetch = 512 : i64}
// TUNED: source = "tuned", tunables = {block_inner = 256 : i64, block_panels = 16 : i64, block_rows = 96 : i64, split_panels = 0 : i64}
// Where nothing was measured, predictions for the level and the kernels count; for other kernels they do not.
// ELSEWHERE-NOT: "tuned"
// ELSEWHERE: source = "predicted", tunables = {block_panels = 32 : i64, prefetch = 256 : i64}
// ELSEWHERE-NOT: "tuned"
// RUN: stoop-opt %s --lm-select-schedule="tuning-db=%S/Inputs/other.txtpb tuning-device=abacus tuning-processors=4 tuning-library=pebbles" | FileCheck %s --check-prefix=NOTHING
// NOTHING-NOT: "tuned"
// NOTHING-NOT: "predicted"
// DAMAGED: error: tuning database '{{.*}}lm-select-schedule.mlir': is damaged: line 1

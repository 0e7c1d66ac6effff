// Each phase is these passes, ending in its gate, with the options that the driver passes on. The passes have nothing to
// do in this file, which the import gate alone minds: the pipelines are only printed.

// RUN: not stoop-opt %s --stoop-import-pipeline --dump-pass-pipeline -o /dev/null 2>&1 | FileCheck %s --check-prefix=IMPORT
// IMPORT: builtin.module(
// IMPORT-NEXT: lm-verify-imported
// IMPORT-NEXT: )

// RUN: stoop-opt %s --stoop-graph-pipeline="prefill-buckets=16,256 batch=4 score-rows=8" --dump-pass-pipeline -o /dev/null 2>&1 | FileCheck %s --check-prefix=GRAPH
// GRAPH: builtin.module(
// GRAPH-NEXT: lm-quantize-weights{{.*}}scheme=none},
// GRAPH-NEXT: lm-expect-inputs,
// GRAPH-NEXT: lm-split-entry-points{batch=4 prefill-buckets={{\{?}}16,256{{\}?}} score-rows=8},
// GRAPH-NEXT: lm-reduce-logits,
// GRAPH-NEXT: cse{{.*}},
// GRAPH-NEXT: lm-verify-graph
// GRAPH-NEXT: )

// RUN: stoop-opt %s --stoop-fused-pipeline="kinds=linear,norm capabilities=multi_linear,norm_prologue max-prologue-rows=8 max-gathered-rows=4 rotation-tiles=8,64 moments-block=16 least-moments-columns=32 tile-costs=64,64,1,2,3,4" --dump-pass-pipeline -o /dev/null 2>&1 | FileCheck %s --check-prefix=FUSED
// FUSED: builtin.module(
// FUSED-NEXT: lm-fuse-epilogue{capabilities={{\{?}}multi_linear,norm_prologue{{\}?}}},
// FUSED-NEXT: lm-fuse-linears{capabilities={{\{?}}multi_linear,norm_prologue{{\}?}}},
// FUSED-NEXT: lm-leave-moments{anywhere=false capabilities={{\{?}}multi_linear,norm_prologue{{\}?}} least-moments-columns=32 max-prologue-rows=8 moments-block=16 tile-costs={{\{?}}64,64,1,2,3,4{{\}?}}},
// FUSED-NEXT: lm-fuse-columns{capabilities={{\{?}}multi_linear,norm_prologue{{\}?}} rotation-tiles={{\{?}}8,64{{\}?}}},
// FUSED-NEXT: lm-fuse-segments{capabilities={{\{?}}multi_linear,norm_prologue{{\}?}}},
// FUSED-NEXT: lm-fuse-prologue{capabilities={{\{?}}multi_linear,norm_prologue{{\}?}} max-gathered-rows=4 max-prologue-rows=8 tile-costs={{\{?}}64,64,1,2,3,4{{\}?}}},
// FUSED-NEXT: lm-form-fused-regions{kinds={{\{?}}linear,norm{{\}?}}},
// FUSED-NEXT: lm-log-fusion{capabilities={{\{?}}multi_linear,norm_prologue{{\}?}} least-moments-columns=32 max-gathered-rows=4 max-prologue-rows=8 moments-block=16 rotation-tiles={{\{?}}8,64{{\}?}} tile-costs={{\{?}}64,64,1,2,3,4{{\}?}}},
// FUSED-NEXT: lm-verify-fused
// FUSED-NEXT: )

// RUN: stoop-opt %s --stoop-scheduled-pipeline="target=cpu target-cpu-levels=x86-64-v3,amx tuning-db=%S/../passes/schedule/Inputs/other.txtpb tuning-device=abacus tuning-processors=2 tuning-library=beads" --dump-pass-pipeline -o /dev/null 2>&1 | FileCheck %s --check-prefix=SCHEDULED
// SCHEDULED: builtin.module(
// SCHEDULED-NEXT: lm-select-schedule{target=cpu target-cpu-levels={{\{?}}x86-64-v3,amx{{\}?}} tuning-db={{.*}}other.txtpb tuning-device=abacus tuning-library=beads tuning-processors=2},
// SCHEDULED-NEXT: lm-verify-schedule{target=cpu}
// SCHEDULED-NEXT: )

// RUN: stoop-opt %s --stoop-planned-pipeline="target=cpu solver=best-fit" --dump-pass-pipeline -o /dev/null 2>&1 | FileCheck %s --check-prefix=PLANNED
// PLANNED: builtin.module(
// PLANNED-NEXT: plan-lower-fused{target=cpu},
// PLANNED-NEXT: plan-set-geometry,
// PLANNED-NEXT: plan-overlap-launches,
// PLANNED-NEXT: plan-pack-weights,
// PLANNED-NEXT: plan-layout-kv-cache,
// PLANNED-NEXT: plan-assign-offsets{solver=best-fit},
// PLANNED-NEXT: plan-verify-planned
// PLANNED-NEXT: )

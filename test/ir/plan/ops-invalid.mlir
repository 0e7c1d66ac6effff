// RUN: stoop-opt %s --split-input-file --verify-diagnostics
// One case per labelled constraint of the plan ops; the constraint is in the symbol's name.

plan.program @p target("cpu") metadata({}) {
  // expected-error @below {{expects a size of at least 0, got -1}}
  plan.arena @arena_c1_size size(-1) align(64) lifetime transient
}

// -----

plan.program @p target("cpu") metadata({}) {
  // expected-error @below {{expects align to be a power of two, got 48}}
  plan.arena @arena_c2_align size(64) align(48) lifetime transient
}

// -----

plan.program @p target("cpu") metadata({}) {
  plan.arena @weights size(4096) align(64) lifetime constant
  // 8 x 3 in bf16 panels: 16 rows of 4 columns.
  // expected-error @below {{expects a place of 128 bytes, got 48}}
  plan.weight @weight_c1_bytes pack(#plan.pack<panel16, 8 x 3 : bf16>) at(#plan.slice<@weights[0, 48]>) origin({})
}

// -----

plan.program @p target("cpu") metadata({}) {
  // expected-error @below {{expects the name of a quantisation scheme, got "int3"}}
  plan.weight @pack_c1_scheme pack(#plan.pack<panel16, 8 x 4 : f32, "int3">) origin({})
}

// -----

plan.program @p target("cpu") metadata({}) {
  // expected-error @below {{expects "fp8" to be packed as tiles: panels are of integers}}
  plan.weight @pack_c1_panel pack(#plan.pack<panel16, 8 x 4 : f32, "fp8">) origin({})
}

// -----

plan.program @p target("cuda") metadata({}) {
  // expected-error @below {{expects tiles of f16 or bf16, got 'f32'}}
  plan.weight @pack_c2_tiles pack(#plan.pack<tiles, 8 x 4 : f32>) origin({})
}

// -----

plan.program @p target("cpu") metadata({}) {
  // expected-error @below {{expects a quantised weight to be packed as panel16 or tiles, got rows}}
  plan.weight @pack_c1_kind pack(#plan.pack<rows, 8 x 4 : f32, "int8">) origin({})
}

// -----

plan.program @p target("cpu") metadata({}) {
  // expected-error @below {{expects 2 row strides, one per input and result, got 1}}
  plan.kernel @kernel_c1_strides schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8]) {
  ^bb0(%x: tensor<1x8xf32>):
    lm.yield %x : tensor<1x8xf32>
  }
}

// -----

plan.program @p target("cpu") metadata({}) {
  plan.entry decode @alloc_c1_size rows(1) {
    // expected-error @below {{expects a positive size, got 0}}
    %a = plan.alloc size(0) lifetime transient
  }
}

// -----

plan.program @p target("cpu") metadata({}) {
  plan.entry decode @weight_ref_c1_symbol rows(1) {
    // expected-error @below {{names no plan.weight: @w}}
    %a = plan.weight_ref @w : !plan.buffer
  }
}

// -----

plan.program @p target("cpu") metadata({}) {
  plan.entry decode @slice_c1_symbol rows(1) {
    // expected-error @below {{names no arena: @act}}
    %a = plan.slice @act[0, 64] : !plan.buffer
  }
}

// -----

plan.program @p target("cpu") metadata({}) {
  plan.arena @act size(64) align(64) lifetime transient
  plan.entry decode @slice_c2_range rows(1) {
    // expected-error @below {{expects a range within the 64 bytes of @act, got [32, 96)}}
    %a = plan.slice @act[32, 64] : !plan.buffer
  }
}

// -----

plan.program @p target("cpu") metadata({}) {
  plan.entry decode @launch_c1_symbol rows(1) {
    // expected-error @below {{names no kernel: @k}}
    plan.launch @k reads()
  }
}

// -----

plan.program @p target("cpu") metadata({}) {
  plan.kernel @k schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8, 8]) {
  ^bb0(%x: tensor<1x8xf32>):
    lm.yield %x : tensor<1x8xf32>
  }
  plan.arena @act size(64) align(64) lifetime transient
  plan.entry decode @launch_c2_buffers rows(1) {
    %a = plan.slice @act[0, 32] : !plan.buffer
    // expected-error @below {{expects 1 reads and 1 writes, got 2 and 0}}
    plan.launch @k reads(%a, %a)
  }
}

// -----

// expected-error @below {{has an unknown plan attribute "plan.scedule"}}
func.func @schedule_attribute_name() attributes {plan.scedule = 1 : i64} { return }

// -----

// expected-error @below {{expects a #plan.schedule as "plan.schedule"}}
func.func @schedule_attribute_type() attributes {plan.schedule = 1 : i64} { return }

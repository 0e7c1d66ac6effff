// RUN: stoop-opt %s --plan-pack-weights --split-input-file | FileCheck %s

// Panels pad rows to 16, and columns of bf16 to an even number; each weight begins at the next multiple of 64. A weight
// that an embedding and a head share is stored once.
// CHECK-LABEL: plan.program @p
// 1024 + 640 + 192 + 28 bytes, with the last at 1856.
// CHECK: plan.arena @weights size(1884) align(65536) lifetime constant
// 17 x 15 bf16: 32 x 16 elements.
// CHECK: plan.weight @tied pack(<panel16, 17 x 15 : bf16>) at(<@weights[0, 1024]>)
// 5 x 10 f32: 16 x 10 elements.
// CHECK: plan.weight @odd pack(<panel16, 5 x 10 : f32>) at(<@weights[1024, 640]>)
// CHECK: plan.weight @table pack(<table, 8 x 6 : f32>) at(<@weights[1664, 192]>)
// CHECK: plan.weight @bias pack(<vector, 1 x 7 : f32>) at(<@weights[1856, 28]>)
// CHECK: plan.entry
// CHECK: %[[TIED:[0-9]+]] = plan.slice @weights[0, 1024] : !plan.buffer
// CHECK: %[[ODD:[0-9]+]] = plan.slice @weights[1024, 640]
// CHECK: plan.launch @embedding reads(%{{.*}}, %[[TIED]])
// CHECK: plan.launch @head reads(%{{.*}}, %[[TIED]])
// CHECK: plan.launch @linear reads(%{{.*}}, %[[ODD]])
// CHECK-NOT: plan.weight_ref
plan.program @p target("cpu") metadata({}) {
  plan.weight @tied pack(#plan.pack<rows, 17 x 15 : bf16>) origin({})
  plan.weight @odd pack(#plan.pack<rows, 5 x 10 : f32>) origin({})
  plan.weight @table pack(#plan.pack<rows, 8 x 6 : f32>) origin({})
  plan.weight @bias pack(#plan.pack<vector, 1 x 7 : f32>) origin({})
  plan.kernel @embedding schedule(#plan.schedule<"embedding", source = "heuristic", tunables = {}>) row_strides([1, 0, 15]) {
  ^bb0(%t: tensor<1xi32>, %w: tensor<17x15xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<17x15xbf16>) -> tensor<1x15xf32>
    lm.yield %r : tensor<1x15xf32>
  }
  plan.kernel @head schedule(#plan.schedule<"linear", source = "heuristic", tunables = {prefetch = 0 : i64}>) row_strides([15, 0, 17]) {
  ^bb0(%x: tensor<1x15xf32>, %w: tensor<17x15xbf16>):
    %r = lm.linear %x, %w : (tensor<1x15xf32>, tensor<17x15xbf16>) -> tensor<1x17xf32>
    lm.yield %r : tensor<1x17xf32>
  }
  plan.kernel @linear schedule(#plan.schedule<"linear", source = "heuristic", tunables = {prefetch = 0 : i64}>) row_strides([10, 0, 5]) {
  ^bb0(%x: tensor<1x10xf32>, %w: tensor<5x10xf32>):
    %r = lm.linear %x, %w : (tensor<1x10xf32>, tensor<5x10xf32>) -> tensor<1x5xf32>
    lm.yield %r : tensor<1x5xf32>
  }
  plan.kernel @rope schedule(#plan.schedule<"rope", source = "heuristic", tunables = {}>) row_strides([6, 1, 0, 6]) {
  ^bb0(%x: tensor<1x6xf32>, %p: tensor<1xi32>, %w: tensor<8x6xf32>):
    %r = lm.rope %x, %p, %w heads(1) : (tensor<1x6xf32>, tensor<1xi32>, tensor<8x6xf32>) -> tensor<1x6xf32>
    lm.yield %r : tensor<1x6xf32>
  }
  plan.entry decode @decode_b1 rows(1) {
    %tokens = plan.alloc size(4) lifetime io role("tokens")
    %a = plan.alloc size(64) lifetime transient
    %b = plan.alloc size(68) lifetime transient
    %tied = plan.weight_ref @tied : !plan.buffer
    %odd = plan.weight_ref @odd : !plan.buffer
    %table = plan.weight_ref @table : !plan.buffer
    plan.launch @embedding reads(%tokens, %tied) writes(%a)
    plan.launch @head reads(%a, %tied) writes(%b)
    plan.launch @linear reads(%b, %odd) writes(%a)
    plan.launch @rope reads(%a, %tokens, %table) writes(%b)
  }
}

// -----

// A quantised weight keeps its scheme: 16 scales and zeros, two units of 8 columns.
// CHECK-LABEL: plan.program @quantised
// CHECK: plan.arena @weights size(168)
// CHECK: plan.weight @w pack(<panel16, 5 x 10 : f32, "int4-g32">) at(<@weights[0, 168]>)
plan.program @quantised target("cpu") metadata({}) {
  plan.weight @w pack(#plan.pack<panel16, 5 x 10 : f32, "int4-g32">) origin({})
  plan.kernel @linear schedule(#plan.schedule<"linear", source = "heuristic", tunables = {prefetch = 0 : i64}>) row_strides([10, 0, 5]) {
  ^bb0(%x: tensor<1x10xf32>, %w: tensor<5x10xf32, "int4-g32">):
    %r = lm.linear %x, %w : (tensor<1x10xf32>, tensor<5x10xf32, "int4-g32">) -> tensor<1x5xf32>
    lm.yield %r : tensor<1x5xf32>
  }
  plan.entry decode @decode_b1 rows(1) {
    %a = plan.alloc size(64) lifetime transient
    %b = plan.alloc size(64) lifetime transient
    %w = plan.weight_ref @w : !plan.buffer
    plan.launch @linear reads(%a, %w) writes(%b)
  }
}

// -----

// On a grid in tiles of 64 and 128 columns: 2 strips of a tile with 16 scales padded to 128 bytes; a strip of a tile with 16 x 4
// scales and zeros. So are those of a table alone.
// CHECK-LABEL: plan.program @codes
// CHECK: plan.arena @weights size(4736)
// CHECK: plan.weight @bytes pack(<tiles, 17 x 15 : f32, "fp8">) at(<@weights[0, 2304]>)
// CHECK: plan.weight @nibbles pack(<tiles, 5 x 15 : f32, "int4-g32">) at(<@weights[2304, 1280]>)
// CHECK: plan.weight @table pack(<tiles, 5 x 15 : f32, "int8">) at(<@weights[3584, 1152]>)
// CHECK: plan.kernel @embedding {{.*}} attributes {plan.geometry = {{.*}}, tiled = array<i64: 1>}
plan.program @codes target("cuda") metadata({}) {
  plan.weight @bytes pack(#plan.pack<tiles, 17 x 15 : f32, "fp8">) origin({})
  plan.weight @nibbles pack(#plan.pack<panel16, 5 x 15 : f32, "int4-g32">) origin({})
  plan.weight @table pack(#plan.pack<panel16, 5 x 15 : f32, "int8">) origin({})
  plan.kernel @embedding schedule(#plan.schedule<"embedding_rows", source = "heuristic", tunables = {}>) row_strides([1, 0, 15])
      attributes {plan.geometry = #plan.geometry<grid = [1, 1, 1], threads = 256, shared = 0, scratch = 0>} {
  ^bb0(%t: tensor<1xi32>, %w: tensor<5x15xf32, "int8">):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<5x15xf32, "int8">) -> tensor<1x15xbf16>
    lm.yield %r : tensor<1x15xbf16>
  }
  plan.kernel @linear schedule(#plan.schedule<"linear_stream", source = "heuristic", tunables = {slice = 1 : i64, split = 0 : i64, stages = 2 : i64, trigger = 50 : i64}>)
      row_strides([15, 0, 0, 17, 5]) attributes {plan.geometry = #plan.geometry<grid = [1, 0, 1], threads = 256, shared = 0, scratch = 0>} {
  ^bb0(%x: tensor<1x15xbf16>, %w: tensor<17x15xf32, "fp8">, %u: tensor<5x15xf32, "int4-g32">):
    %r = lm.linear %x, %w : (tensor<1x15xbf16>, tensor<17x15xf32, "fp8">) -> tensor<1x17xf32>
    %s = lm.linear %x, %u : (tensor<1x15xbf16>, tensor<5x15xf32, "int4-g32">) -> tensor<1x5xf32>
    lm.yield %r, %s : tensor<1x17xf32>, tensor<1x5xf32>
  }
  plan.entry decode @decode_b1 rows(1) {
    %tokens = plan.alloc size(4) lifetime io role("tokens")
    %a = plan.alloc size(64) lifetime transient
    %b = plan.alloc size(68) lifetime transient
    %c = plan.alloc size(20) lifetime transient
    %bytes = plan.weight_ref @bytes : !plan.buffer
    %nibbles = plan.weight_ref @nibbles : !plan.buffer
    %table = plan.weight_ref @table : !plan.buffer
    plan.launch @embedding reads(%tokens, %table) writes(%a)
    plan.launch @linear reads(%a, %bytes, %nibbles) writes(%b, %c)
  }
}

// -----

// On a grid the template of lm.linear says how. Tiles pad rows to 16 and columns to 32; an embedding takes its rows out of
// whatever the head needs.
// CHECK-LABEL: plan.program @grid
// CHECK: plan.arena @weights size(2340)
// 17 x 15: 32 x 32 elements.
// CHECK: plan.weight @tied pack(<tiles, 17 x 15 : bf16>) at(<@weights[0, 2048]>)
// CHECK: plan.weight @odd pack(<rows, 5 x 15 : bf16>) at(<@weights[2048, 150]>)
// CHECK: plan.weight @table pack(<rows, 5 x 10 : bf16>) at(<@weights[2240, 100]>)
// CHECK: plan.kernel @embedding {{.*}} attributes {plan.geometry = {{.*}}, tiled = array<i64: 1>}
// CHECK: plan.kernel @plain
// CHECK-NOT: tiled
plan.program @grid target("cuda") metadata({}) {
  plan.weight @tied pack(#plan.pack<rows, 17 x 15 : bf16>) origin({})
  plan.weight @odd pack(#plan.pack<rows, 5 x 15 : bf16>) origin({})
  plan.weight @table pack(#plan.pack<rows, 5 x 10 : bf16>) origin({})
  plan.kernel @embedding schedule(#plan.schedule<"embedding_rows", source = "heuristic", tunables = {}>) row_strides([1, 0, 15])
      attributes {plan.geometry = #plan.geometry<grid = [1, 1, 1], threads = 256, shared = 0, scratch = 0>} {
  ^bb0(%t: tensor<1xi32>, %w: tensor<17x15xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<17x15xbf16>) -> tensor<1x15xbf16>
    lm.yield %r : tensor<1x15xbf16>
  }
  plan.kernel @plain schedule(#plan.schedule<"embedding_rows", source = "heuristic", tunables = {}>) row_strides([1, 0, 10])
      attributes {plan.geometry = #plan.geometry<grid = [1, 1, 1], threads = 256, shared = 0, scratch = 0>} {
  ^bb0(%t: tensor<1xi32>, %w: tensor<5x10xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<5x10xbf16>) -> tensor<1x10xbf16>
    lm.yield %r : tensor<1x10xbf16>
  }
  plan.kernel @head schedule(#plan.schedule<"linear_stream", source = "heuristic", tunables = {slice = 1 : i64, split = 0 : i64, stages = 2 : i64, trigger = 50 : i64}>)
      row_strides([15, 0, 17]) attributes {plan.geometry = #plan.geometry<grid = [1, 0, 1], threads = 256, shared = 0, scratch = 0>} {
  ^bb0(%x: tensor<1x15xbf16>, %w: tensor<17x15xbf16>):
    %r = lm.linear %x, %w : (tensor<1x15xbf16>, tensor<17x15xbf16>) -> tensor<1x17xf32>
    lm.yield %r : tensor<1x17xf32>
  }
  plan.kernel @small schedule(#plan.schedule<"linear_small", source = "heuristic", tunables = {columns_per_warp = 2 : i64}>)
      row_strides([15, 0, 5]) attributes {plan.geometry = #plan.geometry<grid = [1, 1, 1], threads = 256, shared = 0, scratch = 0>} {
  ^bb0(%x: tensor<1x15xf32>, %w: tensor<5x15xbf16>):
    %r = lm.linear %x, %w : (tensor<1x15xf32>, tensor<5x15xbf16>) -> tensor<1x5xf32>
    lm.yield %r : tensor<1x5xf32>
  }
  plan.entry decode @decode_b1 rows(1) {
    %tokens = plan.alloc size(4) lifetime io role("tokens")
    %a = plan.alloc size(64) lifetime transient
    %b = plan.alloc size(68) lifetime transient
    %tied = plan.weight_ref @tied : !plan.buffer
    %odd = plan.weight_ref @odd : !plan.buffer
    %table = plan.weight_ref @table : !plan.buffer
    plan.launch @embedding reads(%tokens, %tied) writes(%a)
    plan.launch @plain reads(%tokens, %table) writes(%b)
    plan.launch @head reads(%a, %tied) writes(%b)
    plan.launch @small reads(%b, %odd) writes(%a)
  }
}

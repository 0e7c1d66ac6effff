// RUN: stoop-opt %s --plan-set-geometry | FileCheck %s

// Grids follow from the schedule and the parts of the region; kernels of other templates keep none.

plan.program @p target("cuda") metadata({}) {
  // Two segments of 48 and 40 columns in tiles of 16: 3 + 3 blocks. Shared: one linear's sums.
  // CHECK-LABEL: plan.kernel @small
  // CHECK-SAME: attributes {plan.geometry = #plan.geometry<grid = [6, 1, 1], threads = 256, shared = 64, scratch = 0>}
  plan.kernel @small schedule(<"linear_small", source = "heuristic", tunables = {columns_per_warp = 2 : i64}>)
      row_strides([64, 0, 0, 0, 0, 48, 40]) {
  ^bb0(%x: tensor<1x64xf32>, %g: tensor<64xf32>, %b: tensor<64xf32>, %w: tensor<48x64xbf16>, %u: tensor<40x64xbf16>):
    %n = lm.norm layer %x, %g, %b eps(1.0e-5) : (tensor<1x64xf32>, tensor<64xf32>, tensor<64xf32>) -> tensor<1x64xbf16>
    %0 = lm.linear %n, %w : (tensor<1x64xbf16>, tensor<48x64xbf16>) -> tensor<1x48xbf16>
    %1 = lm.linear %n, %u : (tensor<1x64xbf16>, tensor<40x64xbf16>) -> tensor<1x40xbf16>
    lm.yield %0, %1 : tensor<1x48xbf16>, tensor<1x40xbf16>
  }
  // The same, streamed: 3 + 3 units of a strip of 2 tiles, 12 tiles in all, so 12 blocks at most. Shared: one row of 64 and 32
  // elements, 4 copies of 1024 bytes for each of 8 warps, twice their sums of 20 floats, a unit's sums in rows of 20. Scratch:
  // tickets, then two units of each block in 128 bytes.
  // CHECK-LABEL: plan.kernel @stream
  // CHECK-SAME: grid = [12, 0, 1], threads = 256, shared = 34320, scratch = 7168
  // CHECK-SAME: split = {balance = {"108" = 1.000000e+00 : f64, "132" = 1.000000e+00 : f64}, count = 12 : i64, unit = "tiles of 1 KiB of weights"}
  plan.kernel @stream schedule(<"linear_stream", source = "heuristic", tunables = {slice = 2 : i64, split = 1 : i64, stages = 4 : i64, trigger = 50 : i64}>)
      row_strides([64, 0, 0, 0, 0, 48, 40]) {
  ^bb0(%x: tensor<1x64xf32>, %g: tensor<64xf32>, %b: tensor<64xf32>, %w: tensor<48x64xbf16>, %u: tensor<40x64xbf16>):
    %n = lm.norm layer %x, %g, %b eps(1.0e-5) : (tensor<1x64xf32>, tensor<64xf32>, tensor<64xf32>) -> tensor<1x64xbf16>
    %0 = lm.linear %n, %w : (tensor<1x64xbf16>, tensor<48x64xbf16>) -> tensor<1x48xbf16>
    %1 = lm.linear %n, %u : (tensor<1x64xbf16>, tensor<40x64xbf16>) -> tensor<1x40xbf16>
    lm.yield %0, %1 : tensor<1x48xbf16>, tensor<1x40xbf16>
  }
  // By slices of one tile: a row of 32 elements, and units that are as wide as divides the columns, of 48 here.
  // CHECK-LABEL: plan.kernel @sliced
  // CHECK-SAME: grid = [12, 0, 1], threads = 256, shared = 34320, scratch = 10240
  plan.kernel @sliced schedule(<"linear_stream", source = "heuristic", tunables = {slice = 1 : i64, split = 1 : i64, stages = 4 : i64, trigger = 50 : i64}>)
      row_strides([64, 0, 0, 0, 0, 48, 40]) {
  ^bb0(%x: tensor<1x64xf32>, %g: tensor<64xf32>, %b: tensor<64xf32>, %w: tensor<48x64xbf16>, %u: tensor<40x64xbf16>):
    %n = lm.norm layer %x, %g, %b eps(1.0e-5) : (tensor<1x64xf32>, tensor<64xf32>, tensor<64xf32>) -> tensor<1x64xbf16>
    %0 = lm.linear %n, %w : (tensor<1x64xbf16>, tensor<48x64xbf16>) -> tensor<1x48xbf16>
    %1 = lm.linear %n, %u : (tensor<1x64xbf16>, tensor<40x64xbf16>) -> tensor<1x40xbf16>
    lm.yield %0, %1 : tensor<1x48xbf16>, tensor<1x40xbf16>
  }
  // Codes: 3 strips of 2 tiles of 64 and of 1 tile of 128 columns. The row of 100 is staged as 128 columns and 32 more; a copy of
  // a tile of 4 bits brings 160 bytes of scales along.
  // CHECK-LABEL: plan.kernel @codes
  // CHECK-SAME: grid = [9, 0, 1], threads = 256, shared = 39648, scratch = 0
  plan.kernel @codes schedule(<"linear_stream", source = "heuristic", tunables = {slice = 1 : i64, split = 0 : i64, stages = 4 : i64, trigger = 50 : i64}>)
      row_strides([100, 0, 0, 0, 48]) {
  ^bb0(%x: tensor<1x100xf32>, %g: tensor<100xf32>, %w: tensor<48x100xf32, "fp8">, %u: tensor<48x100xf32, "int4-g32">):
    %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x100xf32>, tensor<100xf32>) -> tensor<1x100xbf16>
    %0 = lm.linear %n, %w : (tensor<1x100xbf16>, tensor<48x100xf32, "fp8">) -> tensor<1x48xf32>
    %1 = lm.linear %n, %u : (tensor<1x100xbf16>, tensor<48x100xf32, "int4-g32">) -> tensor<1x48xf32>
    %2 = lm.binary add %0, %1 : tensor<1x48xf32>
    lm.yield %2 : tensor<1x48xf32>
  }
  // 130 rows in tiles of 64, 100 columns in tiles of 64; two linears' sums behind three stages.
  // CHECK-LABEL: plan.kernel @mma
  // CHECK-SAME: grid = [2, 3, 1], threads = 128, shared = 57344, scratch = 0
  plan.kernel @mma schedule(<"linear_mma", source = "heuristic", tunables = {splits = 1 : i64, stages = 3 : i64, tile_columns = 64 : i64}>)
      row_strides([32, 32, 0, 0, 100]) {
  ^bb0(%x: tensor<130x32xbf16>, %y: tensor<130x32xbf16>, %w: tensor<100x32xbf16>, %u: tensor<100x32xbf16>):
    %0 = lm.linear %x, %w : (tensor<130x32xbf16>, tensor<100x32xbf16>) -> tensor<130x100xf32>
    %1 = lm.linear %y, %u : (tensor<130x32xbf16>, tensor<100x32xbf16>) -> tensor<130x100xf32>
    %2 = lm.binary add %0, %1 : tensor<130x100xf32>
    lm.yield %2 : tensor<130x100xf32>
  }
  // Three blocks a tile: tickets, then the sums of two linears by each of the 18 blocks.
  // CHECK-LABEL: plan.kernel @shared
  // CHECK-SAME: grid = [2, 3, 3], threads = 128, shared = 57344, scratch = 593920
  // CHECK-SAME: split = {balance = {"108" = 0.1666{{[0-9]*}} : f64, "132" = 0.1363{{[0-9]*}} : f64}, count = 18 : i64, unit = "blocks of 64 rows x 64 columns"}
  plan.kernel @shared schedule(<"linear_mma", source = "heuristic", tunables = {splits = 3 : i64, stages = 3 : i64, tile_columns = 64 : i64}>)
      row_strides([32, 32, 0, 0, 100]) {
  ^bb0(%x: tensor<130x32xbf16>, %y: tensor<130x32xbf16>, %w: tensor<100x32xbf16>, %u: tensor<100x32xbf16>):
    %0 = lm.linear %x, %w : (tensor<130x32xbf16>, tensor<100x32xbf16>) -> tensor<130x100xf32>
    %1 = lm.linear %y, %u : (tensor<130x32xbf16>, tensor<100x32xbf16>) -> tensor<130x100xf32>
    %2 = lm.binary add %0, %1 : tensor<130x100xf32>
    lm.yield %2 : tensor<130x100xf32>
  }
  // CHECK-LABEL: plan.kernel @norm
  // CHECK-SAME: grid = [7, 1, 1], threads = 256, shared = 0
  plan.kernel @norm schedule(<"norm_rows", source = "heuristic", tunables = {}>) row_strides([64, 0, 64]) {
  ^bb0(%x: tensor<7x64xf32>, %g: tensor<64xf32>):
    %0 = lm.norm rms %x, %g eps(1.0e-5) : (tensor<7x64xf32>, tensor<64xf32>) -> tensor<7x64xf32>
    lm.yield %0 : tensor<7x64xf32>
  }
  // One row, 2 KV heads, 4 splits; scratch: tickets, then 8 partials of 4 heads x (16 + 2) floats.
  // CHECK-LABEL: plan.kernel @attention
  // CHECK-SAME: grid = [1, 2, 4], threads = 256, shared = 4480, scratch = 6400
  plan.kernel @attention schedule(<"attention_flash", source = "heuristic",
      tunables = {least_split_keys = 32 : i64, row_tile = 1 : i64, splits = 4 : i64}>) row_strides([128, 0, 1, 1, 128]) {
  ^bb0(%q: tensor<1x128xf32>, %c: !lm.kv<1x128x2x16xf32>, %p: tensor<1xi32>, %s: tensor<1xi32>):
    %0 = lm.attention %q, %c, %p, %s heads(8) scale(0.25) alibi none
        : (tensor<1x128xf32>, !lm.kv<1x128x2x16xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x128xf32>
    lm.yield %0 : tensor<1x128xf32>
  }
  // 40 rows x 4 heads a KV head: 160 items in blocks of 128; 128 queries, 64 keys and 64 values of 48 + 8 elements.
  // CHECK-LABEL: plan.kernel @prompt
  // CHECK-SAME: grid = [2, 2, 1], threads = 128, shared = 28672, scratch = 0
  plan.kernel @prompt schedule(<"attention_mma", source = "heuristic", tunables = {key_tile = 64 : i64, row_fragments = 2 : i64}>)
      row_strides([320, 0, 1, 1, 320]) {
  ^bb0(%q: tensor<40x320xbf16>, %c: !lm.kv<1x128x2x40xbf16>, %p: tensor<40xi32>, %s: tensor<40xi32>):
    %0 = lm.attention %q, %c, %p, %s heads(8) scale(0.25) alibi none
        : (tensor<40x320xbf16>, !lm.kv<1x128x2x40xbf16>, tensor<40xi32>, tensor<40xi32>) -> tensor<40x320xbf16>
    lm.yield %0 : tensor<40x320xbf16>
  }
  // CHECK-LABEL: plan.kernel @cpu
  // CHECK-NOT: geometry
  plan.kernel @cpu schedule(<"norm", source = "heuristic", tunables = {}>) row_strides([64, 0, 64]) {
  ^bb0(%x: tensor<7x64xf32>, %g: tensor<64xf32>):
    %0 = lm.norm rms %x, %g eps(1.0e-5) : (tensor<7x64xf32>, tensor<64xf32>) -> tensor<7x64xf32>
    lm.yield %0 : tensor<7x64xf32>
  }
}

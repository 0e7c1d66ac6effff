// RUN: stoop-opt %s --plan-dump-report -o /dev/null | FileCheck %s
// RUN: stoop-opt %s --plan-dump-report -o /dev/null > %t.json
// RUN: %python %S/../../inspect/check_schema.py %S/../../../passes/report/report.schema.json %t.json

// Two layers that do the same stand once, with `*` for their number and the checkpoint's names of their weights; what
// stands around them belongs to no layer.
// CHECK: "entries": [
// CHECK: "groups": [
// CHECK: "count": 2,
// CHECK-NEXT: "launches": [
// CHECK: "kernel": "k0"
// CHECK-NEXT: "ops": [
// CHECK: "op": "lm.linear"
// CHECK-NEXT: "path": "layers.*.up"
// CHECK-NEXT: "tensors": [
// CHECK-NEXT: "model.layers.*.mlp.up_proj.weight"
// CHECK: "op": "lm.bias"
// CHECK-NEXT: "path": "layers.*.up.bias"
// CHECK: "path": "layers.*.up"
// CHECK: "layers": [
// CHECK-NEXT: 0,
// CHECK-NEXT: 1
// CHECK: "count": 1,
// CHECK: "path": "head"
// CHECK-NOT: "layers": [
// CHECK: "launches": 3

// Verdicts come from the log as they are; layers, reason and bytes with them.
// CHECK: "fusion": {
// CHECK-NEXT: "missed": [
// CHECK: "bytes": 64
// CHECK: "path": "head"
// CHECK: "layers": [
// CHECK-NEXT: 1,
// CHECK-NEXT: 1
// CHECK: "pass": "lm-fuse-next"
// CHECK: "reason": "another launch reads it"
// CHECK-NEXT: "remedy": "drop the other reader"
// CHECK: "passed": [
// CHECK: "count": 2
// CHECK: "pass": "lm-fuse-epilogue"
// CHECK-NOT: "reason"

// What planning noted on an arena and on the program goes along.
// CHECK: "memory": {
// CHECK: "planning": {
// CHECK-NEXT: "note":
// The first launch's result is live during two launches, the last one's belongs to the host.
// CHECK: "arena": "act"
// CHECK: "fragmentation_bytes": 64
// CHECK-NEXT: "lower_bound_bytes": 128
// CHECK-NEXT: "peak_bytes": 192
// CHECK-NEXT: "solver": "search"
// CHECK: "arena": "io"
// CHECK: "name": "logits"
plan.program @p target("cpu") metadata({dtype = "f32", layers = 2 : i64, max_positions = 4 : i64, batch = 1 : i64}) attributes {fusion_log = [
    {entry = "decode_b1", pass = "lm-fuse-epilogue", verdict = "passed", producer = {op = "lm.linear", path = "layers.*.up"}, consumer = {op = "lm.bias", path = "layers.*.up.bias"}, layers = [0, 1], count = 2 : i64, reason = "", remedy = "", bytes = 64 : i64},
    {entry = "decode_b1", pass = "lm-fuse-next", verdict = "missed", producer = {op = "lm.bias", path = "layers.1.up.bias"}, consumer = {op = "lm.linear", path = "head"}, layers = [1, 1], count = 1 : i64, reason = "another launch reads it", remedy = "drop the other reader", bytes = 64 : i64}]} {
  plan.arena @weights size(4096) align(64) lifetime constant
  plan.arena @act size(256) align(64) lifetime transient {note = "as asked", packing = [{entry = "decode_b1", kept = "search", lower_bound = 128 : i64, peak = 192 : i64, buffers = 3 : i64, solvers = [{solver = "search", peak = 192 : i64}]}]}
  plan.arena @io size(128) align(64) lifetime io
  plan.weight @w0 pack(#plan.pack<rows, 16 x 16 : f32>) at(#plan.slice<@weights[0, 1024]>) origin({sources = [#lm.source<key = "model.layers.0.mlp.up_proj.weight", file = "f", offset = 0, dtype = f32, rows = 16, cols = 16>]})
  plan.weight @w1 pack(#plan.pack<rows, 16 x 16 : f32>) at(#plan.slice<@weights[1024, 1024]>) origin({sources = [#lm.source<key = "model.layers.1.mlp.up_proj.weight", file = "f", offset = 0, dtype = f32, rows = 16, cols = 16>]})
  plan.weight @head pack(#plan.pack<rows, 16 x 16 : f32>) at(#plan.slice<@weights[2048, 1024]>) origin({})
  plan.weight @b pack(#plan.pack<vector, 1 x 16 : f32>) at(#plan.slice<@weights[3072, 64]>) origin({})
  plan.kernel @k0 schedule(<"linear", source = "forced", tunables = {}>) row_strides([16, 0, 0, 16]) {
  ^bb0(%x: tensor<1x16xf32>, %w: tensor<16x16xf32>, %b: tensor<16xf32>):
    %0 = lm.linear %x, %w : (tensor<1x16xf32>, tensor<16x16xf32>) -> tensor<1x16xf32> loc("layers.0.up")
    %1 = lm.bias %0, %b : (tensor<1x16xf32>, tensor<16xf32>) -> tensor<1x16xf32> loc("layers.0.up.bias")
    lm.yield %1 : tensor<1x16xf32>
  }
  plan.kernel @k1 schedule(<"linear", source = "forced", tunables = {}>) row_strides([16, 0, 16]) {
  ^bb0(%x: tensor<1x16xf32>, %w: tensor<16x16xf32>):
    %0 = lm.linear %x, %w : (tensor<1x16xf32>, tensor<16x16xf32>) -> tensor<1x16xf32> loc("head")
    lm.yield %0 : tensor<1x16xf32>
  }
  plan.entry decode @decode_b1 rows(1) logits(<@io[0, 64]>) {
    %x = plan.slice @act[0, 64] : !plan.buffer loc("embed")
    %w0 = plan.slice @weights[0, 1024] : !plan.buffer
    %b = plan.slice @weights[3072, 64] : !plan.buffer
    %y = plan.slice @act[128, 64] : !plan.buffer loc("layers.0.up.bias")
    plan.launch @k0 reads(%x, %w0, %b) writes(%y) loc(fused["layers.0.up", "layers.0.up.bias"])
    %w1 = plan.slice @weights[1024, 1024] : !plan.buffer
    %z = plan.slice @act[0, 64] : !plan.buffer loc("layers.1.up.bias")
    plan.launch @k0 reads(%y, %w1, %b) writes(%z) loc(fused["layers.1.up", "layers.1.up.bias"])
    %wh = plan.slice @weights[2048, 1024] : !plan.buffer
    %l = plan.slice @io[0, 64] : !plan.buffer loc("head")
    plan.launch @k1 reads(%z, %wh) writes(%l) loc("head")
  }
}

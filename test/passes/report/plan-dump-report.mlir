// RUN: stoop-opt %S/../Inputs/sequential.mlir --stoop-graph-pipeline="prefill-buckets=4" --stoop-fused-pipeline --stoop-scheduled-pipeline --stoop-planned-pipeline --plan-size-threads -o %t.mlir
// RUN: stoop-opt %t.mlir --plan-dump-report -o /dev/null > %t.json
// RUN: FileCheck %s < %t.json
// RUN: %python -c "import json, sys; json.load(open(sys.argv[1]))" %t.json
// RUN: stoop-opt %t.mlir --plan-dump-report="output=%t2.json" -o /dev/null
// RUN: diff %t.json %t2.json
// RUN: not stoop-opt %t.mlir --plan-dump-report="format=xml" 2>&1 | FileCheck %s --check-prefix=FORMAT

// FORMAT: a report has no format 'xml', only json

// Launches of a step, and those that every layer repeats: norm, qkv, append, attention, out, norm, up, down. Beside them:
// embedding, norm, head and the maxima of its logits.
// CHECK: "entries": [
// CHECK: "kind": "decode"
// CHECK-NEXT: "launches": 20
// CHECK-NEXT: "launches_per_layer": 8
// CHECK-NEXT: "name": "decode_b1"
// CHECK: "name": "prefill_4"
// CHECK: "fusion": {
// CHECK: "missed": [
// CHECK: "reason": "the target's linear kernels hold no lm.norm in front"
// CHECK: "passed": [
// CHECK: "consumer": {
// CHECK-NEXT: "op": "lm.bias"
// Work of one launch: the linear of 24 x 8 bf16 weights reads 384 + 96 bytes of weights and biases and 32 of input, and
// writes 96; it multiplies 2 * 24 * 8 and adds 24 times.
// CHECK: "kernels": [
// CHECK: "bytes": 608
// CHECK: "flops": 408
// CHECK-NEXT: "launches": 2
// CHECK-NEXT: "name": "k2"
// CHECK: "schedule_source": "heuristic"
// CHECK-NEXT: "split": {
// CHECK-NEXT: "count": 2
// CHECK-NEXT: "unit": "blocks of 16 columns"
// CHECK: "template": "linear"
// CHECK: "ledger": {
// CHECK-NEXT: "config": {
// CHECK-NEXT: "used": [
// CHECK-NEXT: "hidden_size"
// Every arena, their sum, and what a token of one sequence adds: 2 layers x (K, V) x 2 heads x 4 x 4 bytes.
// CHECK: "memory": {
// CHECK: "bytes": 3968
// CHECK-NEXT: "lifetime": "constant"
// CHECK-NEXT: "name": "weights"
// CHECK: "bytes": 8192
// CHECK-NEXT: "lifetime": "persistent"
// CHECK: "kv_bytes_per_token": 128
// A buffer lives from the launch that writes it to the last that reads it.
// CHECK: "arena": "act"
// CHECK-NEXT: "buffers": [
// CHECK: "first": 0
// CHECK: "fragmentation_bytes":
// CHECK-NEXT: "lower_bound_bytes":
// CHECK-NEXT: "peak_bytes":
// CHECK: "total_bytes": {{[0-9]+}}
// CHECK: "model": {
// CHECK: "layers": 2
// CHECK: "max_positions": 32
// CHECK: "name": "tiny"
// CHECK: "needs": {
// CHECK: "schema_version": 1
// CHECK: "target": {
// CHECK: "name": "cpu"
// CHECK: "warnings": [
// CHECK-NEXT: "a warning"

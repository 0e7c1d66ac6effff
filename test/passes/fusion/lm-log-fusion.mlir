// RUN: stoop-opt %s --stoop-fused-pipeline="capabilities=epilogue_dag,multi_linear,norm_prologue max-prologue-rows=2" -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: stoop-opt %s --stoop-fused-pipeline="capabilities=epilogue_dag,multi_linear,norm_prologue max-prologue-rows=2" --remarks-filter=fusion --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// Layers that have the same verdict are one entry with a count, and with the bytes of all: the bias reads 2 x 32 bytes of
// the linear, which nobody stores.
// CHECK: lm.entry decode @decode_b1{{.*}}lm.fusion_log = [
// CHECK-SAME: {bytes = 128 : i64, consumer = {op = "lm.bias", path = "layers.*.up.bias"}, count = 2 : i64, entry = "decode_b1", layers = [0, 1], pass = "lm-fuse-epilogue", producer = {op = "lm.linear", path = "layers.*.up"}, reason = "", remedy = "", verdict = "passed"}
// The first predicate that fails, and what would help: a capability; a barrier, since a linear reads whole rows.
// CHECK-SAME: consumer = {op = "lm.linear", path = "layers.*.down"}, {{.*}}pass = "lm-fuse-prologue", producer = {op = "lm.activation", path = "layers.*.act"}, reason = "lm.linear reads whole rows, whose columns all threads of the launch in front make: it has to wait for them", remedy = "a kernel whose threads meet inside; launches have their only barrier at the end", verdict = "missed"
// Two linears on the same rows are a candidate as well.
// CHECK-SAME: consumer = {op = "lm.linear", path = "layers.*.gate"}, {{.*}}pass = "lm-fuse-segments", producer = {op = "lm.linear", path = "layers.*.up"}, reason = "the target's linear kernels hold no second segment", remedy = "a target with kernels for it (capability multi_segment)", verdict = "missed"
// `layers` are the consumer's; the producer's are the distance less. What has another distance is no equal.
// CHECK-SAME: consumer = {op = "lm.linear", path = "layers.*.up"}, count = 1 : i64, entry = "decode_b1", layer_distance = 1 : i64, layers = [1, 1], {{.*}}producer = {op = "lm.binary", path = "layers.*.sum"}
// CHECK: lm.entry score @score_4{{.*}}reason = "each thread would make all 4 rows of lm.norm for itself; that pays up to 2", remedy = "none: perplexities are computed in chunks of a fixed length, more than 2", verdict = "missed"

// Remarks name the entry and the model path of the consumer.
// REMARK: "layers.0.up.bias"{{.*}}[Passed] lm-fuse-epilogue | Category:fusion | Function=decode_b1 | {{.*}}op=lm.bias
// REMARK: "layers.0.down"{{.*}}[Missed] lm-fuse-prologue | Category:fusion | Function=decode_b1 | {{.*}}lm.linear reads whole rows

lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 2 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @b : tensor<8xf32> sources([#lm.source<key = "b", file = "f", offset = 256, dtype = f32, rows = 1, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> loc("embed")
    %up0 = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> loc("layers.0.up")
    %bias0 = lm.bias %up0, %b : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32> loc("layers.0.up.bias")
    %act0 = lm.activation gelu %bias0 : tensor<1x8xf32> loc("layers.0.act")
    %down0 = lm.linear %act0, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> loc("layers.0.down")
    %gate0 = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> loc("layers.0.gate")
    %x1 = lm.binary add %down0, %gate0 : tensor<1x8xf32> loc("layers.0.sum")
    %up1 = lm.linear %x1, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> loc("layers.1.up")
    %bias1 = lm.bias %up1, %b : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32> loc("layers.1.up.bias")
    %act1 = lm.activation gelu %bias1 : tensor<1x8xf32> loc("layers.1.act")
    %down1 = lm.linear %act1, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> loc("layers.1.down")
    %gate1 = lm.linear %x1, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> loc("layers.1.gate")
    %y = lm.binary add %down1, %gate1 : tensor<1x8xf32> loc("layers.1.sum")
    lm.return %y : tensor<1x8xf32>
  }
  lm.entry score @score_4(%tokens: tensor<4xi32>, %positions: tensor<4xi32>, %slots: tensor<4xi32>) -> tensor<4x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<4xi32>, tensor<8x8xf32>) -> tensor<4x8xf32> loc("embed")
    %n = lm.norm rms %x, %b eps(1.0e-5) : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32> loc("norm")
    %y = lm.linear %n, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32> loc("head")
    lm.return %y : tensor<4x8xf32>
  }
}

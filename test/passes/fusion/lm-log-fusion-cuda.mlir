// What the CUDA target refuses to fuse, with the reason in the log. The options are those of its row in TargetInfo.cpp.
// RUN: stoop-opt %s --split-input-file --stoop-fused-pipeline="capabilities=epilogue_dag,multi_linear,multi_segment,norm_prologue,embedding_prologue,gather_last_prologue,rope_epilogue,kv_append_epilogue max-prologue-rows=4 max-gathered-rows=4" | FileCheck %s

// A sum that reads the normalised rows: the norm may not become the prologue of the sum's own launch.
// CHECK: lm.entry decode @norm_in_epilogue
// CHECK-SAME: producer = {op = "lm.norm", path = "norm"}, reason = "lm.binary reads lm.norm of its own region; elementwise ops read linears, each other and inputs", remedy = "a region of another form: the grammar of lm.fused is the same for all targets", verdict = "missed"
// CHECK-SAME: producer = {op = "lm.norm", path = "norm"}, reason = "lm.binary works on columns of a linear's result, not on the rows of lm.norm", remedy = "an epilogue that reads rows of its prologue; the grammar of lm.fused has none", verdict = "missed"
// CHECK: lm.fused "norm"
// CHECK: lm.fused "linear"
// CHECK-NOT: lm.norm
// CHECK: lm.binary
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @b : tensor<8xf32> sources([#lm.source<key = "b", file = "f", offset = 256, dtype = f32, rows = 1, cols = 8>])
  lm.entry decode @norm_in_epilogue(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> loc("embed")
    %n = lm.norm rms %x, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32> loc("norm")
    %y = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> loc("up")
    %s = lm.binary add %n, %y : tensor<1x8xf32> loc("sum")
    lm.return %s : tensor<1x8xf32>
  }

  // The same with the embedding, while the norm between them does fuse and reads the stored rows.
  // CHECK: lm.entry decode @embedding_in_epilogue
  // CHECK-SAME: producer = {op = "lm.embedding", path = "embed"}, reason = "lm.binary reads lm.embedding of its own region;
  // CHECK-SAME: producer = {op = "lm.norm", path = "norm"}, reason = "", remedy = "", verdict = "passed"
  // CHECK: lm.fused "embedding"
  // CHECK: lm.fused "linear"
  // CHECK: lm.norm
  // CHECK: lm.binary
  lm.entry decode @embedding_in_epilogue(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> loc("embed")
    %n = lm.norm rms %x, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32> loc("norm")
    %y = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> loc("up")
    %s = lm.binary add %x, %y : tensor<1x8xf32> loc("sum")
    lm.return %s : tensor<1x8xf32>
  }

  // Five rows are more than every block should normalise for itself.
  // CHECK: lm.entry score @score_5
  // CHECK-SAME: reason = "each thread would make all 5 rows of lm.norm for itself; that pays up to 4", remedy = "none: perplexities are computed in chunks of a fixed length, more than 4", verdict = "missed"
  lm.entry score @score_5(%tokens: tensor<5xi32>, %positions: tensor<5xi32>, %slots: tensor<5xi32>) -> tensor<5x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<5xi32>, tensor<8x8xf32>) -> tensor<5x8xf32> loc("embed")
    %n = lm.norm rms %x, %b eps(1.0e-5) : (tensor<5x8xf32>, tensor<8xf32>) -> tensor<5x8xf32> loc("norm")
    %y = lm.linear %n, %w : (tensor<5x8xf32>, tensor<8x8xf32>) -> tensor<5x8xf32> loc("head")
    lm.return %y : tensor<5x8xf32>
  }
}

// -----

// Linears of different types; however long a row is, a prologue makes it.
lm.model @m attributes {family = "f", dtype = f32, hidden = 12000 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x12000xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 12000>])
  lm.weight @v : tensor<8x12000xbf16> sources([#lm.source<key = "v", file = "f", offset = 384000, dtype = bf16, rows = 8, cols = 12000>])
  lm.weight @b : tensor<12000xf32> sources([#lm.source<key = "b", file = "f", offset = 576000, dtype = f32, rows = 1, cols = 12000>])
  // CHECK: lm.entry decode @long_rows
  // CHECK-SAME: producer = {op = "lm.embedding", path = "embed"}, reason = "", remedy = "", verdict = "passed"
  // CHECK-SAME: producer = {op = "lm.norm", path = "norm"}, reason = "", remedy = "", verdict = "passed"
  // CHECK-SAME: reason = "the target's linear kernels hold no linears of different element types", remedy = "a target with kernels for it (capability mixed_elements)", verdict = "missed"
  lm.entry decode @long_rows(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x12000xf32>
    %v = lm.load_weight @v : tensor<8x12000xbf16>
    %b = lm.load_weight @b : tensor<12000xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x12000xf32>) -> tensor<1x12000xf32> loc("embed")
    %n = lm.norm rms %x, %b eps(1.0e-5) : (tensor<1x12000xf32>, tensor<12000xf32>) -> tensor<1x12000xf32> loc("norm")
    %y = lm.linear %n, %w : (tensor<1x12000xf32>, tensor<8x12000xf32>) -> tensor<1x8xf32> loc("up")
    %z = lm.linear %n, %v : (tensor<1x12000xf32>, tensor<8x12000xbf16>) -> tensor<1x8xf32> loc("gate")
    %s = lm.binary mul %y, %z : tensor<1x8xf32> loc("product")
    lm.return %s : tensor<1x8xf32>
  }
}

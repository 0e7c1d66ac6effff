// RUN: stoop-opt %s --lm-fuse-epilogue | FileCheck %s
// RUN: stoop-opt %s --lm-fuse-epilogue="capabilities=epilogue_dag" | FileCheck %s --check-prefix=DAG

lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @b : tensor<8xf32> sources([#lm.source<key = "b", file = "f", offset = 256, dtype = f32, rows = 1, cols = 8>])

  // Bias, activation and the residual sum behind a linear join its region; inputs are in order of first use, and a
  // location names all that went in.
  // CHECK-LABEL: lm.entry decode @chain
  // CHECK: %[[W:[0-9]+]] = lm.load_weight @w
  // CHECK: %[[B:[0-9]+]] = lm.load_weight @b
  // CHECK: %[[X:[0-9]+]] = lm.embedding
  // CHECK: %[[Y:[0-9]+]] = lm.fused "linear"(%[[X]], %[[W]], %[[B]]) : (tensor<1x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<1x8xf32> {
  // CHECK-NEXT: ^bb0(%[[I:.*]]: tensor<1x8xf32>, %[[J:.*]]: tensor<8x8xf32>, %[[K:.*]]: tensor<8xf32>):
  // CHECK-NEXT: %[[L:[0-9]+]] = lm.linear %[[I]], %[[J]]
  // CHECK-NEXT: %[[M:[0-9]+]] = lm.bias %[[L]], %[[K]]
  // CHECK-NEXT: %[[A:[0-9]+]] = lm.activation gelu %[[M]]
  // CHECK-NEXT: %[[S:[0-9]+]] = lm.binary add %[[I]], %[[A]]
  // CHECK-NEXT: lm.yield %[[S]]
  // CHECK: lm.return %[[Y]]
  lm.entry decode @chain(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %m = lm.bias %l, %b : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    %a = lm.activation gelu %m : tensor<1x8xf32>
    %s = lm.binary add %x, %a : tensor<1x8xf32>
    lm.return %s : tensor<1x8xf32>
  }

  // The sum of two linears goes to the second one, where both results are there.
  // CHECK-LABEL: lm.entry decode @two_linears
  // CHECK: %[[X:[0-9]+]] = lm.embedding
  // CHECK: %[[L:[0-9]+]] = lm.linear
  // CHECK: lm.fused "linear"(%[[X]], %{{.*}}, %[[L]])
  // CHECK: lm.linear
  // CHECK: lm.binary add
  lm.entry decode @two_linears(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %r = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %s = lm.binary add %l, %r : tensor<1x8xf32>
    lm.return %s : tensor<1x8xf32>
  }

  // A result with two users is stored, so the chain ends in front of them, unless the target holds more than chains.
  // CHECK-LABEL: lm.entry decode @negative_two_users
  // CHECK-NOT: lm.fused
  // DAG-LABEL: lm.entry decode @negative_two_users
  // DAG: lm.fused "linear"
  // DAG: %[[L:[0-9]+]] = lm.linear
  // DAG-NEXT: %[[A:[0-9]+]] = lm.activation silu %[[L]]
  // DAG-NEXT: %[[S:[0-9]+]] = lm.binary mul %[[L]], %[[A]]
  // DAG-NEXT: lm.yield %[[S]] :
  lm.entry decode @negative_two_users(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %a = lm.activation silu %l : tensor<1x8xf32>
    %s = lm.binary mul %l, %a : tensor<1x8xf32>
    lm.return %s : tensor<1x8xf32>
  }

  // An embedding accepts no epilogue.
  // CHECK-LABEL: lm.entry decode @negative_anchor
  // CHECK-NOT: lm.fused
  lm.entry decode @negative_anchor(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %a = lm.activation relu %x : tensor<1x8xf32>
    lm.return %a : tensor<1x8xf32>
  }

  // A view is no elementwise op: its user does not join the linear in front of the view.
  // CHECK-LABEL: lm.entry decode @negative_view
  // CHECK-NOT: lm.fused
  lm.entry decode @negative_view(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x4xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %v = lm.view %l[4] : tensor<1x8xf32> -> tensor<1x4xf32>
    %a = lm.activation silu %v : tensor<1x4xf32>
    lm.return %a : tensor<1x4xf32>
  }

  // What is read inside and outside is yielded.
  // CHECK-LABEL: lm.entry decode @negative_stored
  // CHECK-NOT: lm.fused
  // DAG-LABEL: lm.entry decode @negative_stored
  // DAG: %[[Y:[0-9]+]]:2 = lm.fused "linear"
  // DAG: %[[N:[0-9]+]] = lm.norm rms %[[Y]]#0
  // DAG: lm.binary add %[[N]], %[[Y]]#1
  lm.entry decode @negative_stored(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %b = lm.load_weight @b : tensor<8xf32>
    %x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %a = lm.activation silu %l : tensor<1x8xf32>
    %n = lm.norm rms %l, %b eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    %p = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    %s = lm.binary add %n, %a : tensor<1x8xf32>
    lm.return %s : tensor<1x8xf32>
  }
}

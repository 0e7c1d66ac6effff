// A sequential decoder of two layers with ALiBi and biases, small enough to read: hidden 8, 2 heads of 4, ffn 16,
// vocabulary 24, context 32. The head is tied to the embedding.
lm.model @tiny attributes {family = "falcon", dtype = f32, hidden = 8 : i64, layers = 2 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 16 : i64, vocab = 24 : i64, max_positions = 32 : i64,
    batch = 2 : i64, metadata = {name = "tiny", eos = [11], ledger = {config = {used = ["hidden_size"]}}, warnings = ["a warning"]}} {
  lm.weight @embed : tensor<24x8xbf16> sources([#lm.source<key = "word_embeddings.weight", file = "model.safetensors", offset = 0, dtype = bf16, rows = 24, cols = 8>])
  lm.weight @norm.scale : tensor<8xf32> sources([#lm.source<key = "ln.weight", file = "model.safetensors", offset = 384, dtype = f32, rows = 1, cols = 8>])
  lm.weight @norm.bias : tensor<8xf32> sources([#lm.source<key = "ln.bias", file = "model.safetensors", offset = 416, dtype = f32, rows = 1, cols = 8>])
  lm.weight @l0.qkv : tensor<24x8xbf16> sources([#lm.source<key = "h.0.query_key_value.weight", file = "model.safetensors", offset = 448, dtype = bf16, rows = 24, cols = 8>]) layout(#lm.qkv_layout<groups = 2, queries = 1, headDim = 4>)
  lm.weight @l0.qkv.bias : tensor<24xf32> sources([#lm.source<key = "h.0.query_key_value.bias", file = "model.safetensors", offset = 832, dtype = f32, rows = 1, cols = 24>]) layout(#lm.qkv_layout<groups = 2, queries = 1, headDim = 4>)
  lm.weight @l0.out : tensor<8x8xbf16> sources([#lm.source<key = "h.0.dense.weight", file = "model.safetensors", offset = 928, dtype = bf16, rows = 8, cols = 8>])
  lm.weight @l0.up : tensor<16x8xbf16> sources([#lm.source<key = "h.0.up.weight", file = "model.safetensors", offset = 1056, dtype = bf16, rows = 16, cols = 8>])
  lm.weight @l0.down : tensor<8x16xbf16> sources([#lm.source<key = "h.0.down.weight", file = "model.safetensors", offset = 1312, dtype = bf16, rows = 8, cols = 16>])
  lm.weight @l1.qkv : tensor<24x8xbf16> sources([#lm.source<key = "h.1.query_key_value.weight", file = "model.safetensors", offset = 1568, dtype = bf16, rows = 24, cols = 8>]) layout(#lm.qkv_layout<groups = 2, queries = 1, headDim = 4>)
  lm.weight @l1.qkv.bias : tensor<24xf32> sources([#lm.source<key = "h.1.query_key_value.bias", file = "model.safetensors", offset = 1952, dtype = f32, rows = 1, cols = 24>]) layout(#lm.qkv_layout<groups = 2, queries = 1, headDim = 4>)
  lm.weight @l1.out : tensor<8x8xbf16> sources([#lm.source<key = "h.1.dense.weight", file = "model.safetensors", offset = 2048, dtype = bf16, rows = 8, cols = 8>])
  lm.weight @l1.up : tensor<16x8xbf16> sources([#lm.source<key = "h.1.up.weight", file = "model.safetensors", offset = 2176, dtype = bf16, rows = 16, cols = 8>])
  lm.weight @l1.down : tensor<8x16xbf16> sources([#lm.source<key = "h.1.down.weight", file = "model.safetensors", offset = 2432, dtype = bf16, rows = 8, cols = 16>])
  lm.kv_state @kv layers(2) : !lm.kv<2x32x2x4xf32>
  lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>) -> tensor<?x24xf32> {
    %embed = lm.load_weight @embed : tensor<24x8xbf16>
    %scale = lm.load_weight @norm.scale : tensor<8xf32>
    %shift = lm.load_weight @norm.bias : tensor<8xf32>
    %x0 = lm.embedding %tokens, %embed : (tensor<?xi32>, tensor<24x8xbf16>) -> tensor<?x8xf32> loc("embed")
    // Layer 0.
    %n0 = lm.norm layer %x0, %scale, %shift eps(1.0e-5) : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32> loc("layers.0.norm")
    %wqkv0 = lm.load_weight @l0.qkv : tensor<24x8xbf16>
    %bqkv0 = lm.load_weight @l0.qkv.bias : tensor<24xf32>
    %qkv0 = lm.linear %n0, %wqkv0 : (tensor<?x8xf32>, tensor<24x8xbf16>) -> tensor<?x24xf32> loc("layers.0.attn.qkv")
    %qkvb0 = lm.bias %qkv0, %bqkv0 : (tensor<?x24xf32>, tensor<24xf32>) -> tensor<?x24xf32> loc("layers.0.attn.qkv.bias")
    %q0 = lm.view %qkvb0[0] : tensor<?x24xf32> -> tensor<?x8xf32>
    %k0 = lm.view %qkvb0[8] : tensor<?x24xf32> -> tensor<?x8xf32>
    %v0 = lm.view %qkvb0[16] : tensor<?x24xf32> -> tensor<?x8xf32>
    %kv0 = lm.kv_view @kv[0] : !lm.kv<2x32x2x4xf32>
    lm.kv_append %kv0, %k0, %v0, %positions, %slots : !lm.kv<2x32x2x4xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32> loc("layers.0.attn.kv_append")
    %a0 = lm.attention %q0, %kv0, %positions, %slots heads(2) scale(0.5) alibi hf slopes([0.0625, 0.00390625]) : (tensor<?x8xf32>, !lm.kv<2x32x2x4xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x8xf32> loc("layers.0.attn.core")
    %wout0 = lm.load_weight @l0.out : tensor<8x8xbf16>
    %o0 = lm.linear %a0, %wout0 : (tensor<?x8xf32>, tensor<8x8xbf16>) -> tensor<?x8xf32> loc("layers.0.attn.out")
    %m0 = lm.binary add %x0, %o0 : tensor<?x8xf32> loc("layers.0.attn.residual")
    %n1 = lm.norm layer %m0, %scale, %shift eps(1.0e-5) : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32> loc("layers.0.mlp.norm")
    %wup0 = lm.load_weight @l0.up : tensor<16x8xbf16>
    %u0 = lm.linear %n1, %wup0 : (tensor<?x8xf32>, tensor<16x8xbf16>) -> tensor<?x16xf32> loc("layers.0.mlp.up")
    %g0 = lm.activation gelu %u0 : tensor<?x16xf32> loc("layers.0.mlp.act")
    %wdown0 = lm.load_weight @l0.down : tensor<8x16xbf16>
    %d0 = lm.linear %g0, %wdown0 : (tensor<?x16xf32>, tensor<8x16xbf16>) -> tensor<?x8xf32> loc("layers.0.mlp.down")
    %x1 = lm.binary add %m0, %d0 : tensor<?x8xf32> loc("layers.0.mlp.residual")
    // Layer 1.
    %n2 = lm.norm layer %x1, %scale, %shift eps(1.0e-5) : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32> loc("layers.1.norm")
    %wqkv1 = lm.load_weight @l1.qkv : tensor<24x8xbf16>
    %bqkv1 = lm.load_weight @l1.qkv.bias : tensor<24xf32>
    %qkv1 = lm.linear %n2, %wqkv1 : (tensor<?x8xf32>, tensor<24x8xbf16>) -> tensor<?x24xf32> loc("layers.1.attn.qkv")
    %qkvb1 = lm.bias %qkv1, %bqkv1 : (tensor<?x24xf32>, tensor<24xf32>) -> tensor<?x24xf32> loc("layers.1.attn.qkv.bias")
    %q1 = lm.view %qkvb1[0] : tensor<?x24xf32> -> tensor<?x8xf32>
    %k1 = lm.view %qkvb1[8] : tensor<?x24xf32> -> tensor<?x8xf32>
    %v1 = lm.view %qkvb1[16] : tensor<?x24xf32> -> tensor<?x8xf32>
    %kv1 = lm.kv_view @kv[1] : !lm.kv<2x32x2x4xf32>
    lm.kv_append %kv1, %k1, %v1, %positions, %slots : !lm.kv<2x32x2x4xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32> loc("layers.1.attn.kv_append")
    %a1 = lm.attention %q1, %kv1, %positions, %slots heads(2) scale(0.5) alibi hf slopes([0.0625, 0.00390625]) : (tensor<?x8xf32>, !lm.kv<2x32x2x4xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x8xf32> loc("layers.1.attn.core")
    %wout1 = lm.load_weight @l1.out : tensor<8x8xbf16>
    %o1 = lm.linear %a1, %wout1 : (tensor<?x8xf32>, tensor<8x8xbf16>) -> tensor<?x8xf32> loc("layers.1.attn.out")
    %m1 = lm.binary add %x1, %o1 : tensor<?x8xf32> loc("layers.1.attn.residual")
    %n3 = lm.norm layer %m1, %scale, %shift eps(1.0e-5) : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32> loc("layers.1.mlp.norm")
    %wup1 = lm.load_weight @l1.up : tensor<16x8xbf16>
    %u1 = lm.linear %n3, %wup1 : (tensor<?x8xf32>, tensor<16x8xbf16>) -> tensor<?x16xf32> loc("layers.1.mlp.up")
    %g1 = lm.activation gelu %u1 : tensor<?x16xf32> loc("layers.1.mlp.act")
    %wdown1 = lm.load_weight @l1.down : tensor<8x16xbf16>
    %d1 = lm.linear %g1, %wdown1 : (tensor<?x16xf32>, tensor<8x16xbf16>) -> tensor<?x8xf32> loc("layers.1.mlp.down")
    %x2 = lm.binary add %m1, %d1 : tensor<?x8xf32> loc("layers.1.mlp.residual")
    // Head.
    %n4 = lm.norm layer %x2, %scale, %shift eps(1.0e-5) : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32> loc("norm")
    %logits = lm.linear %n4, %embed : (tensor<?x8xf32>, tensor<24x8xbf16>) -> tensor<?x24xf32> loc("head")
    lm.return %logits : tensor<?x24xf32>
  }
}

// RUN: stoop-opt %s --lm-verify-fused --split-input-file --verify-diagnostics

// An op outside of a region.
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    // expected-error @below {{stands outside of a region}}
    %y = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
    lm.return %y : tensor<1x8xf32>
  }
}

// -----

// What is no region of the grammar; the gate names the op and goes on.
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 2 : i64,
    kv_heads = 2 : i64, head_dim = 4 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.weight @g : tensor<8xf32> sources([#lm.source<key = "g", file = "f", offset = 256, dtype = f32, rows = 1, cols = 8>])
  lm.weight @rope : tensor<16x4xf32> generator(#lm.rope_table<invFreq = [1.0, 0.1], factor = 1.0 : f32, positions = 16, round = "none">)
  lm.kv_state @kv layers(1) : !lm.kv<1x16x2x4xf32>
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %weight = lm.load_weight @w : tensor<8x8xf32>
    %scale = lm.load_weight @g : tensor<8xf32>
    %table = lm.load_weight @rope : tensor<16x4xf32>
    %cache = lm.kv_view @kv[0] : !lm.kv<1x16x2x4xf32>
    %rows = lm.fused "embedding" (%tokens, %weight) : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xf32>):
      %r = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }

    // A region of another kind than its anchor.
    %out1 = lm.fused "linear" (%tokens, %weight) : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%ids: tensor<1xi32>, %w: tensor<8x8xf32>):
      // expected-error @below {{starts a region of kind 'linear', expects kind 'embedding'}}
      %a = lm.embedding %ids, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %a : tensor<1x8xf32>
    }

    // An elementwise region under the name of an anchor.
    %out2 = lm.fused "linear" (%rows) : (tensor<1x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>):
      // expected-error @below {{starts a region of kind 'linear', expects kind 'elementwise'}}
      %a = lm.activation relu %x : tensor<1x8xf32>
      lm.yield %a : tensor<1x8xf32>
    }

    // A region with a linear is of kind "linear", whatever stands in front of it.
    %out3 = lm.fused "embedding" (%tokens, %weight) : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%ids: tensor<1xi32>, %w: tensor<8x8xf32>):
      // expected-error @below {{starts a region of kind 'embedding', expects kind 'linear'}}
      %a = lm.embedding %ids, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %l = lm.linear %a, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %l : tensor<1x8xf32>
    }

    // An epilogue behind an anchor that takes none.
    %out4 = lm.fused "embedding" (%tokens, %weight) : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%ids: tensor<1xi32>, %w: tensor<8x8xf32>):
      %a = lm.embedding %ids, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{stands behind lm.embedding in a region without a linear, which has room for one op}}
      %b = lm.activation relu %a : tensor<1x8xf32>
      lm.yield %b : tensor<1x8xf32>
    }

    // An anchor behind elementwise ops.
    %out5 = lm.fused "elementwise" (%rows, %scale) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %g: tensor<8xf32>):
      %a = lm.activation relu %x : tensor<1x8xf32>
      // expected-error @below {{is not elementwise, and the region has no linear}}
      %n = lm.norm rms %a, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      lm.yield %n : tensor<1x8xf32>
    }

    // An elementwise op that does not continue the chain.
    %out6 = lm.fused "elementwise" (%rows) : (tensor<1x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>):
      %a = lm.activation relu %x : tensor<1x8xf32>
      // expected-error @below {{expects to be the only user of the op in front of it}}
      %b = lm.binary add %x, %x : tensor<1x8xf32>
      lm.yield %b : tensor<1x8xf32>
    }

    // A chain with a second result.
    %out7:2 = lm.fused "elementwise" (%rows) : (tensor<1x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%x: tensor<1x8xf32>):
      %a = lm.activation relu %x : tensor<1x8xf32>
      // expected-error @below {{ends a chain whose only result it has to be}}
      %b = lm.activation relu %a : tensor<1x8xf32>
      lm.yield %a, %b : tensor<1x8xf32>, tensor<1x8xf32>
    }

    // An anchor whose result is not stored.
    lm.fused "norm" (%rows, %scale) : (tensor<1x8xf32>, tensor<8xf32>) -> () {
    ^bb0(%x: tensor<1x8xf32>, %g: tensor<8xf32>):
      // expected-error @below {{has a result that is not yielded}}
      %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      lm.yield
    }

    // A region that yields an input.
    %out8 = lm.fused "linear" (%rows, %weight) : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>):
      // expected-error @below {{is the last op of a region that yields what no op of it makes}}
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %x : tensor<1x8xf32>
    }

    // A value that is yielded twice.
    %out9:2 = lm.fused "linear" (%rows, %weight) : (tensor<1x8xf32>, tensor<8x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>):
      // expected-error @below {{has a result that is yielded twice}}
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %l, %l : tensor<1x8xf32>, tensor<1x8xf32>
    }

    // An elementwise op that reads no linear of the region.
    %out10 = lm.fused "linear" (%rows, %weight) : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{is connected to no linear of the region}}
      %a = lm.activation relu %x : tensor<1x8xf32>
      lm.yield %a : tensor<1x8xf32>
    }

    // A prologue op behind a linear.
    %out11 = lm.fused "linear" (%rows, %weight, %scale) : (tensor<1x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>, %g: tensor<8xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{expects to stand in front: prologue, linears, epilogue}}
      %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      lm.yield %l : tensor<1x8xf32>
    }

    // A prologue op that feeds nothing.
    %out12 = lm.fused "linear" (%rows, %scale, %weight) : (tensor<1x8xf32>, tensor<8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %g: tensor<8xf32>, %w: tensor<8x8xf32>):
      // expected-error @below {{stands in a prologue and feeds no linear of the region}}
      %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %l : tensor<1x8xf32>
    }

    // A norm of a norm.
    %out13 = lm.fused "linear" (%rows, %scale, %weight) : (tensor<1x8xf32>, tensor<8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %g: tensor<8xf32>, %w: tensor<8x8xf32>):
      %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{reads lm.norm of its own prologue, which selects no rows}}
      %o = lm.norm rms %n, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      %l = lm.linear %o, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %l : tensor<1x8xf32>
    }

    // Two ops that select rows.
    %out14:2 = lm.fused "linear" (%tokens, %weight) : (tensor<1xi32>, tensor<8x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%ids: tensor<1xi32>, %w: tensor<8x8xf32>):
      %a = lm.embedding %ids, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{is the second op of a prologue that selects rows}}
      %b = lm.embedding %ids, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %l = lm.linear %a, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %k = lm.linear %b, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %l, %k : tensor<1x8xf32>, tensor<1x8xf32>
    }

    // Rows that are selected behind a norm of others.
    %out15:2 = lm.fused "linear" (%rows, %scale, %tokens, %weight) : (tensor<1x8xf32>, tensor<8xf32>, tensor<1xi32>, tensor<8x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%x: tensor<1x8xf32>, %g: tensor<8xf32>, %ids: tensor<1xi32>, %w: tensor<8x8xf32>):
      %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{selects rows behind an op that maps other rows}}
      %a = lm.embedding %ids, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %l = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %k = lm.linear %a, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %l, %k : tensor<1x8xf32>, tensor<1x8xf32>
    }

    // Norms of two values.
    %out16:2 = lm.fused "linear" (%rows, %scale, %rows, %weight) : (tensor<1x8xf32>, tensor<8xf32>, tensor<1x8xf32>, tensor<8x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%x: tensor<1x8xf32>, %g: tensor<8xf32>, %z: tensor<1x8xf32>, %w: tensor<8x8xf32>):
      %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{reads other rows than the prologue's other ops}}
      %o = lm.norm rms %z, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      %l = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %k = lm.linear %o, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %l, %k : tensor<1x8xf32>, tensor<1x8xf32>
    }

    // A norm of other rows than the selected ones.
    %out17:2 = lm.fused "linear" (%tokens, %weight, %rows, %scale) : (tensor<1xi32>, tensor<8x8xf32>, tensor<1x8xf32>, tensor<8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%ids: tensor<1xi32>, %w: tensor<8x8xf32>, %x: tensor<1x8xf32>, %g: tensor<8xf32>):
      %a = lm.embedding %ids, %w : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{reads other rows than those that the prologue selects}}
      %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      %l = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %k = lm.linear %a, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %l, %k : tensor<1x8xf32>, tensor<1x8xf32>
    }

    // Norms that cannot share their statistics.
    %out18:2 = lm.fused "linear" (%rows, %scale, %weight) : (tensor<1x8xf32>, tensor<8xf32>, tensor<8x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%x: tensor<1x8xf32>, %g: tensor<8xf32>, %w: tensor<8x8xf32>):
      %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{differs from the prologue's other ops, whose statistics it has to share}}
      %o = lm.norm rms %x, %g eps(2.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      %l = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %k = lm.linear %o, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %l, %k : tensor<1x8xf32>, tensor<1x8xf32>
    }

    // A linear that needs the whole result of another.
    %out19 = lm.fused "linear" (%rows, %weight) : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{reads whole rows that other threads of the region are still making: those of lm.linear}}
      %k = lm.linear %l, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %k : tensor<1x8xf32>
    }

    // An elementwise op on a prologue result.
    %out20 = lm.fused "linear" (%rows, %scale, %weight) : (tensor<1x8xf32>, tensor<8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %g: tensor<8xf32>, %w: tensor<8x8xf32>):
      %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
      %l = lm.linear %n, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{reads lm.norm of its own region; elementwise ops read linears, each other and inputs}}
      %s = lm.binary add %l, %n : tensor<1x8xf32>
      lm.yield %s : tensor<1x8xf32>
    }

    // A view of a value that is not the last one of its segment.
    %out21:2 = lm.fused "linear" (%rows, %weight) : (tensor<1x8xf32>, tensor<8x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %a = lm.activation relu %l : tensor<1x8xf32>
      // expected-error @below {{expects to read the last value of its segment}}
      %q = lm.view %l[0] : tensor<1x8xf32> -> tensor<1x8xf32>
      lm.yield %a, %q : tensor<1x8xf32>, tensor<1x8xf32>
    }

    // Views of two values of one segment.
    %out22:2 = lm.fused "linear" (%rows, %weight) : (tensor<1x8xf32>, tensor<8x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %a = lm.activation relu %l : tensor<1x8xf32>
      %b = lm.activation relu %l : tensor<1x8xf32>
      %q = lm.view %a[0] : tensor<1x8xf32> -> tensor<1x8xf32>
      // expected-error @below {{expects to read the last value of its segment}}
      %k = lm.view %b[0] : tensor<1x8xf32> -> tensor<1x8xf32>
      lm.yield %q, %k : tensor<1x8xf32>, tensor<1x8xf32>
    }

    // An elementwise op behind a view.
    %out23:2 = lm.fused "linear" (%rows, %weight) : (tensor<1x8xf32>, tensor<8x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %q = lm.view %l[0] : tensor<1x8xf32> -> tensor<1x8xf32>
      // expected-error @below {{stands behind a view of its segment}}
      %a = lm.activation relu %l : tensor<1x8xf32>
      lm.yield %a, %q : tensor<1x8xf32>, tensor<1x8xf32>
    }

    // A view of an input.
    %out24:2 = lm.fused "linear" (%rows, %weight) : (tensor<1x8xf32>, tensor<8x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{expects to read a linear or an elementwise op of the region}}
      %q = lm.view %x[0] : tensor<1x8xf32> -> tensor<1x8xf32>
      lm.yield %l, %q : tensor<1x8xf32>, tensor<1x8xf32>
    }

    // Heads that are not read through a view.
    %out25 = lm.fused "linear" (%rows, %weight, %positions, %table) : (tensor<1x8xf32>, tensor<8x8xf32>, tensor<1xi32>, tensor<16x4xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>, %at: tensor<1xi32>, %t: tensor<16x4xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{reads lm.linear of its own region, expects a view of columns}}
      %r = lm.rope %l, %at, %t heads(2) : (tensor<1x8xf32>, tensor<1xi32>, tensor<16x4xf32>) -> tensor<1x8xf32>
      lm.yield %r : tensor<1x8xf32>
    }

    // A view that cuts a head.
    %out26 = lm.fused "linear" (%rows, %weight, %positions, %table) : (tensor<1x8xf32>, tensor<8x8xf32>, tensor<1xi32>, tensor<16x4xf32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>, %at: tensor<1xi32>, %t: tensor<16x4xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %q = lm.view %l[2] : tensor<1x8xf32> -> tensor<1x4xf32>
      // expected-error @below {{works on heads of 4 columns, its view has columns [2, 6)}}
      %r = lm.rope %q, %at, %t heads(1) : (tensor<1x4xf32>, tensor<1xi32>, tensor<16x4xf32>) -> tensor<1x4xf32>
      lm.yield %l : tensor<1x8xf32>
    }

    // Keys of the region and values of another.
    %out27 = lm.fused "linear" (%rows, %weight, %cache, %positions, %slots) : (tensor<1x8xf32>, tensor<8x8xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>, %kv: !lm.kv<1x16x2x4xf32>, %at: tensor<1xi32>, %seq: tensor<1xi32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %k = lm.view %l[0] : tensor<1x8xf32> -> tensor<1x8xf32>
      // expected-error @below {{expects all rows that it stores to come from the region}}
      lm.kv_append %kv, %k, %x, %at, %seq : !lm.kv<1x16x2x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1xi32>, tensor<1xi32>
      lm.yield %l : tensor<1x8xf32>
    }

    // Keys and values of two segments.
    lm.fused "linear" (%rows, %weight, %cache, %positions, %slots) : (tensor<1x8xf32>, tensor<8x8xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>, tensor<1xi32>) -> () {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>, %kv: !lm.kv<1x16x2x4xf32>, %at: tensor<1xi32>, %seq: tensor<1xi32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %o = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      %k = lm.view %l[0] : tensor<1x8xf32> -> tensor<1x8xf32>
      %u = lm.view %o[0] : tensor<1x8xf32> -> tensor<1x8xf32>
      // expected-error @below {{reads columns of two segments}}
      lm.kv_append %kv, %k, %u, %at, %seq : !lm.kv<1x16x2x4xf32>, tensor<1x8xf32>, tensor<1x8xf32>, tensor<1xi32>, tensor<1xi32>
      lm.yield
    }

    // A reduction of what comes from outside, and one of columns that are views too.
    %out29:2 = lm.fused "linear" (%rows, %weight) : (tensor<1x8xf32>, tensor<8x8xf32>) -> (tensor<1x8xf32>, tensor<1x1xf32>) {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{expects to read a linear or an elementwise op of the region}}
      %m = lm.block_max %x : tensor<1x8xf32> -> tensor<1x1xf32>
      lm.yield %l, %m : tensor<1x8xf32>, tensor<1x1xf32>
    }
    %out30:2 = lm.fused "linear" (%rows, %weight) : (tensor<1x8xf32>, tensor<8x8xf32>) -> (tensor<1x4xf32>, tensor<1x1xf32>) {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{reduces blocks of a segment of which there are views}}
      %m = lm.block_max %l : tensor<1x8xf32> -> tensor<1x1xf32>
      %v = lm.view %l[4] : tensor<1x8xf32> -> tensor<1x4xf32>
      lm.yield %v, %m : tensor<1x4xf32>, tensor<1x1xf32>
    }

    // Attention beside a linear.
    %out28 = lm.fused "linear" (%rows, %weight, %cache, %positions, %slots) : (tensor<1x8xf32>, tensor<8x8xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x8xf32> {
    ^bb0(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>, %kv: !lm.kv<1x16x2x4xf32>, %at: tensor<1xi32>, %seq: tensor<1xi32>):
      %l = lm.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      // expected-error @below {{is always a launch of its own}}
      %a = lm.attention %x, %kv, %at, %seq heads(2) scale(0.5) alibi none : (tensor<1x8xf32>, !lm.kv<1x16x2x4xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x8xf32>
      lm.yield %a : tensor<1x8xf32>
    }
    lm.return %out28 : tensor<1x8xf32>
  }
}

// -----

// An empty region.
lm.model @m attributes {family = "f", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 16 : i64,
    batch = 1 : i64, metadata = {}} {
  lm.weight @w : tensor<8x8xf32> sources([#lm.source<key = "w", file = "f", offset = 0, dtype = f32, rows = 8, cols = 8>])
  lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>) -> tensor<1x8xf32> {
    %w = lm.load_weight @w : tensor<8x8xf32>
    %x = lm.fused "embedding" (%tokens, %w) : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1xi32>, %j: tensor<8x8xf32>):
      %e = lm.embedding %i, %j : (tensor<1xi32>, tensor<8x8xf32>) -> tensor<1x8xf32>
      lm.yield %e : tensor<1x8xf32>
    }
    // expected-error @below {{has an empty body}}
    %y = lm.fused "linear" (%x, %w) : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32> {
    ^bb0(%i: tensor<1x8xf32>, %j: tensor<8x8xf32>):
      lm.yield %i : tensor<1x8xf32>
    }
    lm.return %y : tensor<1x8xf32>
  }
}

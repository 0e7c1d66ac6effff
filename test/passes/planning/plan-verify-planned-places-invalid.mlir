// RUN: stoop-opt %s --plan-verify-planned --split-input-file --verify-diagnostics

// Places of weights, caches and the entries' own buffers.

// Logits that nobody writes.
plan.program @p target("cpu") metadata({}) {
  plan.arena @weights size(1024) align(65536) lifetime constant
  plan.arena @kv size(1024) align(4096) lifetime persistent
  plan.arena @act size(256) align(64) lifetime transient
  plan.arena @io size(320) align(64) lifetime io
  plan.weight @w pack(#plan.pack<panel16, 8 x 8 : bf16>) at(#plan.slice<@weights[0, 256]>) origin({})
  plan.kernel @embed schedule(#plan.schedule<"embedding", source = "heuristic", tunables = {}>) row_strides([1, 0, 8]) {
  ^bb0(%t: tensor<1xi32>, %w: tensor<8x8xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<8x8xbf16>) -> tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  // expected-error @below {{leaves its logits unwritten}}
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
  }
}

// -----

// Maxima that nobody writes.
plan.program @p target("cpu") metadata({}) {
  plan.arena @weights size(1024) align(65536) lifetime constant
  plan.arena @kv size(1024) align(4096) lifetime persistent
  plan.arena @act size(256) align(64) lifetime transient
  plan.arena @io size(320) align(64) lifetime io
  plan.weight @w pack(#plan.pack<panel16, 8 x 8 : bf16>) at(#plan.slice<@weights[0, 256]>) origin({})
  plan.kernel @embed schedule(#plan.schedule<"embedding", source = "heuristic", tunables = {}>) row_strides([1, 0, 8]) {
  ^bb0(%t: tensor<1xi32>, %w: tensor<8x8xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<8x8xbf16>) -> tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  // expected-error @below {{leaves its maxima unwritten}}
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) maxima(#plan.slice<@io[256, 4]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%logits)
  }
}

// -----

// An entry without a place for its slots.
plan.program @p target("cpu") metadata({}) {
  plan.arena @weights size(1024) align(65536) lifetime constant
  plan.arena @kv size(1024) align(4096) lifetime persistent
  plan.arena @act size(256) align(64) lifetime transient
  plan.arena @io size(320) align(64) lifetime io
  plan.weight @w pack(#plan.pack<panel16, 8 x 8 : bf16>) at(#plan.slice<@weights[0, 256]>) origin({})
  plan.kernel @embed schedule(#plan.schedule<"embedding", source = "heuristic", tunables = {}>) row_strides([1, 0, 8]) {
  ^bb0(%t: tensor<1xi32>, %w: tensor<8x8xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<8x8xbf16>) -> tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.kernel @relu schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8, 8]) {
  ^bb0(%x: tensor<1x8xf32>):
    %r = lm.activation relu %x : tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  // expected-error @below {{has no place for its slots}}
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    plan.launch @relu reads(%a) writes(%logits)
  }
}

// -----

// Inputs of the wrong size.
plan.program @p target("cpu") metadata({}) {
  plan.arena @weights size(1024) align(65536) lifetime constant
  plan.arena @kv size(1024) align(4096) lifetime persistent
  plan.arena @act size(256) align(64) lifetime transient
  plan.arena @io size(320) align(64) lifetime io
  plan.weight @w pack(#plan.pack<panel16, 8 x 8 : bf16>) at(#plan.slice<@weights[0, 256]>) origin({})
  plan.kernel @embed schedule(#plan.schedule<"embedding", source = "heuristic", tunables = {}>) row_strides([1, 0, 8]) {
  ^bb0(%t: tensor<1xi32>, %w: tensor<8x8xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<8x8xbf16>) -> tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.kernel @relu schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8, 8]) {
  ^bb0(%x: tensor<1x8xf32>):
    %r = lm.activation relu %x : tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  // expected-error @below {{expects 4 bytes of slots, got 8}}
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 8]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    plan.launch @relu reads(%a) writes(%logits)
  }
}

// -----

// Inputs on top of each other.
plan.program @p target("cpu") metadata({}) {
  plan.arena @weights size(1024) align(65536) lifetime constant
  plan.arena @kv size(1024) align(4096) lifetime persistent
  plan.arena @act size(256) align(64) lifetime transient
  plan.arena @io size(320) align(64) lifetime io
  plan.weight @w pack(#plan.pack<panel16, 8 x 8 : bf16>) at(#plan.slice<@weights[0, 256]>) origin({})
  plan.kernel @embed schedule(#plan.schedule<"embedding", source = "heuristic", tunables = {}>) row_strides([1, 0, 8]) {
  ^bb0(%t: tensor<1xi32>, %w: tensor<8x8xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<8x8xbf16>) -> tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.kernel @relu schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8, 8]) {
  ^bb0(%x: tensor<1x8xf32>):
    %r = lm.activation relu %x : tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  // expected-error @below {{has its slots in the place of another input}}
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[64, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    plan.launch @relu reads(%a) writes(%logits)
  }
}

// -----

// Logits in the arena of activations.
plan.program @p target("cpu") metadata({}) {
  plan.arena @weights size(1024) align(65536) lifetime constant
  plan.arena @kv size(1024) align(4096) lifetime persistent
  plan.arena @act size(256) align(64) lifetime transient
  plan.arena @io size(320) align(64) lifetime io
  plan.weight @w pack(#plan.pack<panel16, 8 x 8 : bf16>) at(#plan.slice<@weights[0, 256]>) origin({})
  plan.kernel @embed schedule(#plan.schedule<"embedding", source = "heuristic", tunables = {}>) row_strides([1, 0, 8]) {
  ^bb0(%t: tensor<1xi32>, %w: tensor<8x8xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<8x8xbf16>) -> tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.kernel @relu schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8, 8]) {
  ^bb0(%x: tensor<1x8xf32>):
    %r = lm.activation relu %x : tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  // expected-error @below {{expects its logits in an io arena}}
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@act[0, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    plan.launch @relu reads(%a) writes(%logits)
  }
}

// -----

// A weight without a place.
plan.program @p target("cpu") metadata({}) {
  plan.arena @weights size(1024) align(65536) lifetime constant
  plan.arena @kv size(1024) align(4096) lifetime persistent
  plan.arena @act size(256) align(64) lifetime transient
  plan.arena @io size(320) align(64) lifetime io
  // expected-error @below {{has no place}}
  plan.weight @w pack(#plan.pack<panel16, 8 x 8 : bf16>)  origin({})
  plan.kernel @embed schedule(#plan.schedule<"embedding", source = "heuristic", tunables = {}>) row_strides([1, 0, 8]) {
  ^bb0(%t: tensor<1xi32>, %w: tensor<8x8xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<8x8xbf16>) -> tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.kernel @relu schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8, 8]) {
  ^bb0(%x: tensor<1x8xf32>):
    %r = lm.activation relu %x : tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    plan.launch @relu reads(%a) writes(%logits)
  }
}

// -----

// A misaligned weight.
plan.program @p target("cpu") metadata({}) {
  plan.arena @weights size(1024) align(65536) lifetime constant
  plan.arena @kv size(1024) align(4096) lifetime persistent
  plan.arena @act size(256) align(64) lifetime transient
  plan.arena @io size(320) align(64) lifetime io
  // expected-error @below {{has a place that is misaligned or outside of @weights}}
  plan.weight @w pack(#plan.pack<panel16, 8 x 8 : bf16>) at(#plan.slice<@weights[32, 256]>) origin({})
  plan.kernel @embed schedule(#plan.schedule<"embedding", source = "heuristic", tunables = {}>) row_strides([1, 0, 8]) {
  ^bb0(%t: tensor<1xi32>, %w: tensor<8x8xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<8x8xbf16>) -> tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.kernel @relu schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8, 8]) {
  ^bb0(%x: tensor<1x8xf32>):
    %r = lm.activation relu %x : tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    plan.launch @relu reads(%a) writes(%logits)
  }
}

// -----

// A weight outside of the constant arenas.
plan.program @p target("cpu") metadata({}) {
  plan.arena @weights size(1024) align(65536) lifetime constant
  plan.arena @kv size(1024) align(4096) lifetime persistent
  plan.arena @act size(256) align(64) lifetime transient
  plan.arena @io size(320) align(64) lifetime io
  // expected-error @below {{expects its place in a constant arena}}
  plan.weight @w pack(#plan.pack<panel16, 8 x 8 : bf16>) at(#plan.slice<@act[0, 256]>) origin({})
  plan.kernel @embed schedule(#plan.schedule<"embedding", source = "heuristic", tunables = {}>) row_strides([1, 0, 8]) {
  ^bb0(%t: tensor<1xi32>, %w: tensor<8x8xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<8x8xbf16>) -> tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.kernel @relu schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8, 8]) {
  ^bb0(%x: tensor<1x8xf32>):
    %r = lm.activation relu %x : tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    plan.launch @relu reads(%a) writes(%logits)
  }
}

// -----

// Weights that overlap.
plan.program @p target("cpu") metadata({}) {
  plan.arena @weights size(1024) align(65536) lifetime constant
  plan.arena @kv size(1024) align(4096) lifetime persistent
  plan.arena @act size(256) align(64) lifetime transient
  plan.arena @io size(320) align(64) lifetime io
  plan.weight @w pack(#plan.pack<panel16, 8 x 8 : bf16>) at(#plan.slice<@weights[0, 256]>) origin({})
  // expected-error @below {{overlaps @w}}
  plan.weight @v pack(#plan.pack<panel16, 8 x 8 : bf16>) at(#plan.slice<@weights[192, 256]>) origin({})
  plan.kernel @embed schedule(#plan.schedule<"embedding", source = "heuristic", tunables = {}>) row_strides([1, 0, 8]) {
  ^bb0(%t: tensor<1xi32>, %w: tensor<8x8xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<8x8xbf16>) -> tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.kernel @relu schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8, 8]) {
  ^bb0(%x: tensor<1x8xf32>):
    %r = lm.activation relu %x : tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    plan.launch @relu reads(%a) writes(%logits)
  }
}

// -----

// Layers of the KV cache that overlap.
plan.program @p target("cpu") metadata({}) {
  plan.arena @weights size(1024) align(65536) lifetime constant
  plan.arena @kv size(1024) align(4096) lifetime persistent
  plan.arena @act size(256) align(64) lifetime transient
  plan.arena @io size(320) align(64) lifetime io
  plan.weight @w pack(#plan.pack<panel16, 8 x 8 : bf16>) at(#plan.slice<@weights[0, 256]>) origin({})
  plan.kernel @embed schedule(#plan.schedule<"embedding", source = "heuristic", tunables = {}>) row_strides([1, 0, 8]) {
  ^bb0(%t: tensor<1xi32>, %w: tensor<8x8xbf16>):
    %r = lm.embedding %t, %w : (tensor<1xi32>, tensor<8x8xbf16>) -> tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.kernel @relu schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8, 8]) {
  ^bb0(%x: tensor<1x8xf32>):
    %r = lm.activation relu %x : tensor<1x8xf32>
    lm.yield %r : tensor<1x8xf32>
  }
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    %k = plan.slice @kv[0, 512] : !plan.buffer
    // expected-error @below {{overlaps another persistent buffer at offset 0}}
    %l = plan.slice @kv[256, 512] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    plan.launch @relu reads(%a) writes(%logits)
  }
}

// -----

// Something beside the program.
// expected-error @below {{is not allowed in phase planned; only plan.program is}}
func.func private @f()

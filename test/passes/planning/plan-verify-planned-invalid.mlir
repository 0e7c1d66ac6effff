// RUN: stoop-opt %s --plan-verify-planned --split-input-file --verify-diagnostics

// Playing the launches: what they read and write. The other file has the places of weights and of an entry's own buffers.

// Nothing is wrong here: the other cases differ from this one.
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
  plan.kernel @half schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8, 8]) {
  ^bb0(%x: tensor<1x4xf32>):
    %r = lm.activation relu %x : tensor<1x4xf32>
    lm.yield %r : tensor<1x4xf32>
  }
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    %p = plan.slice @act[16, 16] of %a : !plan.buffer
    plan.launch @relu reads(%a) writes(%logits)
    plan.launch @half reads(%p) writes(%b)
  }
}

// -----

// A read before the write.
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
    // expected-error @below {{reads bytes [0, 32) of @act, which do not hold the buffer's value}}
    plan.launch @relu reads(%a) writes(%logits)
  }
}

// -----

// A read after another buffer was written over the first bytes.
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
    %c = plan.slice @act[0, 64] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    plan.launch @relu reads(%a) writes(%b)
    plan.launch @relu reads(%b) writes(%c)
    // expected-error @below {{reads bytes [0, 32) of @act, which do not hold}}
    plan.launch @relu reads(%a) writes(%logits)
  }
}

// -----

// A read of a part of a buffer that was written over.
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
  plan.kernel @half schedule(#plan.schedule<"elementwise", source = "heuristic", tunables = {}>) row_strides([8, 8]) {
  ^bb0(%x: tensor<1x4xf32>):
    %r = lm.activation relu %x : tensor<1x4xf32>
    lm.yield %r : tensor<1x4xf32>
  }
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    %p = plan.slice @act[16, 16] of %a : !plan.buffer
    %c = plan.slice @act[0, 64] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    plan.launch @relu reads(%a) writes(%b)
    plan.launch @relu reads(%b) writes(%c)
    // expected-error @below {{reads bytes [16, 32) of @act, which do not hold}}
    plan.launch @half reads(%p) writes(%logits)
  }
}

// -----

// A launch that writes over its own input.
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
    %c = plan.slice @act[0, 64] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    // expected-error @below {{writes bytes [0, 64) of @act, which it also reads}}
    plan.launch @relu reads(%a) writes(%c)
  }
}

// -----

// A launch whose result is its input.
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
    plan.launch @embed reads(%tokens, %w) writes(%a)
    // expected-error @below {{writes a buffer that is also another operand}}
    plan.launch @relu reads(%a) writes(%a)
  }
}

// -----

// A result in the constant arena.
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
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    plan.launch @embed reads(%tokens, %w) writes(%a)
    // expected-error @below {{writes a buffer that is also another operand}}
    plan.launch @embed reads(%tokens, %w) writes(%w)
  }
}

// -----

// A result among the weights.
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
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    %c = plan.slice @weights[256, 32] : !plan.buffer
    // expected-error @below {{writes a result into an arena of lifetime constant}}
    plan.launch @embed reads(%tokens, %w) writes(%c)
  }
}

// -----

// A result over the inputs of the entry.
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
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    %c = plan.slice @io[64, 32] : !plan.buffer
    // expected-error @below {{writes over the entry's inputs}}
    plan.launch @embed reads(%tokens, %w) writes(%c)
  }
}

// -----

// A result in a part of a buffer.
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
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    %p = plan.slice @act[0, 32] of %a : !plan.buffer
    // expected-error @below {{writes a part of a buffer}}
    plan.launch @embed reads(%tokens, %w) writes(%p)
  }
}

// -----

// Constants that belong to no weight.
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
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    %c = plan.slice @weights[64, 256] : !plan.buffer
    // expected-error @below {{reads constants that are no weight: bytes [64, 320) of @weights}}
    plan.launch @embed reads(%tokens, %c) writes(%a)
  }
}

// -----

// A misaligned buffer.
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
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    // expected-error @below {{is not aligned to 64 bytes}}
    %c = plan.slice @act[16, 32] : !plan.buffer
  }
}

// -----

// A buffer that is too small for its kernel.
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
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    %c = plan.slice @act[0, 16] : !plan.buffer
    // expected-error @below {{operand 2: the kernel accesses 32 bytes of a buffer of 16}}
    plan.launch @embed reads(%tokens, %w) writes(%c)
  }
}

// -----

// A buffer without a place.
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
  plan.entry decode @decode_b1 rows(1) tokens(#plan.slice<@io[0, 4]>) positions(#plan.slice<@io[64, 4]>) slots(#plan.slice<@io[128, 4]>) logits(#plan.slice<@io[192, 32]>) {
    %tokens = plan.slice @io[0, 4] : !plan.buffer
    %logits = plan.slice @io[192, 32] : !plan.buffer
    %w = plan.slice @weights[0, 256] : !plan.buffer
    %a = plan.slice @act[0, 32] : !plan.buffer
    %b = plan.slice @act[64, 32] : !plan.buffer
    // expected-error @below {{is not allowed in phase planned}}
    %c = plan.alloc size(4) lifetime transient
  }
}

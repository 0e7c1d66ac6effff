//===- LmOps.td - ops of the model dialect -------------------*- tablegen -*-===//
#ifndef STOOP_IR_LM_LMOPS_TD
#define STOOP_IR_LM_LMOPS_TD

include "ir/lm/LmAttrs.td"
include "ir/lm/LmInterfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Lm_Op<string mnemonic, list<Trait> traits = []> : Op<Lm_Dialect, mnemonic, traits>;

def Lm_KvResource : Resource<"::stoop::lm::KvResource">;
def Lm_Float : AnyTypeOf<[F32, BF16, F16]>;
def Lm_Rows : RankedTensorOf<[F32, BF16, F16]>;        // [rows, features]
def Lm_Matrix : RankedTensorOf<[F32, BF16, F16]>;      // [out features, in features]
def Lm_Vector : 1DTensorOf<[F32]>;                     // [features]
def Lm_Indices : 1DTensorOf<[I32]>;                    // [rows]

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

def Lm_ModelOp : Lm_Op<"model", [SymbolTable, Symbol, IsolatedFromAbove, NoRegionArguments, NoTerminator, SingleBlock]> {
  let summary = "a whole model: weights, KV cache and entries";
  let description = [{
    Root of phases `import` to `scheduled`. `dtype` is the compute type of activations; `max_positions` the compiled
    context in tokens, `batch` the number of sequences in the KV cache; `metadata` is carried unchanged into the
    program and its manifest.

    Example:
    ```mlir
    lm.model @falcon attributes {family = "falcon", dtype = f32, hidden = 256 : i64, layers = 6 : i64, heads = 4 : i64,
        kv_heads = 4 : i64, head_dim = 64 : i64, ffn = 1024 : i64, vocab = 4096 : i64, max_positions = 2048 : i64,
        batch = 1 : i64, metadata = {}} {
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$family, TypeAttr:$dtype, I64Attr:$hidden, I64Attr:$layers,
    I64Attr:$heads, I64Attr:$kv_heads, I64Attr:$head_dim, I64Attr:$ffn, I64Attr:$vocab, I64Attr:$max_positions,
    I64Attr:$batch, DictionaryAttr:$metadata);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Lm_WeightOp : Lm_Op<"weight", [Symbol, HasParent<"ModelOp">]> {
  let summary = "a parameter of the model, by reference";
  let description = [{
    The values are those of `sources` stacked along rows, reordered by `layout` if present, rounded to `round` if
    present and converted to the element type of `type`; or what `generator` computes. Nothing is read before
    packaging. A matrix is [out features, in features] in the element type that kernels read; a vector is float32
    (`round` keeps the rounding of a narrower compute type). A matrix whose type has an encoding, as in
    `tensor<4096x256xf32, "int4-g32">`, is quantised in the scheme of that name (ir/support/QuantScheme.h) from the
    stored values; its values are then those that the integers stand for.

    Constraints: (C1) exactly one of sources and generator; (C2) stacked sources have the shape of the type;
    (C3) layout covers all rows; (C4) the generator's table has the shape of the type; (C5) an encoding names a scheme
    and stands on a float32 matrix with sources.

    Example:
    ```mlir
    lm.weight @embed : tensor<4096x256xbf16> sources([#lm.source<key = "transformer.word_embeddings.weight",
        file = "model.safetensors", offset = 1024, dtype = bf16, rows = 4096, cols = 256>])
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<AnyRankedTensor>:$type,
    OptionalAttr<Lm_SourceArrayAttr>:$sources, OptionalAttr<Lm_QkvLayoutAttr>:$layout,
    OptionalAttr<Lm_RopeTableAttr>:$generator, OptionalAttr<TypeAttr>:$round);
  let assemblyFormat = [{
    $sym_name `:` $type (`sources` `(` $sources^ `)`)? (`layout` `(` $layout^ `)`)?
    (`generator` `(` $generator^ `)`)? (`round` `(` $round^ `)`)? attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
  }];
}

def Lm_LoadWeightOp : Lm_Op<"load_weight", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a weight";
  let description = [{
    Constraints: (C1) the symbol is a weight; (C2) of the result's type.

    Example: `%w = lm.load_weight @embed : tensor<4096x256xbf16>`
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

def Lm_KvStateOp : Lm_Op<"kv_state", [Symbol, HasParent<"ModelOp">]> {
  let summary = "the KV cache of all layers";
  let description = [{
    Example: `lm.kv_state @kv layers(6) : !lm.kv<1x2048x4x64xf32>` — the type is one layer's.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$layers, TypeAttrOf<Lm_KvType>:$type);
  let assemblyFormat = "$sym_name `layers` `(` $layers `)` `:` $type attr-dict";
}

def Lm_KvViewOp : Lm_Op<"kv_view", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "one layer of the KV cache";
  let description = [{
    Constraints: (C1) the symbol is a kv_state of the result's type; (C2) the layer exists.

    Example: `%kv = lm.kv_view @kv[3] : !lm.kv<1x2048x4x64xf32>`
  }];
  let arguments = (ins FlatSymbolRefAttr:$state, I64Attr:$layer);
  let results = (outs Lm_KvType:$result);
  let assemblyFormat = "$state `[` $layer `]` attr-dict `:` type($result)";
}

def Lm_EntryOp : Lm_Op<"entry", [IsolatedFromAbove, FunctionOpInterface, AutomaticAllocationScope, HasParent<"ModelOp">]> {
  let summary = "one step of the model";
  let description = [{
    Arguments are tokens, positions and slots, each `tensor<rows x i32>`: the token of a row, its position in its
    sequence, and the sequence of the KV cache it belongs to. The results are the logits, float32, and, where
    lm-reduce-logits added them, their maxima by blocks (lm.block_max). Printed like a function, with the kind as a
    keyword, hence the custom format.

    Constraints: (C1) three index arguments of equal shape; (C2) results `tensor<? x vocab x f32>` and, if there is a
    second, `tensor<? x blocks x f32>`; (C3) the body returns values of the declared types.

    Example:
    ```mlir
    lm.entry decode @decode_b1(%tokens: tensor<1xi32>, %positions: tensor<1xi32>, %slots: tensor<1xi32>)
        -> tensor<1x4096xf32> { ... lm.return %logits : tensor<1x4096xf32> }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Lm_EntryKindAttr:$kind, TypeAttrOf<FunctionType>:$function_type,
    OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region AnyRegion:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
    ::mlir::BlockArgument getTokens() { return getBody().getArgument(0); }
    ::mlir::BlockArgument getPositions() { return getBody().getArgument(1); }
    ::mlir::BlockArgument getSlots() { return getBody().getArgument(2); }
    /// Rows of a step; ShapedType::kDynamic at phase import.
    int64_t getRows() { return ::llvm::cast<::mlir::RankedTensorType>(getArgumentTypes()[0]).getDimSize(0); }
  }];
}

def Lm_ReturnOp : Lm_Op<"return", [Pure, Terminator, HasParent<"EntryOp">]> {
  let summary = "end of an entry";
  let arguments = (ins Variadic<AnyType>:$results);
  let assemblyFormat = "attr-dict ($results^ `:` type($results))?";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Math
//===----------------------------------------------------------------------===//

def Lm_EmbeddingOp : Lm_Op<"embedding", [Pure, DeclareOpInterfaceMethods<Lm_FusibleOpInterface, ["selectsRows"]>,
    DeclareOpInterfaceMethods<Lm_CostOpInterface>]> {
  let summary = "rows of the embedding matrix";
  let description = [{
    result[t] = table[tokens[t]]. Constraints: (C1) columns of table and result agree; (C2) rows of tokens and result.

    Example: `%x = lm.embedding %tokens, %w : (tensor<1xi32>, tensor<4096x256xbf16>) -> tensor<1x256xf32>`
  }];
  let arguments = (ins Lm_Indices:$tokens, Lm_Matrix:$table);
  let results = (outs Lm_Rows:$result);
  let assemblyFormat = "$tokens `,` $table attr-dict `:` functional-type(operands, $result)";
  let hasVerifier = 1;
}

def Lm_LinearOp : Lm_Op<"linear", [Pure, DeclareOpInterfaceMethods<Lm_FusibleOpInterface>,
    DeclareOpInterfaceMethods<Lm_CostOpInterface>]> {
  let summary = "a linear layer without bias";
  let description = [{
    result = input · weightᵀ. Constraints: (C1) inner dimensions agree; (C2) columns of the result are rows of the
    weight; (C3) rows of input and result agree.

    Example: `%y = lm.linear %x, %w : (tensor<1x256xf32>, tensor<768x256xbf16>) -> tensor<1x768xf32>`
  }];
  let arguments = (ins Lm_Rows:$input, Lm_Matrix:$weight);
  let results = (outs Lm_Rows:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` functional-type(operands, $result)";
  let hasVerifier = 1;
}

def Lm_NormOp : Lm_Op<"norm", [Pure, AttrSizedOperandSegments, DeclareOpInterfaceMethods<Lm_FusibleOpInterface>,
    DeclareOpInterfaceMethods<Lm_CostOpInterface>]> {
  let summary = "a layer or RMS normalisation";
  let description = [{
    layer: (x − mean) / sqrt(variance + eps) · scale + bias, population variance over the features. rms:
    round(x / sqrt(mean(x²) + eps)) · scale, the quotient rounded to the result's element type first. `moments` say the
    same as the input: its lm.block_moments of this kind, which whoever made the input left, so that nobody reads the rows
    to sum them up.
    Constraints: (C1) input and result shapes agree; (C2) scale and bias have the features; (C3) layer has a bias, rms
    has none; (C4) moments are those of the input, of this kind and in blocks of `block` columns.

    Example: `%n = lm.norm layer %x, %g, %b eps(1.0e-5) : (tensor<1x256xf32>, tensor<256xf32>, tensor<256xf32>) -> tensor<1x256xf32>`
  }];
  let arguments = (ins Lm_NormKindAttr:$kind, Lm_Rows:$input, Lm_Vector:$scale, Optional<Lm_Vector>:$bias,
    Optional<Lm_Rows>:$moments, F32Attr:$eps, OptionalAttr<I64Attr>:$block);
  let results = (outs Lm_Rows:$result);
  let assemblyFormat = [{
    $kind $input `,` $scale (`,` $bias^)? (`moments` `(` $moments^ `by` $block `)`)? `eps` `(` $eps `)` attr-dict
    `:` functional-type(operands, $result)
  }];
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::stoop::lm::NormKindAttr":$kind, "::mlir::Value":$input,
                                 "::mlir::Value":$scale, "::mlir::Value":$bias, "::mlir::FloatAttr":$eps), [{
    build($_builder, $_state, result, kind, input, scale, bias, /*moments=*/::mlir::Value(), eps, /*block=*/::mlir::IntegerAttr());
  }]>];
  let hasVerifier = 1;
}

def Lm_BiasOp : Lm_Op<"bias", [Pure, DeclareOpInterfaceMethods<Lm_FusibleOpInterface>,
    DeclareOpInterfaceMethods<Lm_CostOpInterface>, DeclareOpInterfaceMethods<Lm_ElementwiseOpInterface>]> {
  let summary = "addition of a per-column vector";
  let description = [{
    Constraints: (C1) input and result types agree; (C2) the vector has the features.

    Example: `%z = lm.bias %y, %b : (tensor<1x768xf32>, tensor<768xf32>) -> tensor<1x768xf32>`
  }];
  let arguments = (ins Lm_Rows:$input, Lm_Vector:$vector);
  let results = (outs Lm_Rows:$result);
  let assemblyFormat = "$input `,` $vector attr-dict `:` functional-type(operands, $result)";
  let hasVerifier = 1;
}

def Lm_ActivationOp : Lm_Op<"activation", [Pure, SameOperandsAndResultType,
    DeclareOpInterfaceMethods<Lm_FusibleOpInterface>, DeclareOpInterfaceMethods<Lm_CostOpInterface>,
    DeclareOpInterfaceMethods<Lm_ElementwiseOpInterface>]> {
  let summary = "an activation function";
  let description = [{ Example: `%z = lm.activation gelu %y : tensor<1x1024xf32>` }];
  let arguments = (ins Lm_ActivationKindAttr:$kind, Lm_Rows:$input);
  let results = (outs Lm_Rows:$result);
  let assemblyFormat = "$kind $input attr-dict `:` type($result)";
}

def Lm_BinaryOp : Lm_Op<"binary", [Pure, SameOperandsAndResultType,
    DeclareOpInterfaceMethods<Lm_FusibleOpInterface>, DeclareOpInterfaceMethods<Lm_CostOpInterface>,
    DeclareOpInterfaceMethods<Lm_ElementwiseOpInterface>]> {
  let summary = "an elementwise sum or product";
  let description = [{ Example: `%s = lm.binary add %a, %b : tensor<1x256xf32>` }];
  let arguments = (ins Lm_BinaryKindAttr:$kind, Lm_Rows:$lhs, Lm_Rows:$rhs);
  let results = (outs Lm_Rows:$result);
  let assemblyFormat = "$kind $lhs `,` $rhs attr-dict `:` type($result)";
}

def Lm_ViewOp : Lm_Op<"view", [Pure, DeclareOpInterfaceMethods<Lm_FusibleOpInterface>]> {
  let summary = "a range of columns";
  let description = [{
    result = input[:, offset : offset + columns]; never a copy: the result is a strided view of the input's buffer.
    Constraints: (C1) the range lies in the input; (C2) rows and element type agree.

    Example: `%q = lm.view %qkv[0] : tensor<1x768xf32> -> tensor<1x256xf32>`
  }];
  let arguments = (ins Lm_Rows:$input, I64Attr:$offset);
  let results = (outs Lm_Rows:$result);
  let assemblyFormat = "$input `[` $offset `]` attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Lm_BlockMaxOp : Lm_Op<"block_max", [Pure, DeclareOpInterfaceMethods<Lm_FusibleOpInterface>,
    DeclareOpInterfaceMethods<Lm_CostOpInterface>, DeclareOpInterfaceMethods<Lm_BlockReductionOpInterface>]> {
  let summary = "the largest value of each block of columns";
  let description = [{
    result[t, b] is the largest of input[t, 16 b : 16 b + 16], NaN if one of them is. The largest value of a row stands at
    the lowest column that has it in the first block that has it, so that a search for it reads one block of the input.
    Constraints: (C1) one column for every 16 of the input or a part of them; (C2) rows agree; (C3) the result is float32.

    Example: `%m = lm.block_max %logits : tensor<1x4096xf32> -> tensor<1x256xf32>`
  }];
  let arguments = (ins Lm_Rows:$input);
  let results = (outs Lm_Rows:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Lm_BlockMomentsOp : Lm_Op<"block_moments", [Pure, DeclareOpInterfaceMethods<Lm_FusibleOpInterface>,
    DeclareOpInterfaceMethods<Lm_CostOpInterface>,
    DeclareOpInterfaceMethods<Lm_BlockReductionOpInterface, ["getBlockColumns", "getBlockNumbers"]>]> {
  let summary = "what a norm needs to know of each block of columns";
  let description = [{
    Of each block of `block` columns, layer: the mean of its columns and the sum of their squared distances from it, side by
    side; rms: the sum of their squares. A norm combines them (Chan, Golub, LeVeque: Updating formulae and a pairwise
    algorithm for computing sample variances, 1979): N mean = Σ n_b mean_b and N variance = Σ (squares_b +
    n_b (mean_b − mean)²), as exact as two passes over the row.
    A kernel that has not all columns of a block in one thread may leave -1 for the squares: whoever reads that takes them
    from the input. Constraints: (C1) the numbers of one block for every `block` columns or a part of them; (C2) rows agree;
    (C3) the result is float32; (C4) block is positive.

    Example: `%m = lm.block_moments layer %x by 16 : tensor<1x256xf32> -> tensor<1x32xf32>`
  }];
  let arguments = (ins Lm_NormKindAttr:$kind, Lm_Rows:$input, I64Attr:$block);
  let results = (outs Lm_Rows:$result);
  let assemblyFormat = "$kind $input `by` $block attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Numbers that a block is reduced to, for a norm of this kind.
    static int64_t numbersOf(NormKind kind) { return kind == NormKind::Layer ? 2 : 1; }
  }];
}

def Lm_GatherLastOp : Lm_Op<"gather_last", [Pure, DeclareOpInterfaceMethods<Lm_FusibleOpInterface, ["selectsRows"]>,
    DeclareOpInterfaceMethods<Lm_CostOpInterface>]> {
  let summary = "the last valid row";
  let description = [{
    Constraints: (C1) one row of the input's features and element type.

    Example: `%y = lm.gather_last %x : tensor<64x256xf32> -> tensor<1x256xf32>`
  }];
  let arguments = (ins Lm_Rows:$input);
  let results = (outs Lm_Rows:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Lm_RopeOp : Lm_Op<"rope", [Pure, DeclareOpInterfaceMethods<Lm_FusibleOpInterface, ["getColumnGroup"]>,
    DeclareOpInterfaceMethods<Lm_CostOpInterface>]> {
  let summary = "a rotary position embedding";
  let description = [{
    Rotates each of `heads` heads by the table's row of the position, first half against second half: for j < D/2
    u'_j = u_j cos_j − u_{j+D/2} sin_j, u'_{j+D/2} = u_{j+D/2} cos_j + u_j sin_j; each product and the sum are rounded
    to the element type. The table's row is cos | sin. Constraints: (C1) input and result types agree; (C2) features
    are heads × even head_dim; (C3) the table has head_dim columns.

    Example: `%q2 = lm.rope %q, %positions, %rope heads(4) : (tensor<1x256xf32>, tensor<1xi32>, tensor<2048x64xf32>) -> tensor<1x256xf32>`
  }];
  let arguments = (ins Lm_Rows:$input, Lm_Indices:$positions, Lm_Matrix:$table, I64Attr:$heads);
  let results = (outs Lm_Rows:$result);
  let assemblyFormat = "$input `,` $positions `,` $table `heads` `(` $heads `)` attr-dict `:` functional-type(operands, $result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

def Lm_KvAppendOp : Lm_Op<"kv_append", [MemoryEffects<[MemWrite<Lm_KvResource>]>,
    DeclareOpInterfaceMethods<Lm_FusibleOpInterface, ["getColumnGroup"]>, DeclareOpInterfaceMethods<Lm_CostOpInterface>]> {
  let summary = "store of keys and values";
  let description = [{
    Row t goes to position positions[t] of sequence slots[t]; a negative slot is padding and stores nothing.
    Constraints: (C1) keys and values have heads × head_dim columns of the cache.

    Example: `lm.kv_append %kv, %k, %v, %positions, %slots : !lm.kv<1x2048x4x64xf32>, tensor<1x256xf32>, tensor<1x256xf32>, tensor<1xi32>, tensor<1xi32>`
  }];
  let arguments = (ins Lm_KvType:$cache, Lm_Rows:$keys, Lm_Rows:$values, Lm_Indices:$positions, Lm_Indices:$slots);
  let assemblyFormat = "$cache `,` $keys `,` $values `,` $positions `,` $slots attr-dict `:` type(operands)";
  let hasVerifier = 1;
}

def Lm_AttentionOp : Lm_Op<"attention", [MemoryEffects<[MemRead<Lm_KvResource>]>,
    DeclareOpInterfaceMethods<Lm_FusibleOpInterface>, DeclareOpInterfaceMethods<Lm_CostOpInterface>]> {
  let summary = "causal attention over the KV cache";
  let description = [{
    For row t and query head h with KV head g = h / (heads / kv heads): softmax over keys j ≤ positions[t] of
    (q·k_j + bias_{h,j}) · scale, then the weighted sum of the values, all in float32. With ALiBi, bias is
    slope_h · j, rounded by `alibi`. Constraints: (C1) query features are heads × head_dim of the cache; (C2) heads is
    a multiple of the KV heads; (C3) one slope per head if alibi is not none, else no slopes; (C4) result and query
    types agree.

    Example:
    ```mlir
    %a = lm.attention %q, %kv, %positions, %slots heads(4) scale(0.125) alibi hf slopes([0.25, 0.0625, 0.015625, 0.00390625])
        : (tensor<1x256xf32>, !lm.kv<1x2048x4x64xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x256xf32>
    ```
  }];
  let arguments = (ins Lm_Rows:$query, Lm_KvType:$cache, Lm_Indices:$positions, Lm_Indices:$slots, I64Attr:$heads,
    F32Attr:$scale, Lm_AlibiModeAttr:$alibi, OptionalAttr<DenseF32ArrayAttr>:$slopes);
  let results = (outs Lm_Rows:$result);
  let assemblyFormat = [{
    $query `,` $cache `,` $positions `,` $slots `heads` `(` $heads `)` `scale` `(` $scale `)` `alibi` $alibi
    (`slopes` `(` custom<ExactFloats>($slopes)^ `)`)? attr-dict `:` functional-type(operands, $result)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Result of fusion
//===----------------------------------------------------------------------===//

def Lm_FusedOp : Lm_Op<"fused", [IsolatedFromAbove, SingleBlock, RecursiveMemoryEffects]> {
  let summary = "a region that becomes one launch";
  let description = [{
    The body's block arguments are the inputs, its `lm.yield` gives the results; nothing else enters, so that equal
    regions of different layers are equal as text and share a kernel. The meaning is that of the ops one after the other,
    each result rounded to its element type. Constraints: (C1) block arguments match the inputs; (C2) yielded types
    match the results.

    The gate of phase fused allows three forms. `kind` is the anchor's of a lone op, "elementwise" for a chain of
    elementwise ops, and "linear" for the general form, whose ops stand in this order:

     - prologue*: ops on whole rows that linears or later prologue ops read: at most one that selects rows, then equal
       ones that map the same rows (several norms of one value share their statistics);
     - linear+: each reads an input or a prologue result; its weight is an input;
     - epilogue*: elementwise ops, each connected to a linear. Linears connected through them form a *segment*: they have
       equally many columns n and are computed together. Segments are independent of each other. Last in a segment come
       either ops on columns: views of its last value, ops on heads that read a view, and stores that read either; or
       reductions of blocks of columns of its values. No op reads a cache that the region stores to;
     - yield: any values of prologue, linears and epilogue; none if the region only stores to the cache.

    Example:
    ```mlir
    %r = lm.fused "linear" (%x, %w) : (tensor<1x256xf32>, tensor<768x256xbf16>) -> tensor<1x768xf32> {
    ^bb0(%a: tensor<1x256xf32>, %b: tensor<768x256xbf16>):
      %y = lm.linear %a, %b : (tensor<1x256xf32>, tensor<768x256xbf16>) -> tensor<1x768xf32>
      lm.yield %y : tensor<1x768xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$kind, Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$kind `(` $inputs `)` attr-dict `:` functional-type($inputs, $results) $body";
  let hasVerifier = 1;
}

def Lm_YieldOp : Lm_Op<"yield", [Pure, Terminator]> {
  let summary = "results of a fused region or kernel body";
  let arguments = (ins Variadic<AnyType>:$results);
  let assemblyFormat = "attr-dict ($results^ `:` type($results))?";
}

#endif // STOOP_IR_LM_LMOPS_TD

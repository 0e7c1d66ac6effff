//===- LmAttrs.td - enums, attributes and types of lm --------*- tablegen -*-===//
#ifndef STOOP_IR_LM_LMATTRS_TD
#define STOOP_IR_LM_LMATTRS_TD

include "ir/lm/LmDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/EnumAttr.td"

class Lm_Enum<string name, string mnemonic, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::stoop::lm";
  let genSpecializedAttr = 0;
}
class Lm_EnumAttr<EnumAttrInfo info, string mnemonic> : EnumAttr<Lm_Dialect, info, mnemonic> {
  let assemblyFormat = "$value";
}

def Lm_EntryKind : Lm_Enum<"EntryKind", "entry_kind", "what an entry computes", [
  I32EnumAttrCase<"Forward", 0, "forward">,  // as imported: any number of rows, logits of all
  I32EnumAttrCase<"Decode", 1, "decode">,    // one row per sequence, logits of all rows
  I32EnumAttrCase<"Prefill", 2, "prefill">,  // rows of one sequence, logits of the last valid row
  I32EnumAttrCase<"Score", 3, "score">       // rows of one sequence, logits of all rows
]>;
def Lm_EntryKindAttr : Lm_EnumAttr<Lm_EntryKind, "entry_kind">;

def Lm_NormKind : Lm_Enum<"NormKind", "norm_kind", "normalisation", [
  I32EnumAttrCase<"Layer", 0, "layer">, I32EnumAttrCase<"Rms", 1, "rms">
]>;
def Lm_NormKindAttr : Lm_EnumAttr<Lm_NormKind, "norm_kind">;

def Lm_ActivationKind : Lm_Enum<"ActivationKind", "activation_kind", "activation function", [
  I32EnumAttrCase<"Gelu", 0, "gelu">,               // 0.5 x (1 + erf(x / sqrt 2))
  I32EnumAttrCase<"GeluTanh", 1, "gelu_tanh">,      // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  I32EnumAttrCase<"GeluFast", 2, "gelu_fast">,      // as gelu_tanh with the constant 0.7978845608
  I32EnumAttrCase<"QuickGelu", 3, "quick_gelu">,    // x sigmoid(1.702 x)
  I32EnumAttrCase<"Relu", 4, "relu">,
  I32EnumAttrCase<"Silu", 5, "silu">                // x sigmoid(x)
]>;
def Lm_ActivationKindAttr : Lm_EnumAttr<Lm_ActivationKind, "activation_kind">;

def Lm_BinaryKind : Lm_Enum<"BinaryKind", "binary_kind", "elementwise operation on two tensors", [
  I32EnumAttrCase<"Add", 0, "add">, I32EnumAttrCase<"Mul", 1, "mul">
]>;
def Lm_BinaryKindAttr : Lm_EnumAttr<Lm_BinaryKind, "binary_kind">;

def Lm_AlibiMode : Lm_Enum<"AlibiMode", "alibi_mode", "rounding of the ALiBi bias", [
  I32EnumAttrCase<"None", 0, "none">,
  I32EnumAttrCase<"Hf", 1, "hf">,       // bf16(bf16(slope) * bf16(position)), as Hugging Face computes it
  I32EnumAttrCase<"Exact", 2, "exact">  // slope * position in float32
]>;
def Lm_AlibiModeAttr : Lm_EnumAttr<Lm_AlibiMode, "alibi_mode">;

class Lm_Attr<string name, string attrMnemonic> : AttrDef<Lm_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Lm_SourceAttr : Lm_Attr<"Source", "source"> {
  let summary = "where one checkpoint tensor lies";
  let description = [{
    A tensor of a safetensors file, by reference: `offset` is the absolute byte offset of its data in `file` (a path),
    `rows` x `cols` its shape (`rows` = 1 for a vector), `dtype` its stored element type.
  }];
  let parameters = (ins StringRefParameter<"checkpoint key">:$key, StringRefParameter<"path of the file">:$file,
    "int64_t":$offset, "::mlir::Type":$dtype, "int64_t":$rows, "int64_t":$cols);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Lm_QkvLayoutAttr : Lm_Attr<"QkvLayout", "qkv_layout"> {
  let summary = "row order of a fused query-key-value weight as stored";
  let description = [{
    `groups` KV heads, each stored as its `queries` query heads, then its key, then its value, `head_dim` rows each:
    stored row (g (queries + 2) + s) head_dim + d. The weight's own rows are all queries (head g queries + s), then
    all keys, then all values. `queries` = 1 is the multi-head layout, `groups` = 1 the multi-query one.
  }];
  let parameters = (ins "int64_t":$groups, "int64_t":$queries, "int64_t":$headDim);
  let assemblyFormat = "`<` struct(params) `>`";
  let extraClassDeclaration = [{
    /// The stored row that becomes row `row` of Q | K | V.
    int64_t storedRow(int64_t row) const;
  }];
}

def Lm_RopeTableAttr : Lm_Attr<"RopeTable", "rope_table"> {
  let summary = "generator of a rotary embedding table";
  let description = [{
    Row p holds cos(p inv_freq_j) factor for j < D/2, then sin(p inv_freq_j) factor: the angle is the float32 product,
    cosine and sine are correctly rounded to float32, then rounded to `round` ("none", "bf16" or "f16").
  }];
  let parameters = (ins "::mlir::DenseF32ArrayAttr":$invFreq, "::mlir::FloatAttr":$factor, "int64_t":$positions,
    StringRefParameter<"none, bf16 or f16">:$round);
  let assemblyFormat = "`<` struct(custom<ExactFloats>($invFreq), $factor, $positions, $round) `>`";
}

def Lm_InputsAttr : Lm_Attr<"Inputs", "inputs"> {
  let summary = "what enters a matrix product, as far as weights alone say";
  let description = [{
    The result of a norm of rows of `table`, an embedding, with vectors `scale` and `bias` (none: an RMS norm). With
    `matrix`, rows [first, first + rows) of matrix · result + `offset` enter: through `activation`, times the same rows of
    `factor` · result, or, with `head` rows in a block, mixed over tokens by attention, which reads each block `repeats`
    times. Formulas: codegen/quant/Samples.h.

    Example: `#lm.inputs<table = @embed, scale = @norm, bias = @norm.bias, matrix = @up, rows = 1024, activation = gelu>`
  }];
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$table, "::mlir::FlatSymbolRefAttr":$scale,
    OptionalParameter<"::mlir::FlatSymbolRefAttr">:$bias, OptionalParameter<"::mlir::FlatSymbolRefAttr">:$matrix,
    OptionalParameter<"::mlir::FlatSymbolRefAttr">:$offset, OptionalParameter<"::mlir::FlatSymbolRefAttr">:$factor,
    DefaultValuedParameter<"int64_t", "0">:$first, DefaultValuedParameter<"int64_t", "0">:$rows,
    DefaultValuedParameter<"int64_t", "0">:$head, DefaultValuedParameter<"int64_t", "1">:$repeats,
    OptionalParameter<"::stoop::lm::ActivationKindAttr">:$activation);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Lm_SourceArrayAttr : TypedArrayAttrBase<Lm_SourceAttr, "list of checkpoint tensors"> {}

def Lm_KvType : TypeDef<Lm_Dialect, "Kv"> {
  let mnemonic = "kv";
  let summary = "one layer's keys and values";
  let description = [{
    `!lm.kv<batch x positions x heads x head_dim x element>`: keys, then values, each laid out
    [batch][heads][positions][head_dim]. `heads` counts KV heads; they are never expanded to query heads.
  }];
  let parameters = (ins "int64_t":$batch, "int64_t":$positions, "int64_t":$heads, "int64_t":$headDim,
    "::mlir::Type":$elementType);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    /// Bytes of keys and values of the layer.
    int64_t getBytes() const;
  }];
}

#endif // STOOP_IR_LM_LMATTRS_TD

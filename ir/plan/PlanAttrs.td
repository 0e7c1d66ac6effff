//===- PlanAttrs.td - enums, attributes and types of plan ----*- tablegen -*-===//
#ifndef STOOP_IR_PLAN_PLANATTRS_TD
#define STOOP_IR_PLAN_PLANATTRS_TD

include "ir/plan/PlanDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

class Plan_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::stoop::plan";
  let genSpecializedAttr = 0;
}
class Plan_EnumAttr<EnumAttrInfo info, string mnemonic> : EnumAttr<Plan_Dialect, info, mnemonic> {
  let assemblyFormat = "$value";
}

// Same numbers as enum stoop_lifetime of abi.h.
def Plan_Lifetime : Plan_Enum<"Lifetime", "how long an arena's contents live", [
  I32EnumAttrCase<"Constant", 0, "constant">, I32EnumAttrCase<"Persistent", 1, "persistent">,
  I32EnumAttrCase<"Transient", 2, "transient">, I32EnumAttrCase<"Io", 3, "io">
]>;
def Plan_LifetimeAttr : Plan_EnumAttr<Plan_Lifetime, "lifetime">;

// Same numbers as enum stoop_entry_kind of abi.h.
def Plan_EntryKind : Plan_Enum<"EntryKind", "what an entry computes", [
  I32EnumAttrCase<"Decode", 0, "decode">, I32EnumAttrCase<"Prefill", 1, "prefill">,
  I32EnumAttrCase<"Score", 2, "score">
]>;
def Plan_EntryKindAttr : Plan_EnumAttr<Plan_EntryKind, "entry_kind">;

def Plan_PackKind : Plan_Enum<"PackKind", "order of a weight's elements in memory", [
  I32EnumAttrCase<"Rows", 0, "rows">,      // [rows][cols]
  I32EnumAttrCase<"Vector", 1, "vector">,  // f32 [cols]
  I32EnumAttrCase<"Table", 2, "table">,    // f32 [rows][cols]
  I32EnumAttrCase<"Panel16", 3, "panel16">, // [rows/16][cols][16]; bf16: [rows/16][cols/2][16][2]
  I32EnumAttrCase<"Tiles", 4, "tiles">     // strips of tiles of ir/support/TileOrder.h; f16, bf16 or a scheme's codes
]>;

class Plan_Attr<string name, string attrMnemonic> : AttrDef<Plan_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Plan_SliceAttr : Plan_Attr<"Slice", "slice"> {
  let summary = "a byte range of an arena";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$arena, "int64_t":$offset, "int64_t":$size);
  let assemblyFormat = "`<` $arena `[` $offset `,` $size `]` `>`";
}

def Plan_PackAttr : Plan_Attr<"Pack", "pack"> {
  let summary = "order, padding and element type of a weight in memory";
  let description = [{
    `panel16` pads rows to a multiple of 16, and columns of bf16 to a multiple of 2, with zeros; `tiles` pads rows to a
    multiple of 16 and columns to whole tiles. A `scheme`
    (ir/support/QuantScheme.h) says that the values are stored as integers; `elementType` is then that of the values.
    Constraints: (C1) a scheme is known and packed as panel16 (integers alone) or tiles; (C2) tiles without one have elements of 16 bits.

    Example: `#plan.pack<panel16, 4096 x 256 : f32, "int4-g32">`
  }];
  let parameters = (ins EnumParameter<Plan_PackKind>:$kind, "::mlir::Type":$elementType, "int64_t":$rows, "int64_t":$cols,
    OptionalParameter<"::mlir::StringAttr">:$scheme);
  let assemblyFormat = "`<` $kind `,` $rows `x` $cols `:` $elementType (`,` $scheme^)? `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The scheme in which values are stored, if they are quantised.
    std::optional<::stoop::QuantScheme> getQuantScheme() const;
    /// Bytes in memory, padding included.
    int64_t getBytes() const;
  }];
}

def Plan_ScheduleAttr : Plan_Attr<"Schedule", "schedule"> {
  let summary = "the kernel template of a fused region and its tunables";
  let description = [{
    `source` says who decided: "heuristic", "tuned" (measured), "predicted" or "forced". `evidence` says what for, where there is some:
    {chosen_ns, heuristic_ns, rows, launches}, the times of one launch or of a step with that many, at that many rows. Set as the
    discardable attribute `plan.schedule`.
  }];
  let parameters = (ins StringRefParameter<"catalog name">:$template_name, StringRefParameter<"who decided">:$source,
    "::mlir::DictionaryAttr":$tunables, OptionalParameter<"::mlir::DictionaryAttr">:$evidence);
  let builders = [AttrBuilder<(ins "::llvm::StringRef":$template_name, "::llvm::StringRef":$source,
      "::mlir::DictionaryAttr":$tunables), [{ return $_get($_ctxt, template_name, source, tunables, ::mlir::DictionaryAttr()); }]>];
  let assemblyFormat = "`<` $template_name `,` `source` `=` $source `,` `tunables` `=` $tunables (`,` `evidence` `=` $evidence^)? `>`";
}

def Plan_GeometryAttr : Plan_Attr<"Geometry", "geometry"> {
  let summary = "how a kernel is launched on a GPU";
  let description = [{
    `grid` blocks of `threads`, `shared` bytes of dynamic shared memory a block, `scratch` bytes that the launches of a
    step use one after the other; zero before the first launch, its first kTicketBytes behind each launch too. A grid
    whose y is 0 has as many blocks as the GPU has multiprocessors, at most x. Set as the discardable attribute
    `plan.geometry`.
  }];
  let parameters = (ins "::mlir::DenseI64ArrayAttr":$grid, "int64_t":$threads, "int64_t":$shared, "int64_t":$scratch);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Plan_BufferType : TypeDef<Plan_Dialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "a byte range of memory";
}

#endif // STOOP_IR_PLAN_PLANATTRS_TD

//===- PlanOps.td - ops of the program dialect ---------------*- tablegen -*-===//
#ifndef STOOP_IR_PLAN_PLANOPS_TD
#define STOOP_IR_PLAN_PLANOPS_TD

include "ir/plan/PlanAttrs.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;

def Plan_ProgramOp : Plan_Op<"program", [SymbolTable, Symbol, IsolatedFromAbove, NoRegionArguments, NoTerminator, SingleBlock]> {
  let summary = "a whole program";
  let description = [{
    Root of phases `planned` and `binaries`. `metadata` is what the manifest repeats: the model's dimensions,
    sampling defaults, ledger and the decisions of earlier phases.

    Example:
    ```mlir
    plan.program @falcon target("cpu") metadata({name = "falcon"}) {
      plan.arena @act size(4096) align(64) lifetime transient
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$target, DictionaryAttr:$metadata);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `target` `(` $target `)` `metadata` `(` $metadata `)` attr-dict-with-keyword $body";
}

def Plan_ArenaOp : Plan_Op<"arena", [Symbol, HasParent<"ProgramOp">]> {
  let summary = "one allocation";
  let description = [{
    Constraints: (C1) size is not negative; (C2) align is a power of two.

    Example: `plan.arena @kv size(1048576) align(4096) lifetime persistent`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$size, I64Attr:$align, Plan_LifetimeAttr:$lifetime);
  let assemblyFormat = "$sym_name `size` `(` $size `)` `align` `(` $align `)` `lifetime` $lifetime attr-dict";
  let hasVerifier = 1;
}

def Plan_WeightOp : Plan_Op<"weight", [Symbol, HasParent<"ProgramOp">]> {
  let summary = "a weight's place in the constant arena";
  let description = [{
    `origin` says where the values come from, in the words of the dialect that the weight had before; `place` is absent
    until offsets are assigned. Constraints: (C1) the place has the pack's size.

    Example:
    ```mlir
    plan.weight @embed pack(#plan.pack<panel16, 4096 x 256 : bf16>) at(#plan.slice<@weights[0, 2097152]>) origin({})
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Plan_PackAttr:$pack, OptionalAttr<Plan_SliceAttr>:$place, DictionaryAttr:$origin);
  let assemblyFormat = "$sym_name `pack` `(` $pack `)` (`at` `(` $place^ `)`)? `origin` `(` $origin `)` attr-dict";
  let hasVerifier = 1;
}

def Plan_KernelOp : Plan_Op<"kernel", [Symbol, HasParent<"ProgramOp">, IsolatedFromAbove, SingleBlock]> {
  let summary = "a specialisation of a kernel template";
  let description = [{
    The body is the fused region: block arguments are the inputs, the terminator's operands the results. `row_strides`
    gives, for each input and then each result, the elements from one row to the next in memory (0 for what has no rows: weights,
    vectors, caches). Constraints: (C1) one row stride per input and result.

    Example:
    ```mlir
    plan.kernel @k0 schedule(#plan.schedule<"linear", source = "heuristic", tunables = {}>) row_strides([256, 0, 768]) {
    ^bb0(%x: tensor<1x256xf32>, %w: tensor<768x256xbf16>):
      %y = lm.linear %x, %w : (tensor<1x256xf32>, tensor<768x256xbf16>) -> tensor<1x768xf32>
      lm.yield %y : tensor<1x768xf32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Plan_ScheduleAttr:$schedule, DenseI64ArrayAttr:$row_strides);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `schedule` `(` $schedule `)` `row_strides` `(` $row_strides `)` attr-dict-with-keyword $body";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    unsigned getNumInputs() { return getBody().getNumArguments(); }
    unsigned getNumResults() { return getBody().front().back().getNumOperands(); }
  }];
}

def Plan_EntryOp : Plan_Op<"entry", [Symbol, HasParent<"ProgramOp">, IsolatedFromAbove, NoRegionArguments, NoTerminator, SingleBlock]> {
  let summary = "the launches of one step";
  let description = [{
    `rows` is the most rows of a step. `tokens`, `positions` and `slots` (i32 [rows]) are written before, `logits` (f32
    [rows or 1][vocab]) is read after the launches; they are absent until offsets are assigned. `maxima` (f32 [rows or 1]
    [blocks of 16 ids]) are the largest logits of each block, in entries that compute them.

    Example: `plan.entry decode @decode_b1 rows(1) { ... }`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Plan_EntryKindAttr:$kind, I64Attr:$rows, OptionalAttr<Plan_SliceAttr>:$tokens,
    OptionalAttr<Plan_SliceAttr>:$positions, OptionalAttr<Plan_SliceAttr>:$slots, OptionalAttr<Plan_SliceAttr>:$logits,
    OptionalAttr<Plan_SliceAttr>:$maxima);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $kind $sym_name `rows` `(` $rows `)` (`tokens` `(` $tokens^ `)`)? (`positions` `(` $positions^ `)`)?
    (`slots` `(` $slots^ `)`)? (`logits` `(` $logits^ `)`)? (`maxima` `(` $maxima^ `)`)? attr-dict-with-keyword $body
  }];
}

def Plan_AllocOp : Plan_Op<"alloc", [MemoryEffects<[MemAlloc]>]> {
  let summary = "a buffer without a place yet";
  let description = [{
    Exists between lowering and offset assignment, which replaces it by `plan.slice`. `role` names an entry's own buffer
    ("tokens", "positions", "slots", "logits", "maxima"); other buffers have none. Persistent buffers are numbered by `index`: those
    with the same number are the same memory in all entries. Constraints: (C1) size is positive; (C2) exactly the
    persistent buffers have an index.

    Example: `%b = plan.alloc size(1024) lifetime transient`
  }];
  let arguments = (ins I64Attr:$size, Plan_LifetimeAttr:$lifetime, OptionalAttr<StrAttr>:$role,
    OptionalAttr<I64Attr>:$index);
  let results = (outs Plan_BufferType:$result);
  let assemblyFormat = "`size` `(` $size `)` `lifetime` $lifetime (`role` `(` $role^ `)`)? (`index` `(` $index^ `)`)? attr-dict";
  let hasVerifier = 1;
}

def Plan_SubviewOp : Plan_Op<"subview", [Pure]> {
  let summary = "a buffer from a byte offset on";
  let description = [{
    Rows keep the stride of the source; exists until offsets are assigned. Example: `%v = plan.subview %b[1024] : !plan.buffer`
  }];
  let arguments = (ins Plan_BufferType:$source, I64Attr:$offset);
  let results = (outs Plan_BufferType:$result);
  let assemblyFormat = "$source `[` $offset `]` attr-dict `:` type($result)";
}

def Plan_WeightRefOp : Plan_Op<"weight_ref", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the buffer of a weight";
  let description = [{ Exists until offsets are assigned. Constraints: (C1) the symbol is a plan.weight. }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs Plan_BufferType:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

def Plan_SliceOp : Plan_Op<"slice", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a byte range of an arena";
  let description = [{
    The only way to name memory in a planned program. `of` names the buffer that a strided view is a part of: the view
    holds what was written there, which the gate of phase planned checks; code generators need not look at it.
    Constraints: (C1) the symbol is an arena; (C2) the range lies in it; (C3) and in the buffer that it is a part of.

    Example: `%0 = plan.slice @act[0, 1024] : !plan.buffer`
  }];
  let arguments = (ins FlatSymbolRefAttr:$arena, I64Attr:$offset, I64Attr:$size, Optional<Plan_BufferType>:$base);
  let results = (outs Plan_BufferType:$result);
  let assemblyFormat = "$arena `[` $offset `,` $size `]` (`of` $base^)? attr-dict `:` type($result)";
}

def Plan_LaunchOp : Plan_Op<"launch", [AttrSizedOperandSegments, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "one launch of a kernel";
  let description = [{
    `reads` are the kernel's inputs in order, `writes` its results in order; `updates` repeats the buffers among the reads that
    the kernel also writes (a KV cache). Constraints: (C1) the symbol is a kernel; (C2) one buffer per input and result.

    Example: `plan.launch @k0 reads(%0, %1) writes(%2)`
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Plan_BufferType>:$reads, Variadic<Plan_BufferType>:$writes,
    Variadic<Plan_BufferType>:$updates);
  let assemblyFormat = "$kernel `reads` `(` $reads `)` (`writes` `(` $writes^ `)`)? (`updates` `(` $updates^ `)`)? attr-dict";
}

def Plan_BinaryOp : Plan_Op<"binary", [Symbol, HasParent<"ProgramOp">]> {
  let summary = "compiled code of kernels";
  let description = [{
    Codegen output: `kernels` of feature level or architecture `level` in `format` ("elf-object", "cubin", "ptx").

    Example: `plan.binary @cpu_v3 kernels([@k0]) level("x86-64-v3") format("elf-object") data(dense_resource<cpu_v3> : tensor<512xi8>)`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, ArrayAttr:$kernels, StrAttr:$level, StrAttr:$format, ElementsAttr:$data);
  let assemblyFormat = "$sym_name `kernels` `(` $kernels `)` `level` `(` $level `)` `format` `(` $format `)` `data` `(` $data `)` attr-dict";
}

#endif // STOOP_IR_PLAN_PLANOPS_TD

//===- LmInterfaces.td - what passes ask of an lm op ---------*- tablegen -*-===//
#ifndef STOOP_IR_LM_LMINTERFACES_TD
#define STOOP_IR_LM_LMINTERFACES_TD

include "mlir/IR/OpBase.td"

def Lm_FusibleOpInterface : OpInterface<"FusibleOpInterface"> {
  let cppNamespace = "::stoop::lm";
  let description = [{
    The role of an op in a fused region. An *anchor* decides the kernel template and appears once per region; an
    *elementwise* op may ride in an anchor's epilogue, or form a region of its own.
  }];
  let methods = [
    InterfaceMethod<"The kind of region this op anchors (\"linear\", \"attention\", ...); empty for an elementwise op.",
      "::llvm::StringRef", "getAnchorKind">,
    InterfaceMethod<"Whether elementwise users of the anchor's result may join its region.",
      "bool", "acceptsEpilogue", (ins), "", "return false;">
  ];
}

def Lm_CostOpInterface : OpInterface<"CostOpInterface"> {
  let cppNamespace = "::stoop::lm";
  let description = [{ Work of an op with static shapes, for reports and heuristics; bytes follow from its types. }];
  let methods = [
    InterfaceMethod<"Floating-point operations (a multiply-add counts two); attention counts a full context.",
      "int64_t", "getFlops">
  ];
}

def Lm_ElementwiseOpInterface : OpInterface<"ElementwiseOpInterface"> {
  let cppNamespace = "::stoop::lm";
  let description = [{
    An op whose result element (r, c) depends on its operands' elements (r, c), or c alone for a per-column vector
    (a rank-1 operand). `emitScalar` writes it as a float32 expression in arith and math; whoever calls it rounds to
    the element type of the op's result afterwards.
  }];
  let methods = [
    InterfaceMethod<"Emits the float32 value of one element; `operands` are float32 scalars, one per operand.",
      "::mlir::Value", "emitScalar",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::ValueRange":$operands)>
  ];
}

#endif // STOOP_IR_LM_LMINTERFACES_TD

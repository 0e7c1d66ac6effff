//===- LmInterfaces.td - what passes ask of an lm op ---------*- tablegen -*-===//
#ifndef STOOP_IR_LM_LMINTERFACES_TD
#define STOOP_IR_LM_LMINTERFACES_TD

include "mlir/IR/OpBase.td"

def Lm_FusibleOpInterface : OpInterface<"FusibleOpInterface"> {
  let cppNamespace = "::stoop::lm";
  let description = [{
    What an op may be in a fused region (the grammar is that of lm.fused). Each op with an anchor kind may also be a region
    of its own; `role` says what else it may do:
     - alone: nothing; it is always a launch of its own.
     - prologue: it works on whole rows in front of the region's linears, before they are multiplied.
     - linear: it anchors the general region, whose work is split by its output columns.
     - epilogue: it works on columns of the linears' results, before they are stored: an elementwise op on all of them
       (ElementwiseOpInterface), any other on whole heads, last.
  }];
  let methods = [
    InterfaceMethod<"The kind of region this op can be on its own (\"linear\", \"attention\", ...); empty for an elementwise op, which "
                    "forms regions of kind \"elementwise\", and for one that is no launch of its own.",
      "::llvm::StringRef", "getAnchorKind">,
    InterfaceMethod<"The op's role in the general region.", "::stoop::lm::FusionRole", "getFusionRole">,
    InterfaceMethod<"Of a prologue op: whether it selects the rows that the rest of the prologue works on.",
      "bool", "selectsRows", (ins), "", "return false;">,
    InterfaceMethod<"Columns that the op works on together, a head; what it reads must be a multiple of them. 1: no group.",
      "int64_t", "getColumnGroup", (ins), "", "return 1;">
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

def Lm_BlockReductionOpInterface : OpInterface<"BlockReductionOpInterface"> {
  let cppNamespace = "::stoop::lm";
  let description = [{
    An op that reduces each block of consecutive columns of its only operand to a few float32 numbers; the last block may
    have fewer columns. Numbers of a block lie side by side in the result, so that whoever has the columns of a block needs
    nobody else's: the result does not depend on how columns are shared out.
  }];
  let methods = [
    InterfaceMethod<"The reduction's name in the kernels: \"block_max\".", "::llvm::StringRef", "getReduction">,
    InterfaceMethod<"Columns of a block.", "int64_t", "getBlockColumns", (ins), "", "return ::stoop::lm::kReductionBlock;">,
    InterfaceMethod<"Numbers that a block is reduced to.", "int64_t", "getBlockNumbers", (ins), "", "return 1;">
  ];
}

#endif // STOOP_IR_LM_LMINTERFACES_TD

//===- LmDialect.td - the model dialect ---------------------*- tablegen -*-===//
#ifndef STOOP_IR_LM_LMDIALECT_TD
#define STOOP_IR_LM_LMDIALECT_TD

include "mlir/IR/OpBase.td"

def Lm_Dialect : Dialect {
  let name = "lm";
  let cppNamespace = "::stoop::lm";
  let summary = "a decoder-only language model as a graph of tensor values";
  let description = [{
    The model as its paper would draw it: tensor values, weights as symbols, the KV cache as a symbol with a side
    effect. Every activation is a `tensor<rows x features x element>` whose rows are the tokens of one step; `rows` is
    dynamic at phase `import` and static from phase `graph` on. An op computes in float32 and rounds once, to nearest
    even, when it stores its result in the result's element type, so the granularity of the ops is the rounding ledger
    of the model. See ir/README.md for why the dialect is as it is.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}

#endif // STOOP_IR_LM_LMDIALECT_TD

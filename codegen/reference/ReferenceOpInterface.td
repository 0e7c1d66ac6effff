//===- ReferenceOpInterface.td - evaluation of an op ----------*- tablegen -*-===//
//
// Implemented by external models (ReferenceModels.cpp), so that the dialects link no evaluator.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_REFERENCE_REFERENCEOPINTERFACE_TD
#define STOOP_CODEGEN_REFERENCE_REFERENCEOPINTERFACE_TD

include "mlir/IR/OpBase.td"

def ReferenceOpInterface : OpInterface<"ReferenceOpInterface"> {
  let cppNamespace = "::stoop::reference";
  let description = [{ An op that the reference evaluator can execute. }];
  let methods = [
    InterfaceMethod<"Computes the results from the operands' values in `frame` and defines them there; emits an error on failure.",
      "::llvm::LogicalResult", "evaluate", (ins "::stoop::reference::Frame &":$frame)>
  ];
}

#endif // STOOP_CODEGEN_REFERENCE_REFERENCEOPINTERFACE_TD

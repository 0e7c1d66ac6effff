//===- PlanDialect.td - the program dialect -----------------*- tablegen -*-===//
#ifndef STOOP_IR_PLAN_PLANDIALECT_TD
#define STOOP_IR_PLAN_PLANDIALECT_TD

include "mlir/IR/OpBase.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::stoop::plan";
  let summary = "an explicit program: arenas, buffers, kernels and launches";
  let description = [{
    What runs, to the byte: no tensors outside kernel bodies, no decision left open. Buffers are (arena, offset, size);
    launches name what they read and write. The dialect knows nothing about models: kernel bodies and weight origins
    are opaque to it. See ir/README.md for why the dialect is as it is.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
}

#endif // STOOP_IR_PLAN_PLANDIALECT_TD

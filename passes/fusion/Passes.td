//===- Passes.td - passes of phase fused ---------------------*- tablegen -*-===//
#ifndef STOOP_PASSES_FUSION_PASSES_TD
#define STOOP_PASSES_FUSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def FuseEpilogue : Pass<"lm-fuse-epilogue", "::mlir::ModuleOp"> {
  let summary = "Elementwise users move into the region of the op that they follow";
  let description = [{
    An anchor that accepts epilogues (FusibleOpInterface) and the chain of elementwise ops behind it, each the only user
    of the one before, become one lm.fused at the chain's end, where all other operands are available. An anchor without
    such a user is left to lm-form-fused-regions. Every op that joins is a passed remark of category `fusion`.

    Example: test/passes/fusion/lm-fuse-epilogue.mlir
  }];
  let dependentDialects = ["::stoop::lm::LmDialect"];
}

def FormFusedRegions : Pass<"lm-form-fused-regions", "::mlir::ModuleOp"> {
  let summary = "Every op that is left gets a region of its own";
  let description = [{
    Wraps each anchor outside of a region in an lm.fused of its kind, and each elementwise op, with the elementwise chain
    behind it, in one of kind "elementwise". Fails on an anchor whose kind is not among `kinds`: the target has no kernel
    for it. Why an elementwise op could not join the region in front of it is a missed remark of category `fusion` and
    stays on its region as `lm.missed`.

    Example: test/passes/fusion/lm-form-fused-regions.mlir
  }];
  let options = [
    ListOption<"kinds", "kinds", "std::string", "kinds of regions that the target has kernels for; none: all">
  ];
  let dependentDialects = ["::stoop::lm::LmDialect"];
}

def VerifyFused : Pass<"lm-verify-fused", "::mlir::ModuleOp"> {
  let summary = "Gate of phase fused";
  let description = [{
    Fails unless an entry holds only lm.fused, weight loads, views, KV views and the return, and every region keeps to the
    grammar that lm.fused describes. Reports every region that does not.

    Example: test/passes/fusion/lm-verify-fused-invalid.mlir
  }];
}

#endif // STOOP_PASSES_FUSION_PASSES_TD

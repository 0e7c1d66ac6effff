//===- Passes.td - passes of phase fused ---------------------*- tablegen -*-===//
#ifndef STOOP_PASSES_FUSION_PASSES_TD
#define STOOP_PASSES_FUSION_PASSES_TD

include "mlir/Pass/PassBase.td"

// What the target's kernels can hold; the driver passes it on from TargetInfo.
defvar capabilityOptions = [
  ListOption<"capabilities", "capabilities", "std::string", "what the target's linear kernels can hold (FusionLegality.h)">
];
defvar rotationOptions = [
  ListOption<"rotationTiles", "rotation-tiles", "int64_t", "widths of tiles that have to hold rotated heads (FusionLegality.h); none: any heads">
];
defvar momentsOptions = [
  Option<"momentsBlock", "moments-block", "int64_t", "0", "columns of a block that linears leave a norm's moments of; 0: none">,
  Option<"leastMomentsColumns", "least-moments-columns", "int64_t", "0", "fewest columns of rows whose moments are worth leaving">
];
defvar tileOptions = [
  ListOption<"tileCosts", "tile-costs", "int64_t", "what tiles that normalise rows cost (FusionLegality.h); none: they do not">
];
defvar prologueOptions = [
  Option<"maxPrologueRows", "max-prologue-rows", "int64_t", "0", "most rows that it is worth to map in a prologue; 0: any">,
  Option<"maxGatheredRows", "max-gathered-rows", "int64_t", "0", "most rows that a prologue may select; 0: any">
];

def FuseEpilogue : Pass<"lm-fuse-epilogue", "::mlir::ModuleOp"> {
  let dependentDialects = ["::stoop::lm::LmDialect"];
  let summary = "Elementwise ops move into the launch of the linear that they follow";
  let description = [{
    Each elementwise op joins the region of the last linear that one of its operands comes from, so that all others are
    there. Its operands may have other readers, inside or outside, if the target has capability "epilogue_dag"; what is
    read outside is yielded.

    Example: test/passes/fusion/lm-fuse-epilogue.mlir
  }];
  let options = capabilityOptions;
}

def FuseLinears : Pass<"lm-fuse-linears", "::mlir::ModuleOp"> {
  let dependentDialects = ["::stoop::lm::LmDialect"];
  let summary = "Linears whose results meet in an elementwise op become one segment";
  let description = [{
    Two regions become one if an elementwise op of one reads a result of the other: a sum of two linears is one linear over
    concatenated columns, a gate and what it multiplies are computed panel by panel. Needs capability "multi_linear".

    Example: test/passes/fusion/lm-fuse-linears.mlir
  }];
  let options = capabilityOptions;
}

def LeaveMoments : Pass<"lm-leave-moments", "::mlir::ModuleOp"> {
  let dependentDialects = ["::stoop::lm::LmDialect"];
  let summary = "Linears leave the moments of what the next norm reads";
  let description = [{
    The value that a norm reads, if a launch with a linear makes it column by column, gets an lm.block_moments in blocks of
    `moments-block` columns, which the norm then reads; norms of one value share it. The reduction rides where its columns
    are made (lm-fuse-columns, capability "reduction_epilogue"). Rows that no prologue takes are left alone: a norm that is
    a launch of its own sums up each row once, on the way. So are rows of fewer columns than `least-moments-columns`, which
    everybody sums up faster than blocks are measured and combined.

    Example: test/passes/fusion/lm-leave-moments.mlir
  }];
  let options = !listconcat(capabilityOptions, momentsOptions, tileOptions, [
    Option<"maxPrologueRows", "max-prologue-rows", "int64_t", "0", "most rows that it is worth to map in a prologue; 0: any">,
    Option<"anywhere", "anywhere", "bool", "false", "wherever columns are made, whether it pays or not: for tests">
  ]);
}

def FuseColumns : Pass<"lm-fuse-columns", "::mlir::ModuleOp"> {
  let dependentDialects = ["::stoop::lm::LmDialect"];
  let summary = "Ops on heads, stores to the cache and reductions move into the launch that makes their columns";
  let description = [{
    An op that reads views of one linear's last value, or reduces blocks of its columns, joins its region, the views with
    it, if the target has capability "<kind>_epilogue". Views that are left join too once one has, so that the whole value is not stored for their sake.

    Example: test/passes/fusion/lm-fuse-columns.mlir
  }];
  let options = !listconcat(capabilityOptions, rotationOptions);
}

def FuseSegments : Pass<"lm-fuse-segments", "::mlir::ModuleOp"> {
  let dependentDialects = ["::stoop::lm::LmDialect"];
  let summary = "Independent linears on the same rows share a launch";
  let description = [{
    Two regions become one, each a segment of it, if their linears read the same rows, directly or behind norms of them:
    one launch over concatenated weight rows. Needs capability "multi_segment".

    Example: test/passes/fusion/lm-fuse-segments.mlir
  }];
  let options = capabilityOptions;
}

def FusePrologue : Pass<"lm-fuse-prologue", "::mlir::ModuleOp"> {
  let dependentDialects = ["::stoop::lm::LmDialect"];
  let summary = "Norms, embedding rows and row selections move in front of the linears that they feed";
  let description = [{
    An op that makes whole rows joins the first launch that multiplies them; other launches read what that one yields, which
    costs less than to compute it again. Needs capability "<kind>_prologue" and rows within the target's limits, because
    every thread computes the prologue for itself. Norms of more rows, of which there are moments, join where the tiles of
    the target's kernels normalise rows as they load them (`tile-costs`) and that costs less than a launch.

    Example: test/passes/fusion/lm-fuse-prologue.mlir
  }];
  let options = !listconcat(capabilityOptions, prologueOptions, tileOptions);
}

def FuseRandomly : Pass<"lm-fuse-randomly", "::mlir::ModuleOp"> {
  let dependentDialects = ["::stoop::lm::LmDialect"];
  let summary = "A random partition of each entry into legal regions";
  let description = [{
    For tests of the gate and of everything behind it: merges random pairs of ops and regions that the grammar and the order
    of effects allow, whether it pays or not. Of what targets cannot do it knows one thing: many selected rows in a prologue.
    Equal seeds give equal regions.

    Example: test/passes/fusion/lm-fuse-randomly.mlir
  }];
  let options = [Option<"seed", "seed", "uint64_t", "0", "start of the random sequence">,
                 Option<"maxGatheredRows", "max-gathered-rows", "int64_t", "0",
                        "most rows that a prologue may select; 0: any">];
}

def FormFusedRegions : Pass<"lm-form-fused-regions", "::mlir::ModuleOp"> {
  let dependentDialects = ["::stoop::lm::LmDialect"];
  let summary = "Every op that is left gets a region of its own";
  let description = [{
    Wraps each op outside of a region in an lm.fused of its kind, and each elementwise op, with the elementwise chain
    behind it, in one of kind "elementwise". Fails on a region whose kind is not among `kinds`: the target has no kernel
    for it.

    Example: test/passes/fusion/lm-form-fused-regions.mlir
  }];
  let options = [
    ListOption<"kinds", "kinds", "std::string", "kinds of regions that the target has kernels for; none: all">
  ];
}

def LogFusion : Pass<"lm-log-fusion", "::mlir::ModuleOp"> {
  let dependentDialects = ["::stoop::lm::LmDialect"];
  let summary = "Which ops share a launch, which do not, and why";
  let description = [{
    Looks at every pair of a producer and a consumer in an entry and at every pair of linears on the same rows, and writes
    one verdict for each on the entry as `lm.fusion_log`, equal layers merged: a list of
    {entry, pass, verdict, producer, consumer, layers, layer_distance, count, reason, remedy, bytes}. `layers` are the
    consumer's (the producer's if the consumer lies in none); the producer's are `layer_distance` less, 0 if not given.
    `bytes` is the traffic of a step, all of `count` together, that the fusion saves or that is still paid. The same goes
    out as remarks of category `fusion`.

    Example: test/passes/fusion/lm-log-fusion.mlir
  }];
  let options = !listconcat(capabilityOptions, prologueOptions, rotationOptions, momentsOptions, tileOptions);
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

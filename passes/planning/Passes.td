//===- Passes.td - passes of phase planned -------------------*- tablegen -*-===//
#ifndef STOOP_PASSES_PLANNING_PASSES_TD
#define STOOP_PASSES_PLANNING_PASSES_TD

include "mlir/Pass/PassBase.td"

def LowerFused : Pass<"plan-lower-fused", "::mlir::ModuleOp"> {
  let summary = "From regions and tensors to kernels, launches and buffers";
  let description = [{
    Turns each lm.model into a plan.program: an lm.fused becomes a plan.launch of a plan.kernel, which it shares with all
    regions of equal body, types, row strides and schedule; a tensor becomes a plan.alloc, an lm.view a plan.subview
    that keeps the row stride of its source; arguments and results of an entry become buffers with roles. Weights stay in
    row order until plan-pack-weights. The program's metadata is the model's, with the model's dimensions; the
    verdicts of lm-log-fusion become its `fusion_log`.

    Example: test/passes/planning/plan-lower-fused.mlir
  }];
  let options = [
    Option<"target", "target", "std::string", "\"cpu\"", "target of the program">
  ];
  let dependentDialects = ["::stoop::plan::PlanDialect"];
}

def SetGeometry : Pass<"plan-set-geometry", "::mlir::ModuleOp"> {
  let summary = "Grid, block and shared memory of every kernel that is launched as a grid";
  let description = [{
    Sets `plan.geometry` on each kernel whose template computes on a grid (GPU templates), from its schedule and the parts
    of its region: the only place where launch sizes are computed; code generators and the runtime repeat them. Kernels of
    other templates stay as they are.

    Example: test/passes/planning/plan-set-geometry.mlir
  }];
  let dependentDialects = ["::stoop::plan::PlanDialect"];
}

def OverlapLaunches : Pass<"plan-overlap-launches", "::mlir::ModuleOp"> {
  let summary = "Which launches start before the one in front of them has ended";
  let description = [{
    Marks each kernel with a geometry as one that starts early (`starts_early`): where the GPU has programmatic launches (compute
    capability 9.0), its blocks take their places, and linear_stream asks for its first weights, while the launch in front
    still runs; every kernel waits for that one itself. In a decode step a block of each has to fit a multiprocessor together:
    a kernel that does not, beside one that is launched in front of it, gets the reason instead (`starts_late`).
    Without this pass launches follow one another; results are the same.

    Example: test/passes/planning/plan-overlap-launches.mlir
  }];
  let dependentDialects = ["::stoop::plan::PlanDialect"];
}

def PackWeights : Pass<"plan-pack-weights", "::mlir::ModuleOp"> {
  let summary = "The order of every weight's elements and its place in the constant arena";
  let description = [{
    A matrix that lm.linear and lm.embedding read is packed in panels of 16 rows; on a grid, in tiles for tensor cores or
    in rows, as the template of lm.linear asks, and embeddings go along (attribute `tiled` of the kernel). A vector and a generated table are
    float32; readers that disagree about one weight are an error. Weights follow one another in the program's
    order, each aligned to 64 bytes, in an arena `@weights` aligned to 65536.

    Example: test/passes/planning/plan-pack-weights.mlir
  }];
  let dependentDialects = ["::stoop::plan::PlanDialect"];
}

def LayoutKvCache : Pass<"plan-layout-kv-cache", "::mlir::ModuleOp"> {
  let summary = "Places of the persistent buffers";
  let description = [{
    Persistent buffers with one index are one buffer of all entries. They follow one another by index in an arena `@kv`,
    each aligned to 64 bytes. Inside a layer's buffer the keys come first, then the values, each
    [batch][heads][positions][head_dim].

    Example: test/passes/planning/plan-layout-kv-cache.mlir
  }];
  let dependentDialects = ["::stoop::plan::PlanDialect"];
}

def AssignOffsets : Pass<"plan-assign-offsets", "::mlir::ModuleOp"> {
  let summary = "Places of transient buffers and of the entries' own";
  let description = [{
    Computes when each buffer is live, inclusive of the launches that first write and last read it, and solves one
    packing problem per entry; all entries share an arena `@act` as large as the largest needs. Buffers with roles live
    during the whole entry and lie in `@io`, shared in the same way. Every buffer is aligned to 64 bytes.

    Each problem goes to all solvers (or to the one of option `solver`), every placement is checked, and the smallest is
    kept. The arena's attribute `packing` lists per entry the number of buffers, the peak, the liveness lower bound, the
    solver that was kept and the peak of each.

    Example: test/passes/planning/plan-assign-offsets.mlir
  }];
  let options = [
    Option<"solver", "solver", "std::string", "\"all\"",
           "all: keep the best of every solver; else one of passes/planning/arena/Solvers.def">
  ];
  let dependentDialects = ["::stoop::plan::PlanDialect"];
}

def VerifyPlanned : Pass<"plan-verify-planned", "::mlir::ModuleOp"> {
  let summary = "Gate of phase planned";
  let description = [{
    Plays every entry launch by launch and fails when a buffer is read before it is written or after something else was
    written over it, when a launch writes what it reads, the inputs, or a constant, when a buffer is smaller than what
    its kernel accesses, out of its arena, or misaligned, and when results are not written at the end. Trusts neither the
    solvers nor their liveness.

    Example: test/passes/planning/plan-verify-planned-invalid.mlir
  }];
}

#endif // STOOP_PASSES_PLANNING_PASSES_TD

//===- Passes.td - passes of phases import and graph ---------*- tablegen -*-===//
#ifndef STOOP_PASSES_GRAPH_PASSES_TD
#define STOOP_PASSES_GRAPH_PASSES_TD

include "mlir/Pass/PassBase.td"

def VerifyImported : Pass<"lm-verify-imported", "::mlir::ModuleOp"> {
  let summary = "Gate of phase import";
  let description = [{
    Fails unless the module is one lm.model with one entry of kind forward, dynamic in its rows only, in which every
    weight is used, activations have the model's dtype or float32, and each layer of the KV cache is appended to exactly once,
    before it is attended to.

    Example: test/passes/graph/lm-verify-imported-invalid.mlir
  }];
}

def QuantizeWeights : Pass<"lm-quantize-weights", "::mlir::ModuleOp"> {
  let summary = "Choice of a coded form for every weight matrix";
  let description = [{
    Gives each matrix read from the checkpoint the encoding of `scheme`; embedding and output head get int8 instead of int4,
    because 4 bits there cost more likelihood than in all layers together. Vectors and generated tables keep their
    values. An override `PATTERN=SCHEME` sets the scheme of the matrices whose names match the glob pattern;
    the last one that matches counts, and `none` leaves a matrix as it is. A pattern that matches nothing is an
    error. The model's metadata lists under `quantization` how many matrices and bytes each scheme got. Nothing
    is read: packaging and evaluation do the arithmetic.

    Example: test/passes/graph/lm-quantize-weights.mlir
  }];
  let options = [
    Option<"scheme", "scheme", "std::string", "\"none\"", "none, int8, int4 (int4-g32), int4-g32, int4-g128, fp8">,
    ListOption<"overrides", "overrides", "std::string", "PATTERN=SCHEME for weights by name">
  ];
  let dependentDialects = ["::stoop::lm::LmDialect"];
}

def ExpectInputs : Pass<"lm-expect-inputs", "::mlir::ModuleOp"> {
  let summary = "What rounding may expect of the inputs of matrices in integers";
  let description = [{
    Gives each quantised matrix the attribute `lm.inputs` where its input is a norm's result, or an activation, a gated
    product or attention behind a linear layer of one: packaging then draws samples of these inputs from the embedding and
    the weights between, and rounds against them. The output head is left out, as what its norm reads has little left of
    the embedding; so are inputs behind matrices that the checkpoint stores as integers, and matrices that several inputs
    enter. metadata.quantization counts the matrices of each scheme that have the attribute as `anticipated`. Without
    this pass rounding minimises the error of each weight alone.

    Example: test/passes/graph/lm-expect-inputs.mlir
  }];
  let dependentDialects = ["::stoop::lm::LmDialect"];
}

def SplitEntryPoints : Pass<"lm-split-entry-points", "::mlir::ModuleOp"> {
  let summary = "One static entry per decode batch, prompt chunk and scoring chunk";
  let description = [{
    Clones the entry of kind forward with a fixed number of rows: `@decode_b<B>` for each power of two below `batch`
    and `batch` itself, `@prefill_<N>` per bucket, `@score_<N>`; then erases it. A prefill entry computes logits of its
    last valid row alone: an lm.gather_last cuts the rows in front of the trailing operations that treat rows
    independently (final norm and head). Buckets and scoring rows above the compiled context are clipped to it.

    Example: test/passes/graph/lm-split-entry-points.mlir
  }];
  let options = [
    ListOption<"prefillBuckets", "prefill-buckets", "int64_t",
               "rows of the prefill entries; none: 32 and 512, clipped to the compiled context">,
    Option<"batch", "batch", "int64_t", "0", "most sequences decoded together; 0: the model's batch">,
    Option<"scoreRows", "score-rows", "int64_t", "32", "rows of the scoring entry; 0: no scoring entry">
  ];
  let dependentDialects = ["::stoop::lm::LmDialect"];
}

def ReduceLogits : Pass<"lm-reduce-logits", "::mlir::ModuleOp"> {
  let summary = "The largest logit of each block of ids beside the logits";
  let description = [{
    Entries that decode or prefill get a second result, lm.block_max of the logits: candidates for the next token. Whoever
    wants the largest logit then reads one number for a block and the logits of one block. Scoring entries, whose logits
    are all read, get none.

    Example: test/passes/graph/lm-reduce-logits.mlir
  }];
  let dependentDialects = ["::stoop::lm::LmDialect"];
}

def VerifyGraph : Pass<"lm-verify-graph", "::mlir::ModuleOp"> {
  let summary = "Gate of phase graph";
  let description = [{
    Fails unless every shape is static, every entry is of kind decode, prefill or score with the rows of logits that
    its kind promises, maxima that an entry returns are those of its logits, all rows are those of the entry or one, and
    there is an entry to decode and one to prefill.

    Example: test/passes/graph/lm-verify-graph-invalid.mlir
  }];
}

#endif // STOOP_PASSES_GRAPH_PASSES_TD

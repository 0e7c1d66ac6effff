//===- Passes.h - passes of phases import and graph ----------------------===//
#ifndef STOOP_PASSES_GRAPH_PASSES_H
#define STOOP_PASSES_GRAPH_PASSES_H

#include "mlir/Pass/Pass.h"

namespace stoop::graph {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/graph/Passes.h.inc"
} // namespace stoop::graph

#endif // STOOP_PASSES_GRAPH_PASSES_H

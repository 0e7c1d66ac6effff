//===- Passes.h - passes of phase planned --------------------------------===//
#ifndef STOOP_PASSES_PLANNING_PASSES_H
#define STOOP_PASSES_PLANNING_PASSES_H

#include "mlir/Pass/Pass.h"

namespace stoop::planning {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/planning/Passes.h.inc"
} // namespace stoop::planning

#endif // STOOP_PASSES_PLANNING_PASSES_H

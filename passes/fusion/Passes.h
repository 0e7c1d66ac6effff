//===- Passes.h - passes of phase fused ----------------------------------===//
#ifndef STOOP_PASSES_FUSION_PASSES_H
#define STOOP_PASSES_FUSION_PASSES_H

#include "mlir/Pass/Pass.h"

namespace stoop::fusion {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/fusion/Passes.h.inc"
} // namespace stoop::fusion

#endif // STOOP_PASSES_FUSION_PASSES_H

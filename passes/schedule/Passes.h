//===- Passes.h - passes of phase scheduled ------------------------------===//
#ifndef STOOP_PASSES_SCHEDULE_PASSES_H
#define STOOP_PASSES_SCHEDULE_PASSES_H

#include "mlir/Pass/Pass.h"

namespace stoop::schedule {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/schedule/Passes.h.inc"
} // namespace stoop::schedule

#endif // STOOP_PASSES_SCHEDULE_PASSES_H

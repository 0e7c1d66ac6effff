//===- Passes.h - reports about programs ---------------------------------===//
#ifndef STOOP_PASSES_REPORT_PASSES_H
#define STOOP_PASSES_REPORT_PASSES_H

#include "mlir/Pass/Pass.h"

namespace stoop::report {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/report/Passes.h.inc"
} // namespace stoop::report

#endif // STOOP_PASSES_REPORT_PASSES_H

//===- Passes.h - passes of phase binaries -----------------------*- C++ -*-===//
#ifndef STOOP_CODEGEN_PASSES_H
#define STOOP_CODEGEN_PASSES_H

#include "codegen/TargetBackend.h"
#include "mlir/Pass/Pass.h"

namespace stoop::codegen {

#define GEN_PASS_DECL
#include "codegen/Passes.h.inc"

/// plan-emit-binaries with a progress report, which a pass option could not carry.
std::unique_ptr<mlir::Pass> createEmitBinaries(CompileOptions options);

#define GEN_PASS_REGISTRATION
#include "codegen/Passes.h.inc"

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_PASSES_H

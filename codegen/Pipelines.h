//===- Pipelines.h - the last phases as pipelines ----------------*- C++ -*-===//
#ifndef STOOP_CODEGEN_PIPELINES_H
#define STOOP_CODEGEN_PIPELINES_H

#include "codegen/TargetBackend.h"
#include "mlir/Pass/PassManager.h"

namespace stoop::codegen {

/// The last step of phase planned, behind its pipeline in passes/: what only a target knows.
/// `maxThreads` 0: the program has no limit of its own; `architectures`: what the code is going to be for.
void addPlannedPasses(mlir::OpPassManager &pm, unsigned maxThreads, llvm::StringRef architectures);

/// Phase binaries: planned program -> program with code. `pm` runs on a module that holds the
/// program.
void buildBinariesPipeline(mlir::OpPassManager &pm, const CompileOptions &options);

/// Registers stoop-binaries-pipeline{architectures=... threads=...} and its passes.
void registerPipelines();

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_PIPELINES_H

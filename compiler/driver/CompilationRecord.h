//===- CompilationRecord.h - what IR remembers of its command line -*- C++ -*-===//
#ifndef STOOP_COMPILER_DRIVER_COMPILATIONRECORD_H
#define STOOP_COMPILER_DRIVER_COMPILATIONRECORD_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace stoop::driver {

/// Notes the flags (as flagLedger() lists them) and the target's levels in the metadata of a
/// module, at any phase, so that its report is the same whoever prints it. A module that has such
/// notes keeps them, but for flags that were given now.
void recordCompilation(mlir::ModuleOp module, const llvm::json::Object &flags,
                       llvm::ArrayRef<std::string> levels);

} // namespace stoop::driver

#endif

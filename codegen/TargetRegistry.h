//===- TargetRegistry.h - finding a code generator ---------------*- C++ -*-===//
#ifndef STOOP_CODEGEN_TARGETREGISTRY_H
#define STOOP_CODEGEN_TARGETREGISTRY_H

#include "codegen/TargetBackend.h"

namespace stoop::codegen {

/// All backends of Targets.def; they live as long as the process.
llvm::ArrayRef<const TargetBackend *> targetBackends();

/// The backend of that name; null when there is none.
const TargetBackend *findTarget(llvm::StringRef name);

/// The backend of a program's target; reports at the program when there is none.
mlir::FailureOr<const TargetBackend *> targetOf(plan::ProgramOp program);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_TARGETREGISTRY_H

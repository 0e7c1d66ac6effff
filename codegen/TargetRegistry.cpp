//===- TargetRegistry.cpp - finding a code generator ----------------------===//
//
// The list is Targets.def and nothing else; no other file names a backend.
//
//===----------------------------------------------------------------------===//
#include "codegen/TargetRegistry.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace stoop;
using codegen::TargetBackend;

namespace stoop::codegen {
#define STOOP_TARGET(factory) const TargetBackend &factory();
#include "codegen/Targets.def"
} // namespace stoop::codegen

ArrayRef<const TargetBackend *> codegen::targetBackends() {
  static const TargetBackend *const backends[] = {
#define STOOP_TARGET(factory) &factory(),
#include "codegen/Targets.def"
  };
  return backends;
}

const TargetBackend *codegen::findTarget(StringRef name) {
  for (const TargetBackend *backend : targetBackends())
    if (backend->getName() == name)
      return backend;
  return nullptr;
}

FailureOr<const TargetBackend *> codegen::targetOf(plan::ProgramOp program) {
  if (const TargetBackend *backend = findTarget(program.getTarget()))
    return backend;
  InFlightDiagnostic error = program.emitOpError() << "has target '" << program.getTarget()
                                                   << "', but code generators exist for:";
  for (const TargetBackend *backend : targetBackends())
    error << " " << backend->getName();
  return error;
}

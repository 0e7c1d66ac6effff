//===- InitAll.h - everything the developer tools know -----------*- C++ -*-===//
#ifndef STOOP_COMPILER_TOOLS_INITALL_H
#define STOOP_COMPILER_TOOLS_INITALL_H

namespace mlir {
class DialectRegistry;
}

namespace stoop {

/// Registers lm, plan and the upstream dialects that Stoop's phases use.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Registers Stoop's passes and phase pipelines, and upstream's transforms.
void registerAllPasses();

} // namespace stoop

#endif // STOOP_COMPILER_TOOLS_INITALL_H

//===- LaunchGeometry.h - the grid of a kernel on a GPU ----------*- C++ -*-===//
#ifndef STOOP_PASSES_PLANNING_LAUNCHGEOMETRY_H
#define STOOP_PASSES_PLANNING_LAUNCHGEOMETRY_H

#include "ir/plan/PlanOps.h"

namespace stoop::planning {

/// Grid, threads, shared memory and scratch that the kernel's template takes for its shapes and the tunables of
/// its schedule; null for a template that is not launched as a grid. Reports a region that is none of a kernel's.
mlir::FailureOr<plan::GeometryAttr> launchGeometry(plan::KernelOp kernel);

} // namespace stoop::planning

#endif // STOOP_PASSES_PLANNING_LAUNCHGEOMETRY_H

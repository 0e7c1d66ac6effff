//===- DescribeKernel.h - a plan.kernel as port and parameters ---*- C++ -*-===//
//
// Reads a planned kernel's body and schedule into what a kernel template needs: which port, which
// constant parameters, which epilogue. Nothing is chosen here: shapes, strides and the template
// come from the IR.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CPU_DESCRIBEKERNEL_H
#define STOOP_CODEGEN_CPU_DESCRIBEKERNEL_H

#include "codegen/cpu/SpecializeKernel.h"
#include "ir/plan/PlanOps.h"

namespace stoop::codegen {

/// The specialisation that computes `kernel`, for any feature level. Reports at the kernel or one
/// of its ops when no template of the library fits.
mlir::FailureOr<KernelSpec> describeKernel(plan::KernelOp kernel);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CPU_DESCRIBEKERNEL_H

//===- DescribeLinear.h - a kernel of kind linear as parameters --*- C++ -*-===//
//
// The part of DescribeKernel.h that reads fused regions of linears.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CPU_DESCRIBELINEAR_H
#define STOOP_CODEGEN_CPU_DESCRIBELINEAR_H

#include "codegen/cpu/SpecializeKernel.h"
#include "ir/plan/PlanOps.h"

namespace stoop::codegen {

/// Number of an element type in parameters (kernels::ElementType).
int64_t elementType(mlir::Type type);

/// Sets parameters, hook and scratch of `spec` for the linears in `kernel`, and gives what the
/// port is found by: weights, activations, rows. Reports at the op that no template takes.
mlir::FailureOr<std::string> describeLinear(plan::KernelOp kernel, KernelSpec &spec);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CPU_DESCRIBELINEAR_H

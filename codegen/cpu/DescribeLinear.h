//===- DescribeLinear.h - a kernel of kind linear as parameters --*- C++ -*-===//
//
// The part of DescribeKernel.h that reads fused regions of linears.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CPU_DESCRIBELINEAR_H
#define STOOP_CODEGEN_CPU_DESCRIBELINEAR_H

#include "codegen/cpu/SpecializeKernel.h"
#include "ir/lm/LmOps.h"
#include "ir/plan/PlanOps.h"
#include "kernels/common/params.h"

namespace stoop::codegen {

/// Number of an element type in parameters (kernels::ElementType).
int64_t elementType(mlir::Type type);

/// Number of a kind of norm in parameters.
kernels::NormKind normKind(lm::NormKind kind);

/// The moments that operand `index` of a launch of `kernel` holds, for norms of `kind`, in blocks of `block` columns.
kernels::Moments momentsAt(plan::KernelOp kernel, lm::NormKind kind, int64_t block, int64_t index);

/// Sets parameters, hook and scratch of `spec` for the linears in `kernel`, and gives what the
/// port is found by: weights, activations, rows. Reports at the op that no template takes.
mlir::FailureOr<std::string> describeLinear(plan::KernelOp kernel, KernelSpec &spec);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CPU_DESCRIBELINEAR_H

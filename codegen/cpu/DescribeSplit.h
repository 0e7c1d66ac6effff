//===- DescribeSplit.h - what a CPU kernel deals to threads ------*- C++ -*-===//
#ifndef STOOP_CODEGEN_CPU_DESCRIBESPLIT_H
#define STOOP_CODEGEN_CPU_DESCRIBESPLIT_H

#include "codegen/TargetBackend.h"
#include "codegen/cpu/SpecializeKernel.h"

namespace stoop::codegen {

/// The split of a kernel whose specialisation is `spec`, by the functions that its template deals
/// work with (kernels/common/split.h). Rows are of one sequence if any entry that launches it is no
/// decode step.
WorkSplit describeSplit(plan::KernelOp kernel, const KernelSpec &spec);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CPU_DESCRIBESPLIT_H

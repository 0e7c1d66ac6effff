//===- KernelEmitter.h - a plan.kernel as CUDA C++ ----------------*- C++ -*-===//
//
// Prints one source per kernel: the template's header, functors for what the fused region computes before
// and behind its linears, the configuration, one entry. Nothing is chosen here: template, tunables and
// geometry come from the IR.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CUDA_KERNELEMITTER_H
#define STOOP_CODEGEN_CUDA_KERNELEMITTER_H

#include "ir/plan/PlanOps.h"
#include <string>

namespace stoop::codegen {

/// Name of the entry function in every generated source.
inline constexpr llvm::StringLiteral kEntryName = "stoop_kernel";

/// The source of `kernel`. Equal kernels of different layers give equal text but for the model path of
/// the #line directives. Reports at the kernel or one of its ops what no template covers.
mlir::FailureOr<std::string> emitKernel(plan::KernelOp kernel);

/// The source of what runs around the launches of a step, the same for all models, and its entries.
llvm::StringRef samplingSource();
inline constexpr llvm::StringLiteral kBeginName = "stoop_begin_step", kChooseName = "stoop_choose_token";

/// What a launch does to each operand: 1 reads, 2 writes, 3 both; inputs, then results.
std::vector<uint8_t> operandAccess(plan::KernelOp kernel);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CUDA_KERNELEMITTER_H

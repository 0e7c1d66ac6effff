//===- InitAll.cpp - everything the developer tools know ------------------===//
#include "compiler/tools/InitAll.h"
#include "codegen/Pipelines.h"
#include "ir/lm/LmDialect.h"
#include "ir/plan/PlanDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Transforms/Passes.h"
#include "passes/pipelines/Pipelines.h"

void stoop::registerAllDialects(mlir::DialectRegistry &registry) {
  registry.insert<lm::LmDialect, plan::PlanDialect, mlir::arith::ArithDialect,
                  mlir::math::MathDialect, mlir::func::FuncDialect, mlir::LLVM::LLVMDialect>();
}

void stoop::registerAllPasses() {
  mlir::registerTransformsPasses();
  registerPhasePipelines();
  codegen::registerPipelines();
}

//===- stoop-reduce.cpp - shrink a module that shows a defect -------------===//
#include "compiler/tools/InitAll.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  stoop::registerAllDialects(registry);
  stoop::registerAllPasses();
  mlir::MLIRContext context(registry);
  return mlir::mlirReduceMain(argc, argv, context).failed();
}

//===- stoop-opt.cpp - run passes on lm and plan modules ------------------===//
#include "compiler/tools/InitAll.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  stoop::registerAllDialects(registry);
  stoop::registerAllPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Stoop modular optimizer driver\n", registry));
}

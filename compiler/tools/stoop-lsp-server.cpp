//===- stoop-lsp-server.cpp - language server for lm and plan -------------===//
#include "compiler/tools/InitAll.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"
#include "llvm/Support/LogicalResult.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  stoop::registerAllDialects(registry);
  return mlir::MlirLspServerMain(argc, argv, registry).failed();
}

//===- Pipelines.cpp - the last phases as pipelines -----------------------===//
//
// Phase binaries = compile, then its gate. Phase executable has no pipeline: its input is files
// besides the IR, and its gate is reading the manifest back (codegen/package).
//
//===----------------------------------------------------------------------===//
#include "codegen/Pipelines.h"
#include "codegen/Passes.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;
using namespace stoop;

namespace {
struct BinariesPipelineOptions : public PassPipelineOptions<BinariesPipelineOptions> {
  Option<std::string> architectures{*this, "architectures",
                                    llvm::cl::desc("comma list of CPU names or feature levels"),
                                    llvm::cl::init("host")};
  Option<unsigned> numThreads{*this, "threads",
                              llvm::cl::desc("compilations at a time; 0: one per processor"),
                              llvm::cl::init(0)};
};
} // namespace

void codegen::addPlannedPasses(OpPassManager &pm, unsigned maxThreads, StringRef architectures) {
  pm.nest<plan::ProgramOp>().addPass(createSizeThreads({maxThreads, architectures.str()}));
}

void codegen::buildBinariesPipeline(OpPassManager &pm, const CompileOptions &options) {
  OpPassManager &programs = pm.nest<plan::ProgramOp>();
  programs.addPass(createEmitBinaries(options));
  programs.addPass(createVerifyBinaries());
}

void codegen::registerPipelines() {
  registerCodegenPasses();
  PassPipelineRegistration<BinariesPipelineOptions>(
      "stoop-binaries-pipeline", "phase binaries: compile every kernel of a planned program",
      [](OpPassManager &pm, const BinariesPipelineOptions &options) {
        buildBinariesPipeline(pm, CompileOptions{options.architectures, options.numThreads, {}});
      });
}

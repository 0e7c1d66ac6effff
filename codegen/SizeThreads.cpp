//===- SizeThreads.cpp - what is taken beside the arenas ------------------===//
//
// Last step of phase planned, here and not in passes/ because only a target knows what its kernels
// need and how they deal work to threads. Sizes are what the runtime takes: workspaces are whole cache lines. A target that starts no
// threads has one workspace, on its device, and no stacks; what the driver takes there besides is planned too. Whether each
// architecture runs the launches is asked here, so that a plan is refused where its code would be.
//
//===----------------------------------------------------------------------===//
#include "codegen/Passes.h"
#include "codegen/TargetRegistry.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

namespace stoop::codegen {
#define GEN_PASS_DEF_SIZETHREADS
#include "codegen/Passes.h.inc"
} // namespace stoop::codegen

using namespace mlir;
using namespace stoop;

static DictionaryAttr attributeOf(const codegen::WorkSplit &split, Builder &builder) {
  NamedAttrList fields;
  fields.append("unit", builder.getStringAttr(split.unit));
  for (auto [name, count] : {std::pair("count", split.count), std::pair("most", split.most),
                             std::pair("row_blocks", split.rowBlocks)})
    if (count)
      fields.append(name, builder.getI64IntegerAttr(count));
  return fields.getDictionary(builder.getContext());
}

namespace {
struct SizeThreads : public codegen::impl::SizeThreadsBase<SizeThreads> {
  using SizeThreadsBase::SizeThreadsBase;

  void runOnOperation() override {
    plan::ProgramOp program = getOperation();
    FailureOr<const codegen::TargetBackend *> backend = codegen::targetOf(program);
    if (failed(backend))
      return signalPassFailure();
    if (!architectures.empty() && failed((*backend)->checkPlan(program, architectures)))
      return signalPassFailure();
    FailureOr<codegen::CodeTable> code = (*backend)->codeTable(program);
    if (failed(code))
      return signalPassFailure();
    Builder builder(&getContext());
    for (auto [kernel, split] : llvm::zip(program.getOps<plan::KernelOp>(), code->splits))
      if (split.count)
        kernel->setAttr(plan::kSplitAttrName, attributeOf(split, builder));
    auto set = [&](StringRef name, uint64_t value) {
      program->setAttr(name, builder.getI64IntegerAttr(static_cast<int64_t>(value)));
    };
    set(plan::kWorkspaceAttrName, llvm::alignTo(code->scratchBytes, 64));
    set(plan::kStackAttrName, code->stackBytes);
    if (maxThreads && code->stackBytes)
      set(plan::kMaxThreadsAttrName, maxThreads);
    if (!code->gpu)
      return;
    set(plan::kModulesAttrName, code->gpu->modulesBytes);
    set(plan::kGraphsAttrName, code->gpu->graphsBytes);
    if (code->gpu->cudaVersion)
      set(plan::kCudaVersionAttrName, code->gpu->cudaVersion);
  }
};
} // namespace

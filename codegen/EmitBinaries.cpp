//===- EmitBinaries.cpp - compile every kernel of a program ---------------===//
//
// Asks the program's backend for code and stores it as plan.binary ops, in program order of their
// first kernel, so that equal inputs give equal IR whatever the number of threads.
//
//===----------------------------------------------------------------------===//
#include "codegen/Passes.h"
#include "codegen/TargetRegistry.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinAttributes.h"

namespace stoop::codegen {
#define GEN_PASS_DEF_EMITBINARIES
#include "codegen/Passes.h.inc"
} // namespace stoop::codegen

using namespace mlir;
using namespace stoop;

/// Turns "avx512-bf16" into part of a symbol.
static std::string symbolPart(StringRef name) {
  std::string part = name.str();
  llvm::replace(part, '-', '_');
  llvm::replace(part, '.', '_');
  return part;
}

/// Adds one binary behind everything else of the program.
static void addBinary(OpBuilder &builder, const codegen::KernelBinary &binary) {
  SmallVector<Attribute> kernels;
  for (plan::KernelOp kernel : binary.kernels)
    kernels.push_back(FlatSymbolRefAttr::get(kernel.getSymNameAttr()));
  std::string name =
      binary.kernels.empty() ? binary.role : plan::KernelOp(binary.kernels.front()).getSymName().str();
  name += "_" + symbolPart(binary.architecture);
  Location loc = binary.kernels.empty() ? builder.getUnknownLoc()
                                        : plan::KernelOp(binary.kernels.front()).getLoc();
  auto type =
      RankedTensorType::get({static_cast<int64_t>(binary.data.size())}, builder.getI8Type());
  auto data =
      DenseI8ResourceElementsAttr::get(type, name,
                                       HeapAsmResourceBlob::allocateAndCopyWithAlign(
                                           binary.data, /*align=*/64, /*dataIsMutable=*/false));
  auto op = plan::BinaryOp::create(
      builder, loc, builder.getStringAttr(name), builder.getArrayAttr(kernels),
      builder.getStringAttr(binary.architecture), builder.getStringAttr(binary.format),
      cast<ElementsAttr>(data));
  if (!binary.role.empty())
    op->setAttr("role", builder.getStringAttr(binary.role));
  if (binary.cudaVersion)
    op->setAttr(plan::kCudaVersionAttrName, builder.getI64IntegerAttr(binary.cudaVersion));
  if (binary.moduleBytes)
    op->setAttr(plan::kModulesAttrName, builder.getI64IntegerAttr(binary.moduleBytes));
  SmallVector<NamedAttribute> resources;
  for (const auto &[key, value] : binary.resources)
    resources.push_back(builder.getNamedAttr(key, builder.getI64IntegerAttr(value)));
  if (!resources.empty())
    op->setAttr("resources", builder.getDictionaryAttr(resources));
}

namespace {
struct EmitBinaries : public codegen::impl::EmitBinariesBase<EmitBinaries> {
  using EmitBinariesBase::EmitBinariesBase;
  codegen::CompileProgress progress;

  void runOnOperation() override {
    plan::ProgramOp program = getOperation();
    FailureOr<const codegen::TargetBackend *> backend = codegen::targetOf(program);
    if (failed(backend))
      return signalPassFailure();
    codegen::CompileOptions options{architectures, numThreads, progress};
    if (failed((*backend)->checkPlan(program, architectures)))
      return signalPassFailure();
    FailureOr<std::vector<codegen::KernelBinary>> binaries = (*backend)->compile(program, options);
    if (failed(binaries))
      return signalPassFailure();
    OpBuilder builder = OpBuilder::atBlockEnd(
        program.getBody().empty() ? &program.getBody().emplaceBlock() : &program.getBody().front());
    for (const codegen::KernelBinary &binary : *binaries)
      addBinary(builder, binary);
    (*backend)->settle(program);
    if (program->hasAttr(plan::kModulesAttrName) && failed(countModules(**backend)))
      signalPassFailure();
  }

  /// What was reserved for code on a device is known now.
  LogicalResult countModules(const codegen::TargetBackend &backend) {
    plan::ProgramOp program = getOperation();
    FailureOr<codegen::CodeTable> code = backend.codeTable(program);
    if (failed(code) || !code->gpu)
      return failure();
    Builder builder(&getContext());
    program->setAttr(plan::kModulesAttrName, builder.getI64IntegerAttr(static_cast<int64_t>(code->gpu->modulesBytes)));
    program->setAttr(plan::kCudaVersionAttrName, builder.getI64IntegerAttr(code->gpu->cudaVersion));
    return success();
  }
};
} // namespace

std::unique_ptr<Pass> codegen::createEmitBinaries(CompileOptions options) {
  EmitBinariesOptions passOptions;
  passOptions.architectures = options.architectures;
  passOptions.numThreads = options.numThreads;
  auto pass = std::make_unique<EmitBinaries>(passOptions);
  pass->progress = std::move(options.progress);
  return pass;
}

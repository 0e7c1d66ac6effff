//===- VerifyBinaries.cpp - gate of phase binaries ------------------------===//
//
// Checks completeness (every kernel at every architecture, once) here and each binary's contents
// through its target.
//
//===----------------------------------------------------------------------===//
#include "codegen/Passes.h"
#include "codegen/TargetRegistry.h"
#include "llvm/ADT/SetVector.h"

namespace stoop::codegen {
#define GEN_PASS_DEF_VERIFYBINARIES
#include "codegen/Passes.h.inc"
} // namespace stoop::codegen

using namespace mlir;
using namespace stoop;

namespace {
struct VerifyBinaries : public codegen::impl::VerifyBinariesBase<VerifyBinaries> {
  using VerifyBinariesBase::VerifyBinariesBase;

  /// Each kernel that `binary` names exists and has no other binary of this level.
  LogicalResult collect(plan::BinaryOp binary) {
    if (binary.getKernels().empty() && !binary->hasAttr("role"))
      return binary.emitOpError("names no kernel");
    for (Attribute attribute : binary.getKernels()) {
      auto symbol = dyn_cast<FlatSymbolRefAttr>(attribute);
      if (!symbol || !SymbolTable::lookupSymbolIn(getOperation(), symbol))
        return binary.emitOpError() << "names no kernel of the program: " << attribute;
      auto [it, isNew] = seen.insert({{symbol.getAttr(), binary.getLevelAttr()}, binary});
      if (isNew)
        continue;
      InFlightDiagnostic error = binary.emitOpError() << "is a second binary of " << symbol
                                                      << " for level " << binary.getLevelAttr();
      error.attachNote(it->second.getLoc()) << "the first is here";
      return error;
    }
    levels.insert(binary.getLevelAttr());
    return success();
  }

  LogicalResult check() {
    plan::ProgramOp program = getOperation();
    FailureOr<const codegen::TargetBackend *> backend = codegen::targetOf(program);
    if (failed(backend))
      return failure();
    for (auto binary : program.getOps<plan::BinaryOp>())
      if (failed(collect(binary)) || failed((*backend)->verifyBinary(binary)))
        return failure();
    for (auto kernel : program.getOps<plan::KernelOp>()) {
      if (levels.empty())
        return kernel.emitOpError("has no binary; the program has none at all");
      for (StringAttr level : levels)
        if (!seen.count({kernel.getSymNameAttr(), level}))
          return kernel.emitOpError() << "has no binary for level " << level;
    }
    return success();
  }

  void runOnOperation() override {
    seen.clear();
    levels.clear();
    if (failed(check()))
      signalPassFailure();
    markAllAnalysesPreserved();
  }

  DenseMap<std::pair<StringAttr, StringAttr>, plan::BinaryOp> seen;
  llvm::SetVector<StringAttr> levels;
};
} // namespace

//===- FusionRemarks.cpp - fusion decisions as remarks -------------------===//
//
// One wording for all fusion passes. The function of a remark is the entry, its location the model
// path.
//
//===----------------------------------------------------------------------===//
#include "passes/fusion/FusionRemarks.h"

#include "ir/lm/LmOps.h"

#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace stoop::fusion {

static remark::RemarkOpts options(Operation *op, llvm::StringRef pass) {
  auto entry = op->getParentOfType<lm::EntryOp>();
  return remark::RemarkOpts::name(pass).category("fusion").function(entry ? entry.getSymName()
                                                                          : llvm::StringRef());
}

void remarkPassed(Operation *op, llvm::StringRef pass, llvm::StringRef kind) {
  remark::passed(op->getLoc(), options(op, pass))
      << remark::metric("op", op->getName().getStringRef()) << remark::metric("kind", kind);
}

void remarkMissed(Operation *op, llvm::StringRef pass, llvm::StringRef reason) {
  remark::missed(op->getLoc(), options(op, pass))
      << remark::metric("op", op->getName().getStringRef()) << remark::reason("{0}", reason);
}

} // namespace stoop::fusion

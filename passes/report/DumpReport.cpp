//===- DumpReport.cpp - plan-dump-report ---------------------------------===//
#include "passes/report/Passes.h"
#include "passes/report/ProgramReport.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/ToolOutputFile.h"

namespace stoop::report {
#define GEN_PASS_DEF_DUMPREPORT
#include "passes/report/Passes.h.inc"
} // namespace stoop::report

using namespace mlir;
using namespace stoop;

namespace {
struct DumpReport : report::impl::DumpReportBase<DumpReport> {
  using DumpReportBase::DumpReportBase;

  void runOnOperation() override {
    if (format != "json") {
      getOperation().emitError() << "a report has no format '" << format.getValue()
                                 << "', only json";
      return signalPassFailure();
    }
    std::string message;
    std::unique_ptr<llvm::ToolOutputFile> file = openOutputFile(output, &message);
    if (!file) {
      getOperation().emitError() << message;
      return signalPassFailure();
    }
    for (plan::ProgramOp program : getOperation().getOps<plan::ProgramOp>())
      file->os() << llvm::formatv(
          "{0:2}\n", llvm::json::Value(report::toJson(report::collectReport(program))));
    file->keep();
    markAllAnalysesPreserved();
  }
};
} // namespace

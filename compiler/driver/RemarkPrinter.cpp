//===- RemarkPrinter.cpp - the passes' remarks on standard error ----------===//
#include "compiler/driver/RemarkPrinter.h"

#include "compiler/driver/Session.h"
#include "compiler/inspect/Text.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Regex.h"

#include <set>

using namespace mlir;

namespace stoop::driver {

namespace {
class Printer : public remark::detail::MLIRRemarkStreamerBase {
public:
  explicit Printer(std::string filter) : filter(std::move(filter)) {}

  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    ++count;
    std::string facts;
    for (const remark::detail::Remark::Arg &arg : remark.getArgs())
      facts += " " + llvm::StringRef(arg.key).lower() + "=" +
               (llvm::StringRef(arg.val).contains(' ') ? "\"" + arg.val + "\"" : arg.val);
    bool hasEntry = !remark.getFunction().empty() && !remark.getFunction().starts_with("<unknown");
    std::string place = describeLocation(remark.getLocation());
    std::string text = llvm::formatv("{0} {1} {2} [{3}{4}{5}]{6}", remark.getCombinedCategoryName(),
                                     verdictOf(remark), place, remark.getRemarkName(),
                                     hasEntry ? ", " : "", hasEntry ? remark.getFunction() : "", facts);
    llvm::errs() << "stoop: remark: " << inspect::printable(text) << "\n";
  }

  void finalize() override {
    if (count == 0)
      llvm::errs() << "stoop: warning: --remarks-filter " << filter
                   << " matched no remark; categories: fusion, schedule, memory\n";
  }

private:
  static llvm::StringRef verdictOf(const remark::detail::Remark &remark) {
    switch (remark.getRemarkType()) {
    case llvm::remarks::Type::Passed:
      return "passed";
    case llvm::remarks::Type::Missed:
      return "missed";
    case llvm::remarks::Type::Failure:
      return "failed";
    default:
      return "note";
    }
  }

  std::string filter;
  size_t count = 0;
};
} // namespace

LogicalResult printRemarks(MLIRContext &context, const std::string &filter, std::string &message) {
  if (!llvm::Regex(filter).isValid(message))
    return failure();
  remark::RemarkCategories categories;
  categories.passed = categories.missed = categories.analysis = categories.failed = filter;
  return remark::enableOptimizationRemarks(context, std::make_unique<Printer>(filter),
                                           std::make_unique<remark::RemarkEmittingPolicyAll>(),
                                           categories);
}

} // namespace stoop::driver

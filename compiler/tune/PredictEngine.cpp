//===- PredictEngine.cpp - a ranking where no GPU is ----------------------===//
#include "compiler/tune/PredictEngine.h"

#include "compiler/tune/GpuCode.h"
#include "llvm/Support/ErrorHandling.h"
#include <cmath>

using namespace mlir;

namespace stoop::tune {

void PredictEngine::compile(std::vector<Candidate> &candidates, plan::KernelOp kernel) {
  compileForGpu(candidates, kernel, architecture, jobs);
}

llvm::Error PredictEngine::run(const Code &, Workload &, uint32_t) {
  llvm_unreachable("nothing runs where no GPU is");
}

llvm::Error PredictEngine::prepare(llvm::ArrayRef<const Candidate *>, plan::LaunchOp of) {
  launch = of;
  return llvm::Error::success();
}

llvm::Expected<uint64_t> PredictEngine::time(const Candidate &candidate, Workload *, uint32_t) {
  auto entry = launch->getParentOfType<plan::EntryOp>();
  auto kernel = entry->getParentOfType<plan::ProgramOp>().lookupSymbol<plan::KernelOp>(launch.getKernel());
  const auto &code = static_cast<const GpuCode &>(*candidate.code);
  int64_t sequences = entry.getKind() == plan::EntryKind::Decode ? entry.getRows() : 1;
  Attribute before = kernel->getAttr(plan::kGeometryAttrName);
  double seconds = 0;
  withSchedule(kernel, candidate.tunables, [&] {
    kernel->setAttr(plan::kGeometryAttrName, code.geometry);
    seconds = report::predictLaunch(kernel, gpu, sequences, code.registers);
  });
  kernel->setAttr(plan::kGeometryAttrName, before);
  return static_cast<uint64_t>(std::llround(seconds * 1e9));
}

} // namespace stoop::tune

//===- OverlapLaunches.cpp - which launches start early -------------------===//
//
// By what the plan knows: threads and dynamic shared memory. Code generation corrects it when the code is there.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/Passes.h"

#include "ir/plan/Overlap.h"

#include "mlir/IR/BuiltinOps.h"

namespace stoop::planning {
#define GEN_PASS_DEF_OVERLAPLAUNCHES
#include "passes/planning/Passes.h.inc"
} // namespace stoop::planning

using namespace mlir;
using namespace stoop;

static plan::GeometryAttr geometryOf(plan::KernelOp kernel) {
  return kernel->getAttrOfType<plan::GeometryAttr>(plan::kGeometryAttrName);
}

namespace {
struct OverlapLaunches : planning::impl::OverlapLaunchesBase<OverlapLaunches> {
  void runOnOperation() override {
    for (auto program : getOperation().getOps<plan::ProgramOp>()) {
      for (auto kernel : program.getOps<plan::KernelOp>())
        if (geometryOf(kernel))
          kernel->setAttr(plan::kStartsEarlyAttrName, UnitAttr::get(&getContext()));
      plan::separateLaunches(program, [](plan::KernelOp kernel) {
        plan::GeometryAttr geometry = geometryOf(kernel);
        return geometry ? plan::BlockNeeds{geometry.getThreads(), geometry.getShared() + plan::kSystemSharedBytes} : plan::BlockNeeds{};
      });
    }
  }
};
} // namespace

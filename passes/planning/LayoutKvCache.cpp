//===- LayoutKvCache.cpp - places of the persistent buffers --------------===//
//
// One place per index, the same in all entries: what prefill writes is what decode reads.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/Passes.h"
#include "passes/planning/Places.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/MathExtras.h"

#include <map>

namespace stoop::planning {
#define GEN_PASS_DEF_LAYOUTKVCACHE
#include "passes/planning/Passes.h.inc"
} // namespace stoop::planning

using namespace mlir;
using namespace stoop;

/// A page: large arenas are mapped as a whole.
static constexpr int64_t kKvArenaAlign = 4096;

namespace {
struct LayoutKvCache : planning::impl::LayoutKvCacheBase<LayoutKvCache> {
  void runOnOperation() override {
    for (plan::ProgramOp program : getOperation().getOps<plan::ProgramOp>())
      if (failed(layoutProgram(program)))
        return signalPassFailure();
  }

  LogicalResult layoutProgram(plan::ProgramOp program) {
    std::map<int64_t, SmallVector<plan::AllocOp>> byIndex;
    program.walk([&](plan::AllocOp alloc) {
      if (alloc.getLifetime() == plan::Lifetime::Persistent)
        byIndex[*alloc.getIndex()].push_back(alloc);
    });
    int64_t offset = 0;
    for (auto &[index, allocs] : byIndex) {
      int64_t size = allocs.front().getSize();
      offset = llvm::alignTo(offset, planning::kBufferAlign);
      for (plan::AllocOp alloc : allocs) {
        if (int64_t(alloc.getSize()) != size)
          return alloc.emitOpError() << "of index " << index << " has " << alloc.getSize()
                                     << " bytes here and " << size << " bytes elsewhere";
        planning::placeBuffer(alloc, "kv", offset, size);
      }
      offset += size;
    }
    planning::addArena(program, "kv", offset, kKvArenaAlign, plan::Lifetime::Persistent);
    return success();
  }
};
} // namespace

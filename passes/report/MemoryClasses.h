//===- MemoryClasses.h - what a program takes, by class ------------------===//
//
// The memory contract as data: the runtime takes kv, activations and io, a workspace per thread and
// a stack per thread but one, and reports their sum as allocated_bytes. Weights and code are mapped
// from the file. On a device all of it lies in the device's memory, weights too, there is one
// workspace, and the driver is expected to take more for modules and graphs; the code stays with the host.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_REPORT_MEMORYCLASSES_H
#define STOOP_PASSES_REPORT_MEMORYCLASSES_H

#include "ir/plan/PlanOps.h"

#include "llvm/Support/JSON.h"
#include <optional>

namespace stoop::report {

/// Bytes of a program in phase planned or behind it.
struct MemoryClasses {
  int64_t weights = 0, kv = 0, activations = 0, io = 0; ///< all arenas of a lifetime
  int64_t workspace = 0;                                ///< of each thread, or of the device
  int64_t stack = 0;                                    ///< of each thread but the first; 0: a device
  int64_t modules = 0, graphs = 0;                      ///< of a device's driver: a prediction

  static MemoryClasses of(plan::ProgramOp program);
  /// Of a report that obeys its schema; none if it has no classes.
  static std::optional<MemoryClasses> of(const llvm::json::Array &classes);

  bool isPerThread() const { return stack != 0; }
  /// Workspaces and stacks of that many threads (at least 1).
  int64_t workspaces(int64_t threads) const { return workspace * (isPerThread() ? threads : 1); }
  int64_t stacks(int64_t threads) const { return stack * (threads - 1); }
  /// Everything but the code.
  int64_t total(int64_t threads) const {
    return weights + kv + activations + io + workspaces(threads) + stacks(threads) + modules + graphs;
  }
};

/// [{class, bytes or bytes_per_thread}], always all of them; the code has no bytes before it is linked.
llvm::json::Array toJson(const MemoryClasses &classes);

} // namespace stoop::report

#endif // STOOP_PASSES_REPORT_MEMORYCLASSES_H

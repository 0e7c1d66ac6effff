//===- MemoryClasses.h - what a program takes, by class ------------------===//
//
// The memory contract as data: the runtime takes kv, activations and io, a workspace per thread and
// a stack per thread but one, and reports their sum as allocated_bytes. Weights and code are mapped
// from the file.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_REPORT_MEMORYCLASSES_H
#define STOOP_PASSES_REPORT_MEMORYCLASSES_H

#include "ir/plan/PlanOps.h"

#include "llvm/Support/JSON.h"

namespace stoop::report {

/// Bytes of a program in phase planned or behind it.
struct MemoryClasses {
  int64_t weights = 0, kv = 0, activations = 0, io = 0; ///< all arenas of a lifetime
  int64_t workspace = 0;                                ///< of each thread
  int64_t stack = 0;                                    ///< of each thread but the first

  static MemoryClasses of(plan::ProgramOp program);

  /// What the program allocates with that many threads (at least 1): allocated_bytes.
  int64_t allocated(int64_t threads) const {
    return kv + activations + io + threads * workspace + (threads - 1) * stack;
  }
};

/// [{class, bytes or bytes_per_thread}]; the code has no bytes before it is linked.
llvm::json::Array toJson(const MemoryClasses &classes);

} // namespace stoop::report

#endif // STOOP_PASSES_REPORT_MEMORYCLASSES_H

//===- Overlap.h - launches that start before the one in front ends -*- C++ -*-===//
//
// On GPUs whose kernels wait for the launch in front themselves (compute capability 9.0 and newer), a launch may start while
// that one still runs, and ask for its weights. That gains most where a block of each fits a multiprocessor together: in a
// decode step, whose launches have one block a multiprocessor, planning asks for it.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_IR_PLAN_OVERLAP_H
#define STOOP_IR_PLAN_OVERLAP_H

#include "ir/plan/PlanOps.h"

#include <string>

namespace stoop::plan {

/// What a block takes of a multiprocessor.
struct BlockNeeds {
  int64_t threads = 0;
  int64_t sharedBytes = 0; ///< with the system's own, kSystemSharedBytes
  int64_t registers = 0;   ///< of a thread; 0: not known yet
};

/// Compute capability (times 10) of the multiprocessors that blocks are to share. Larger ones may have less shared memory: there
/// a launch starts as early as it finds room.
inline constexpr unsigned kOverlapCapability = 90;

/// Shared memory that the system takes of each block.
inline constexpr int64_t kSystemSharedBytes = 1 << 10;

/// Threads and registers of a multiprocessor, of compute capability 8.0 and 9.0.
inline constexpr int64_t kMultiprocessorThreads = 2048, kMultiprocessorRegisters = 64 << 10;

/// What a block of each take together that a multiprocessor of compute capability 9.0 does not have, in words; empty: nothing.
std::string whyNotTogether(const BlockNeeds &first, const BlockNeeds &second);

/// Takes kStartsEarlyAttrName from kernels of decode entries whose blocks do not fit a multiprocessor together with those of
/// a launch right in front of theirs, and notes why.
void separateLaunches(ProgramOp program, llvm::function_ref<BlockNeeds(KernelOp)> needs);

} // namespace stoop::plan

#endif // STOOP_IR_PLAN_OVERLAP_H

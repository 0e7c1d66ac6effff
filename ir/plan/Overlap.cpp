//===- Overlap.cpp - launches that start before the one in front ends -----===//
//
// Limits: CUDA C++ Programming Guide, table of technical specifications, compute capability 9.0. A thread's registers are
// given in eights. Of the 228 KiB of shared memory 227 count: what one block may have.
//
//===----------------------------------------------------------------------===//
#include "ir/plan/Overlap.h"

#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace stoop;

static constexpr int64_t kSharedBytes = 227 << 10, kRegisterUnit = 8;

std::string plan::whyNotTogether(const BlockNeeds &first, const BlockNeeds &second) {
  auto exceeds = [](int64_t needed, int64_t limit, const char *what) {
    return std::to_string(needed) + " " + what + ", and a multiprocessor of compute capability 9.0 has " + std::to_string(limit);
  };
  auto registersOf = [](const BlockNeeds &block) {
    return static_cast<int64_t>(llvm::alignTo(block.registers, kRegisterUnit)) * block.threads;
  };
  if (int64_t threads = first.threads + second.threads; threads > kMultiprocessorThreads)
    return exceeds(threads, kMultiprocessorThreads, "threads");
  if (int64_t bytes = first.sharedBytes + second.sharedBytes; bytes > kSharedBytes)
    return exceeds(bytes, kSharedBytes, "bytes of shared memory");
  if (int64_t registers = registersOf(first) + registersOf(second); registers > kMultiprocessorRegisters)
    return exceeds(registers, kMultiprocessorRegisters, "registers");
  return "";
}

void plan::separateLaunches(ProgramOp program, llvm::function_ref<BlockNeeds(KernelOp)> needs) {
  SymbolTable symbols(program);
  llvm::DenseSet<std::pair<Operation *, Operation *>> seen;
  for (auto entry : program.getOps<EntryOp>()) {
    if (entry.getKind() != EntryKind::Decode)
      continue;
    KernelOp before;
    for (auto launch : entry.getOps<LaunchOp>()) {
      auto kernel = symbols.lookup<KernelOp>(launch.getKernel());
      if (before && kernel->hasAttr(kStartsEarlyAttrName) && seen.insert({before, kernel}).second) {
        std::string reason = whyNotTogether(needs(before), needs(kernel));
        if (!reason.empty()) {
          kernel->removeAttr(kStartsEarlyAttrName);
          kernel->setAttr(kStartsLateAttrName,
                          StringAttr::get(program->getContext(), "a block of '" + before.getSymName() + "', in front of it in " +
                                                                     entry.getSymName() + ", and one of its own take " + reason));
        }
      }
      before = kernel;
    }
  }
}

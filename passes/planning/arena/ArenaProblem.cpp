//===- ArenaProblem.cpp - checks, lower bound and solver table -----------===//
//
// The checker: plain loops over all pairs, sharing no code with the solvers that it judges.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/arena/ArenaProblem.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <limits>
#include <map>

namespace stoop::arena {

template <typename... Args> static llvm::Error failure(const char *format, Args... args) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), format, args...);
}

llvm::Error Problem::check() const {
  for (size_t i = 0; i < buffers.size(); ++i) {
    const Buffer &buffer = buffers[i];
    if (buffer.size == 0)
      return failure("buffer %zu is empty", i);
    if (!llvm::isPowerOf2_64(buffer.align))
      return failure("buffer %zu: alignment %llu is no power of two", i,
                     (unsigned long long)buffer.align);
    if (buffer.lastUse < buffer.firstUse)
      return failure("buffer %zu is last used in step %u, before its first use in step %u", i,
                     buffer.lastUse, buffer.firstUse);
  }
  return llvm::Error::success();
}

llvm::Error Problem::verify(const Placement &placement) const {
  if (placement.offsets.size() != buffers.size())
    return failure("%zu offsets for %zu buffers", placement.offsets.size(), buffers.size());
  for (size_t i = 0; i < buffers.size(); ++i) {
    uint64_t begin = placement.offsets[i];
    if (begin % buffers[i].align != 0)
      return failure("buffer %zu: offset %llu is not aligned to %llu", i, (unsigned long long)begin,
                     (unsigned long long)buffers[i].align);
    if (begin > placement.size || buffers[i].size > placement.size - begin)
      return failure("buffer %zu: [%llu, +%llu) ends outside of the arena's %llu bytes", i,
                     (unsigned long long)begin, (unsigned long long)buffers[i].size,
                     (unsigned long long)placement.size);
  }
  for (size_t i = 0; i < buffers.size(); ++i)
    for (size_t j = i + 1; j < buffers.size(); ++j) {
      const Buffer &a = buffers[i], &b = buffers[j];
      bool sameTime = !(a.lastUse < b.firstUse || b.lastUse < a.firstUse);
      bool samePlace = placement.offsets[i] < placement.offsets[j] + b.size &&
                       placement.offsets[j] < placement.offsets[i] + a.size;
      if (sameTime && samePlace)
        return failure("buffers %zu and %zu overlap at offsets %llu and %llu while both are live",
                       i, j, (unsigned long long)placement.offsets[i],
                       (unsigned long long)placement.offsets[j]);
    }
  return llvm::Error::success();
}

uint64_t livenessLowerBound(const Problem &problem) {
  // Live bytes change only where a buffer begins or has ended: sweep over these steps.
  std::map<uint64_t, int64_t> change;
  for (const Buffer &buffer : problem.buffers) {
    change[buffer.firstUse] += int64_t(buffer.size);
    change[uint64_t(buffer.lastUse) + 1] -= int64_t(buffer.size);
  }
  int64_t live = 0, peak = 0;
  for (auto [step, delta] : change)
    peak = std::max(peak, live += delta);
  return uint64_t(peak);
}

llvm::ArrayRef<SolverInfo> allSolvers() {
  static const SolverInfo table[] = {
#define STOOP_ARENA_SOLVER(NAME, FUNCTION) {NAME, FUNCTION},
#include "passes/planning/arena/Solvers.def"
  };
  return table;
}

llvm::ArrayRef<SolverInfo> findSolvers(llvm::StringRef name) {
  if (name == "all")
    return allSolvers();
  return allSolvers()
      .drop_until([&](const SolverInfo &info) { return info.name == name; })
      .take_front(1);
}

} // namespace stoop::arena

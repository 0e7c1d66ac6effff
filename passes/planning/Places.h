//===- Places.h - what the placing passes share --------------------------===//
#ifndef STOOP_PASSES_PLANNING_PLACES_H
#define STOOP_PASSES_PLANNING_PLACES_H

#include "ir/plan/PlanOps.h"

namespace stoop::planning {

/// Every buffer begins at a cache line.
inline constexpr int64_t kBufferAlign = 64;

/// Adds an arena behind the program's other arenas, in front of everything else.
plan::ArenaOp addArena(plan::ProgramOp program, llvm::StringRef name, int64_t size, int64_t align,
                       plan::Lifetime lifetime);

/// Replaces a buffer by bytes [offset, offset + size) of an arena, and its subviews by views of
/// them.
void placeBuffer(mlir::Operation *buffer, llvm::StringRef arena, int64_t offset, int64_t size);

} // namespace stoop::planning

#endif // STOOP_PASSES_PLANNING_PLACES_H

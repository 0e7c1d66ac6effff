//===- LmAttrNames.h - discardable attributes of lm --------------*- C++ -*-===//
#ifndef STOOP_IR_LM_LMATTRNAMES_H
#define STOOP_IR_LM_LMATTRNAMES_H

#include "llvm/ADT/StringRef.h"

namespace stoop::lm {

/// On an lm.fused: why its first op is not in the region in front of it.
inline constexpr llvm::StringLiteral kMissedAttrName = "lm.missed";

} // namespace stoop::lm

#endif // STOOP_IR_LM_LMATTRNAMES_H

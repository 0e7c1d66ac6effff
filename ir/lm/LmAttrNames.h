//===- LmAttrNames.h - discardable attributes of lm --------------*- C++ -*-===//
#ifndef STOOP_IR_LM_LMATTRNAMES_H
#define STOOP_IR_LM_LMATTRNAMES_H

#include "llvm/ADT/StringRef.h"

namespace stoop::lm {

/// On an lm.entry behind the fusion passes: the verdict on every pair of ops that could have shared
/// a launch, an array of dictionaries (lm-log-fusion). Planning collects it as `fusion_log` of the
/// program.
inline constexpr llvm::StringLiteral kFusionLogAttrName = "lm.fusion_log";

} // namespace stoop::lm

#endif // STOOP_IR_LM_LMATTRNAMES_H

//===- LmAttrNames.h - discardable attributes of lm --------------*- C++ -*-===//
#ifndef STOOP_IR_LM_LMATTRNAMES_H
#define STOOP_IR_LM_LMATTRNAMES_H

#include "llvm/ADT/StringRef.h"

namespace stoop::lm {

/// On an lm.entry behind the fusion passes: the verdict on every pair of ops that could have shared
/// a launch, an array of dictionaries (lm-log-fusion). Planning collects it as `fusion_log` of the
/// program.
inline constexpr llvm::StringLiteral kFusionLogAttrName = "lm.fusion_log";

/// On an lm.weight whose sources are the tensors of already quantised matrices (codes, zeros and
/// scales of each): "gptq", "gptq_v2" or "awq". Formulas: codegen/quant/Stored.h.
inline constexpr llvm::StringLiteral kStoredFormAttrName = "lm.stored_form";

/// On an lm.weight in integers: an lm.inputs, what rounding may expect to meet (codegen/quant/Anticipate.h).
inline constexpr llvm::StringLiteral kInputsAttrName = "lm.inputs";

} // namespace stoop::lm

#endif // STOOP_IR_LM_LMATTRNAMES_H

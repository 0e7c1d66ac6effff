//===- Why.h - one op's story -----------------------------------*- C++ -*-===//
//
// Answers "why is this op fused, or why not, and what would it cost?" from a report.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_INSPECT_WHY_H
#define STOOP_COMPILER_INSPECT_WHY_H

#include "compiler/inspect/Json.h"
#include "compiler/inspect/Text.h"

namespace stoop::inspect {

/// The answer for `query`: a path of the IR ("layers.3.attn.out"), a module or tensor of the
/// checkpoint ("transformer.h.3.self_attention.dense"), with a number, `*` or nothing for the
/// layer, a part of the model ("layers.3.mlp"), or an op ("lm.attention"). JSON: `query` and `ops`,
/// each with `op`, `path`, `tensors` and per entry its launch, the ops beside it and its edges.
/// Errors: nothing has that name; the message suggests the nearest.
llvm::Expected<json::Object> explain(const json::Object &report, const std::string &query);

/// Prints an answer in a few lines per op; entries that say the same are named together.
void printExplanation(const json::Object &answer, const TextOutput &out);

} // namespace stoop::inspect

#endif

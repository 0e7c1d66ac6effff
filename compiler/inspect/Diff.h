//===- Diff.h - what differs between two reports -----------------*- C++ -*-===//
#ifndef STOOP_COMPILER_INSPECT_DIFF_H
#define STOOP_COMPILER_INSPECT_DIFF_H

#include "compiler/inspect/Json.h"
#include "compiler/inspect/Text.h"

namespace stoop::inspect {

/// All differences, most important first: launches, kernels, memory, fusion, options, then target,
/// model, ledger and provenance. Each is {section, what, a, b}; `a` or `b` is null where a report
/// has nothing of the kind, and a number on both sides where amounts differ, with the rounded
/// `percent` of that change. Of launches and steps `a` and `b` are objects of the fields that
/// differ. Fusions that were lost come before other verdicts.
json::Array diffReports(const json::Object &a, const json::Object &b);

/// Prints differences, at most `limit` of each section.
void printDiff(const json::Array &differences, size_t limit, const TextOutput &out);

} // namespace stoop::inspect

#endif

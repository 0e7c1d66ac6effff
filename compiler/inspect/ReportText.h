//===- ReportText.h - a report for people -----------------------*- C++ -*-===//
#ifndef STOOP_COMPILER_INSPECT_REPORTTEXT_H
#define STOOP_COMPILER_INSPECT_REPORTTEXT_H

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

namespace stoop::inspect {

/// Prints a report (the schema of `inspect --format json`) as text. Sections that the report lacks
/// are left out, so that reports of older programs print as well. `verbose` adds long lists.
void printReport(const llvm::json::Object &report, bool verbose, llvm::raw_ostream &out);

} // namespace stoop::inspect

#endif

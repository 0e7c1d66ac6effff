//===- ReportText.h - a report for people -----------------------*- C++ -*-===//
#ifndef STOOP_COMPILER_INSPECT_REPORTTEXT_H
#define STOOP_COMPILER_INSPECT_REPORTTEXT_H

#include "compiler/inspect/Json.h"
#include "compiler/inspect/Text.h"

namespace stoop::inspect {

/// Names that printSections() takes, in the order of a report.
llvm::ArrayRef<llvm::StringRef> sectionNames();

/// Prints what matters of a report (the schema of `inspect --format json`) in at most 60 lines.
void printSummary(const json::Object &report, const TextOutput &out);

/// Prints sections in full; "all": every one.
void printSections(const json::Object &report, llvm::ArrayRef<std::string> sections,
                   const TextOutput &out);

} // namespace stoop::inspect

#endif

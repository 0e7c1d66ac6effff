//===- Html.h - a report as one offline page ---------------------*- C++ -*-===//
#ifndef STOOP_COMPILER_INSPECT_HTML_H
#define STOOP_COMPILER_INSPECT_HTML_H

#include "compiler/inspect/Json.h"
#include "llvm/Support/raw_ostream.h"

namespace stoop::inspect {

/// Writes a page that shows `report`; with `base` also what changed from there. The page holds its
/// style, its script and the reports as JSON, and asks for nothing.
void writeHtml(const json::Object &report, const json::Object *base, llvm::raw_ostream &out);

} // namespace stoop::inspect

#endif

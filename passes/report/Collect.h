//===- Collect.h - the parts of collectReport() -----------------*- C++ -*-===//
//
// Each function fills its section from the IR; collectReport() calls them in order.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_REPORT_COLLECT_H
#define STOOP_PASSES_REPORT_COLLECT_H

#include "passes/report/ProgramReport.h"

namespace stoop::report {

/// The op with most work in a region's body; the first if none has any.
mlir::Operation *mainOp(mlir::Block &body);

/// Sequences that a step of the entry serves: its rows if it decodes, else one.
int64_t sequencesOf(plan::EntryOp entry);

/// What a launch of a kernel's body at least moves and computes for `sequences` sequences whose last
/// rows end at the full context; no time yet.
Cost costOf(mlir::Block &body, int64_t sequences);

/// Kernels with costs; needs `machine`.
void collectKernels(plan::ProgramOp program, ProgramReport &report);

/// Entries with launches, costs and groups of identical layers; needs `kernels`, whose counts and
/// paths it fills in.
void collectEntries(plan::ProgramOp program, ProgramReport &report);

/// The arenas of `entry` whose buffers come and go.
std::vector<MemoryMap> collectMaps(plan::EntryOp entry);

/// The verdicts that the fusion passes left on the program.
void collectFusion(plan::ProgramOp program, ProgramReport &report);

} // namespace stoop::report

#endif // STOOP_PASSES_REPORT_COLLECT_H

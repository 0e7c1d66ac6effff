//===- ProgramReport.h - what a program is and needs ---------------------===//
//
// Collected from plan IR alone, so the report of a module, of a dump read back and of a finished
// program agree. No printing here: toJson() is what commands print and what the packager stores as
// manifest.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_REPORT_PROGRAMREPORT_H
#define STOOP_PASSES_REPORT_PROGRAMREPORT_H

#include "ir/plan/PlanOps.h"

#include "llvm/Support/JSON.h"

#include <string>
#include <vector>

namespace stoop::report {

/// Grows when a key changes its meaning; new keys do not count.
inline constexpr int64_t kSchemaVersion = 1;

struct ArenaReport {
  std::string name;
  int64_t bytes;
  std::string lifetime; ///< constant, persistent, transient, io
};

struct EntryReport {
  std::string name, kind;
  int64_t rows;             ///< most tokens of a step
  int64_t launches;         ///< of a step
  int64_t launchesPerLayer; ///< of those, the ones that repeat with every layer
};

struct KernelReport {
  std::string name, templateName;
  std::string scheduleSource; ///< heuristic, tuned, forced
  mlir::DictionaryAttr tunables;
  std::vector<std::string> ops; ///< of its body, in order
  int64_t launches = 0;         ///< in all entries together
  int64_t bytes = 0;            ///< read and written by one launch with all rows and a full context
  int64_t flops = 0;            ///< of one launch with all rows and a full context
};

/// Ops that ride behind an anchor, and how often.
struct FusionPassed {
  std::string anchor;
  std::vector<std::string> ops;
  int64_t count = 0;
};

/// An op that got a launch of its own, why, how often, and where first.
struct FusionMissed {
  std::string op, reason, example;
  int64_t count = 0;
};

struct ProgramReport {
  mlir::DictionaryAttr model; ///< dimensions, sampling defaults, …: the program's metadata without
                              ///< the sections below
  mlir::DictionaryAttr options; ///< what the user chose; may be null
  mlir::DictionaryAttr ledger;  ///< fate of config keys and tensors; may be null
  mlir::ArrayAttr warnings;     ///< of the import; may be null
  std::string target;
  std::vector<std::string> levels; ///< that binaries exist for; none before phase binaries
  std::vector<ArenaReport> arenas;
  int64_t totalBytes = 0;      ///< of all arenas
  int64_t kvBytesPerToken = 0; ///< of one sequence
  std::vector<EntryReport> entries;
  std::vector<KernelReport> kernels;
  std::vector<FusionPassed> passed;
  std::vector<FusionMissed> missed;
};

/// Collects the report of a program in phase planned or behind it.
ProgramReport collectReport(plan::ProgramOp program);

/// The schema of `info --json`, `plan --json` and `inspect --format json`.
llvm::json::Object toJson(const ProgramReport &report);

} // namespace stoop::report

#endif // STOOP_PASSES_REPORT_PROGRAMREPORT_H

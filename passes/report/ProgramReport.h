//===- ProgramReport.h - what a program is and needs ------------*- C++ -*-===//
//
// The one model behind text, JSON, HTML and manifest. Collected from plan IR alone, so the reports
// of a module, of a dump read back and of a finished program agree. No printing here: toJson() is
// what everything else renders.
//
// Paths name ops as the importer did ("layers.3.attn.qkv"); where identical layers stand for each
// other the number is `*`.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_REPORT_PROGRAMREPORT_H
#define STOOP_PASSES_REPORT_PROGRAMREPORT_H

#include "passes/report/MemoryClasses.h"

#include "llvm/Support/JSON.h"

#include <optional>
#include <string>
#include <vector>

namespace stoop::report {

/// Grows when a key changes its meaning; new keys do not count.
inline constexpr int64_t kSchemaVersion = 1;

struct ArenaReport {
  std::string name;
  int64_t bytes, align;
  std::string lifetime;          ///< constant, persistent, transient, io
  mlir::DictionaryAttr planning; ///< what else planning noted on it; may be empty
};

/// Bytes and work of something, and what the target's machine needs for it at the least.
struct Cost {
  int64_t bytes = 0; ///< read and written with all rows, the last at the end of the context
  int64_t flops = 0;
  int64_t nanoseconds = 0; ///< predicted: the larger of both below
  bool memoryBound = true; ///< bytes take longer than flops
};

/// An op of a launch.
struct OpReport {
  std::string op, path;
  std::vector<std::string> tensors; ///< checkpoint keys of the weights that it reads
};

struct LaunchReport {
  std::string kernel;
  std::string path; ///< of the op with most work
  std::vector<OpReport> ops;
};

/// Consecutive launches of one layer, and of the layers behind it that do the same.
struct LaunchGroup {
  int64_t firstLayer = -1, lastLayer = -1; ///< both -1: no layer
  std::vector<LaunchReport> launches;

  int64_t count() const { return lastLayer - firstLayer + 1; }
};

/// A buffer of an entry: bytes [offset, offset + bytes) of its arena during launches first..last.
struct BufferReport {
  std::string name; ///< path of the op that writes it, or its role
  int64_t offset, bytes;
  int64_t first, last; ///< inclusive; -1 and the number of launches stand for the host
};

/// One arena as one entry uses it.
struct MemoryMap {
  std::string arena;
  // Of sizes rounded up to the arena's alignment, as buffers are placed.
  int64_t peakBytes = 0;       ///< end of the highest buffer
  int64_t lowerBoundBytes = 0; ///< most bytes live at one launch; no aligned packing is below
  std::string solver;          ///< whose packing was kept; empty if not known
  std::vector<std::pair<std::string, int64_t>> solvers; ///< that were tried, and their peaks
  std::vector<BufferReport> buffers;
};

struct EntryReport {
  std::string name, kind;
  int64_t rows;             ///< most tokens of a step
  int64_t launches;         ///< of a step
  int64_t launchesPerLayer; ///< of those, the ones that repeat with every layer
  int64_t samplingLaunches = 0; ///< besides, the runtime's own on a GPU: the step's tokens, the choice of the next
  int64_t earlyLaunches = 0; ///< of both, those that start before the one in front has ended, where the GPU can do that
  Cost cost;                ///< of a step
  std::vector<LaunchGroup> groups;
  std::vector<MemoryMap> maps;
};

/// What a kernel takes of a GPU, as the code compiled for one level says.
struct CodeReport {
  std::string level;
  mlir::DictionaryAttr resources; ///< registers, static_shared_bytes, local_bytes
};

struct KernelReport {
  std::string name, templateName;
  std::string scheduleSource; ///< heuristic, tuned, predicted, forced
  mlir::DictionaryAttr evidence; ///< of a tuned or predicted one: what was measured or predicted (#plan.schedule); else null
  mlir::DictionaryAttr tunables;
  std::vector<std::string> ops;   ///< of its body, in order
  std::vector<std::string> paths; ///< of the ops with most work, in all launches; layers as `*`
  int64_t rows = 0;               ///< that one launch can take
  int64_t launches = 0;           ///< in all entries together
  std::vector<std::pair<std::string, int64_t>> entries; ///< launches of each entry that has some
  std::string splitUnit;  ///< what is dealt to threads or blocks; empty if not known
  int64_t splitCount = 0; ///< how many of them
  int64_t splitMost = 0;  ///< into how many that is cut when threads outnumber them; 0: it is not
  int64_t splitRowBlocks = 0; ///< blocks of rows that threads share out besides; 0: they do not
  /// By multiprocessors of a GPU: an equal part over the largest.
  std::vector<std::pair<std::string, double>> splitBalance;
  int64_t sharedBytes = 0; ///< that the plan gives a block of a GPU
  /// Of a grid: whether launches start before the one in front has ended, where the GPU can do that, and the bytes of weights
  /// that a block then asks for ahead; or why not.
  std::optional<bool> startsEarly;
  int64_t bytesAhead = 0;
  std::string startsLateReason;
  Cost cost;              ///< of one launch, in the entry where it serves fewest sequences
  std::vector<CodeReport> code; ///< of each level whose code says so, best last
};

/// The verdict on one candidate edge: could its ends share a launch?
struct FusionVerdict {
  bool passed = false;
  std::string entry, pass, producerOp, producerPath, consumerOp, consumerPath;
  int64_t firstLayer = -1, lastLayer = -1; ///< the consumer's, else the producer's; both -1: no layer
  int64_t layerDistance = 0; ///< from the producer's layer to the consumer's, where both lie in one
  int64_t count = 1;
  std::string reason, remedy; ///< missed: the first predicate that failed; what would change it
  int64_t bytes = 0;          ///< traffic of a step that is saved, or still paid
};

/// The machine that predicted times are of.
struct Machine {
  llvm::StringRef name;
  double bytesPerSecond, flopsPerSecond;
};

/// What a GPU is predicted to need for each entry's step: for every launch the time from the end of
/// the one before to its own first bytes, then its bytes or flops at the rates that are in reach.
struct StepPrediction {
  llvm::StringRef machine, source;
  double bytesPerSecond, flopsPerSecond, launchNanoseconds;
  double memoryBytes; ///< that the machine has
  std::vector<int64_t> steps; ///< ns, of each entry in order
};

struct ProgramReport {
  mlir::DictionaryAttr model; ///< dimensions, sampling defaults, …: the program's metadata without
                              ///< the sections below
  mlir::DictionaryAttr options;  ///< what the user chose; may be null
  mlir::DictionaryAttr ledger;   ///< fate of flags, config keys and tensors; may be null
  mlir::ArrayAttr warnings;      ///< of the import; may be null
  mlir::DictionaryAttr planning; ///< what planning noted on the program; may be empty
  std::string target;
  std::vector<std::string> levels; ///< to compile for, or that binaries exist for
  int64_t cudaVersion = 12000;     ///< the least that a driver may support: the runtime's, or what the binaries need
  std::optional<Machine> machine;
  std::vector<StepPrediction> predictions; ///< none but for GPUs
  std::vector<ArenaReport> arenas;
  MemoryClasses classes;
  int64_t totalBytes = 0;      ///< of all arenas
  int64_t kvBytesPerToken = 0; ///< of one sequence
  std::vector<EntryReport> entries;
  std::vector<KernelReport> kernels;
  std::vector<FusionVerdict> fusion;
};

/// Collects the report of a program in phase planned or behind it.
ProgramReport collectReport(plan::ProgramOp program);

/// The schema of `info --json`, `plan --json` and `inspect --format json`: report.schema.json.
llvm::json::Object toJson(const ProgramReport &report);

} // namespace stoop::report

#endif // STOOP_PASSES_REPORT_PROGRAMREPORT_H

//===- TargetInfo.h - what a target can run, as tables -------------------===//
//
// One row per target, feature level and kernel template: facts that schedule selection reads and
// the gate checks. A new target or template is a new row; no pass names one.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_SCHEDULE_TARGETINFO_H
#define STOOP_PASSES_SCHEDULE_TARGETINFO_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>

namespace stoop::schedule {

/// Rows that a tunable is about.
enum class RowRange { Any, Few, Many };

/// An integer that a template leaves open, and its bounds (inclusive).
struct TunableInfo {
  llvm::StringRef name;
  int64_t least, most;
  int64_t step = 1;              ///< values are multiples of it
  RowRange rows = RowRange::Any; ///< regions of other sizes do not have it
  /// Values that a search tries; none: it takes them from the bounds.
  llvm::ArrayRef<int64_t> candidates = {};

  bool holds(int64_t value) const { return value >= least && value <= most && value % step == 0; }
};

/// A kernel template of a target: the kind of region it implements and its tunables.
struct TemplateInfo {
  llvm::StringRef name;
  llvm::StringRef kind;
  llvm::ArrayRef<TunableInfo> tunables;

  const TunableInfo *findTunable(llvm::StringRef name) const;
  /// Whether a region of `rows` rows has the tunable: the CPU's kernels are others for up to
  /// kernels::kGemvRows rows.
  static bool applies(const TunableInfo &tunable, int64_t rows);
  /// Why a schedule with these values is none of this template for `rows` rows; empty if it is one.
  std::string
  whyNot(llvm::ArrayRef<std::pair<llvm::StringRef, int64_t>> values, int64_t rows) const;
};

/// A feature level that kernels are compiled for.
struct LevelInfo {
  llvm::StringRef name;
  int64_t vectorBytes;
};

/// The levels' one name but for the form of their code ("sm_80" of "sm_80.ptx"); empty if they have several.
/// Measurements hold for code of one.
template <typename Names> llvm::StringRef commonLevel(const Names &names) {
  llvm::StringRef common;
  for (llvm::StringRef name : names) {
    name = name.split('.').first;
    if (!common.empty() && common != name)
      return "";
    common = name;
  }
  return common;
}

/// What the target's kernels of kind "linear" can hold beside one linear and a chain of elementwise
/// ops; the grammar is that of lm.fused.
struct FusionInfo {
  /// Names as passes/fusion/FusionLegality.h defines them: "multi_linear", "norm_prologue", ...
  llvm::ArrayRef<llvm::StringRef> capabilities;
  /// Most rows that it pays to map in each thread's prologue, and that one may gather; 0: no limit.
  int64_t maxPrologueRows, maxGatheredRows;
  /// Widths of tiles that hold rotated heads, rising; none: rotations do not care.
  llvm::ArrayRef<int64_t> rotationTiles = {};
  /// Columns of a block that linears leave the next norm's moments of (0: none), and from how many columns on that pays.
  int64_t momentsBlock = 0, leastMomentsColumns = 0;
  /// Rows and columns of the smallest tile of kernels that normalise many rows as they load them; 0: none do.
  int64_t normTileRows = 0, normTileColumns = 0;

  /// All of it as options of stoop-fused-pipeline.
  std::string pipelineOptions() const;
};

/// A target: its levels, lowest first, its templates and what may be fused into them.
struct TargetInfo {
  llvm::StringRef name;
  llvm::ArrayRef<LevelInfo> levels;
  llvm::ArrayRef<TemplateInfo> templates;
  /// Bytes of weights that a core's own cache is sure to keep from one launch to the next; more
  /// come from memory.
  int64_t cachedWeightBytes;
  FusionInfo fusion;
  /// Multiprocessors of the smallest GPU that is aimed at; 0: the target launches no grids.
  int64_t multiprocessors = 0;

  const LevelInfo *findLevel(llvm::StringRef name) const;
  const TemplateInfo *findTemplate(llvm::StringRef name) const;
  /// The template for regions of `kind`, or null.
  const TemplateInfo *templateForKind(llvm::StringRef kind) const;
};

/// The target that has a level called `name`, or null.
const TargetInfo *targetOfLevel(llvm::StringRef name);

/// The target called `name`, or null.
const TargetInfo *findTarget(llvm::StringRef name);

} // namespace stoop::schedule

#endif // STOOP_PASSES_SCHEDULE_TARGETINFO_H

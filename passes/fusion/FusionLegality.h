//===- FusionLegality.h - which ops may share a launch on a target -------===//
//
// The one place that answers "may these two ops share a launch, and if not, why". The fusion passes
// ask it before they merge and the fusion log asks it again about every edge that is left, so that
// the log cannot drift from what was done.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_FUSION_FUSIONLEGALITY_H
#define STOOP_PASSES_FUSION_FUSIONLEGALITY_H

#include "passes/fusion/RegionGraph.h"

namespace stoop::fusion {

/// What a target's kernels of kind "linear" can hold, beside one linear with a chain of elementwise
/// ops. Names of capabilities:
///  - "epilogue_dag": elementwise values that are used twice, or stored beside the last one;
///  - "multi_linear": several linears in one segment;
///  - "multi_segment": several segments;
///  - "mixed_elements": linears whose weights or inputs differ in element type;
///  - "<kind>_prologue", "<kind>_epilogue": an op of that anchor kind ("norm_prologue",
///    "rope_epilogue").
struct FusionTarget {
  llvm::ArrayRef<std::string> capabilities;
  int64_t maxPrologueRows = 0;    ///< most rows that it is worth to map in a prologue; 0: any
  int64_t maxGatheredRows = 0;    ///< most rows that a prologue may select; 0: any
  /// Widths of the tiles of columns that linears of few and of many rows have: one of each has to hold rotated heads,
  /// whole or in halves. Narrow ones are below 64; none: any heads.
  llvm::ArrayRef<int64_t> rotationTiles = {};
  int64_t momentsBlock = 0;        ///< columns of a block that linears leave a norm's moments of; 0: they leave none
  int64_t leastMomentsColumns = 0; ///< fewest columns of rows whose moments are worth leaving
  /// Of a target whose tiles of many rows can normalise them as they load them: rows and columns of a tile, a launch in
  /// ns, memory in GB/s, products of narrow factors and float32 arithmetic in GFLOP/s; none: of no such target.
  llvm::ArrayRef<int64_t> tileCosts = {};

  bool has(llvm::StringRef capability) const {
    return llvm::is_contained(capabilities, capability);
  }

  /// The limit that the rows of `producer` exceed in a prologue; nothing if it takes them all.
  std::optional<int64_t> exceededRows(mlir::Operation *producer) const;
};

/// How two ops may come to share a launch. Each way is one pass.
enum class FusionWay { Epilogue, Linears, Columns, Segments, Prologue };

/// Flag of the pass that fuses in this way.
llvm::StringRef passOf(FusionWay way);

class FusionLegality {
public:
  FusionLegality(const RegionGraph &graph, FusionTarget target) : graph(graph), target(target) {}

  /// The way in which `consumer` could join the launch of `producer`, whose result it reads,
  /// whatever the target can do.
  FusionWay wayOf(mlir::Operation *producer, mlir::Operation *consumer) const;

  /// Why `consumer` cannot join the launch of `producer`, together with the views that it reads;
  /// nothing if it can, or has.
  std::optional<Refusal> refuse(mlir::Operation *producer, mlir::Operation *consumer) const;

  /// Why two linears that read the same rows cannot be segments of one launch.
  std::optional<Refusal> refuseSegments(mlir::Operation *a, mlir::Operation *b) const;

  /// Why no launch leaves the moments of what `norm` reads; nothing if one should. Only of what isMadeByColumns().
  std::optional<Refusal> refuseMoments(lm::NormOp norm) const;
  /// Whether a launch with a linear makes `value` column by column.
  bool isMadeByColumns(mlir::Value value) const;

  /// The value whose rows `linear` reads, behind ops that map them row by row.
  mlir::Value rowsOf(mlir::Operation *linear) const;

private:
  std::optional<Refusal> refuseRoles(mlir::Operation *producer, mlir::Operation *consumer) const;
  std::optional<Refusal> refusePrologue(mlir::Operation *producer) const;
  std::optional<Refusal> refuseManyRows(mlir::Operation *producer, int64_t limit) const;
  std::optional<Refusal> refuseTiles(lm::NormOp norm) const;
  std::optional<Refusal> refuseRotation(mlir::Operation *rotation) const;
  std::optional<Refusal> refuseEpilogue(RegionGraph::Group a, RegionGraph::Group b) const;
  std::optional<Refusal> refuseElements(RegionGraph::Group a, RegionGraph::Group b) const;
  std::optional<Refusal> refuseCapability(llvm::StringRef capability,
                                          const llvm::Twine &what) const;
  std::optional<Refusal> refuseMerge(RegionGraph::Group a, RegionGraph::Group b,
                                     llvm::ArrayRef<mlir::Operation *> views = {}) const;

  const RegionGraph &graph;
  FusionTarget target;
};

} // namespace stoop::fusion

#endif // STOOP_PASSES_FUSION_FUSIONLEGALITY_H

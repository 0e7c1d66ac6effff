//===- Pipelines.h - the phases of a compilation as pipelines ------------===//
//
// One pipeline per phase up to `planned`, registered as stoop-<phase>-pipeline, each ending in its
// gate. The same functions build them for the driver, so stoop-opt reproduces what stoop does.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_PIPELINES_PIPELINES_H
#define STOOP_PASSES_PIPELINES_PIPELINES_H

#include "mlir/Pass/PassOptions.h"

namespace mlir {
class OpPassManager;
}

namespace stoop {

/// Phase graph: which static entries a model gets.
struct GraphPipelineOptions : public mlir::PassPipelineOptions<GraphPipelineOptions> {
  ListOption<int64_t> prefillBuckets{
      *this, "prefill-buckets",
      llvm::cl::desc(
          "rows of the prefill entries; none: 32 and 512, clipped to the compiled context")};
  Option<int64_t> batch{*this, "batch",
                        llvm::cl::desc("most sequences decoded together; 0: the model's batch"),
                        llvm::cl::init(0)};
  Option<int64_t> scoreRows{*this, "score-rows",
                            llvm::cl::desc("rows of the scoring entry; 0: no scoring entry"),
                            llvm::cl::init(32)};
  Option<std::string> quantization{*this, "quantization",
                                   llvm::cl::desc("scheme of weight matrices, or none"),
                                   llvm::cl::init("none")};
  ListOption<std::string> quantizationOverrides{
      *this, "quantization-overrides", llvm::cl::desc("PATTERN=SCHEME for weights by name")};
};

/// Phase fused: what the target has kernels for.
struct FusedPipelineOptions : public mlir::PassPipelineOptions<FusedPipelineOptions> {
  ListOption<std::string> kinds{
      *this, "kinds",
      llvm::cl::desc("kinds of regions that the target has kernels for; none: all")};
  ListOption<std::string> capabilities{
      *this, "capabilities",
      llvm::cl::desc("what the target's linear kernels can hold (passes/fusion/FusionLegality.h)")};
  Option<int64_t> maxPrologueRows{
      *this, "max-prologue-rows",
      llvm::cl::desc("most rows that it is worth to map in a prologue; 0: any"), llvm::cl::init(0)};
  Option<int64_t> maxGatheredRows{*this, "max-gathered-rows",
                                  llvm::cl::desc("most rows that a prologue may select; 0: any"),
                                  llvm::cl::init(0)};
  Option<int64_t> momentsBlock{
      *this, "moments-block",
      llvm::cl::desc("columns of a block that linears leave a norm's moments of; 0: none"),
      llvm::cl::init(0)};
  Option<int64_t> leastMomentsColumns{
      *this, "least-moments-columns",
      llvm::cl::desc("fewest columns of rows whose moments are worth leaving"), llvm::cl::init(0)};
  ListOption<int64_t> tileCosts{
      *this, "tile-costs",
      llvm::cl::desc("what tiles that normalise rows cost (passes/fusion/FusionLegality.h); none: they do not")};
  ListOption<int64_t> rotationTiles{
      *this, "rotation-tiles",
      llvm::cl::desc("widths of tiles that have to hold rotated heads (passes/fusion/FusionLegality.h); none: any heads")};
};

/// Phase scheduled: for whom templates and tunables are chosen.
struct ScheduledPipelineOptions : public mlir::PassPipelineOptions<ScheduledPipelineOptions> {
  Option<std::string> target{*this, "target", llvm::cl::desc("target to choose templates for"),
                             llvm::cl::init("cpu")};
  ListOption<std::string> targetCpuLevels{
      *this, "target-cpu-levels",
      llvm::cl::desc("feature levels that each kernel is compiled for; none: the target's lowest")};
  Option<std::string> tuningDb{*this, "tuning-db",
                               llvm::cl::desc("file of measured schedules; none: heuristics")};
  Option<std::string> tuningDevice{*this, "tuning-device",
                                   llvm::cl::desc("machine whose records count")};
  Option<unsigned> tuningProcessors{*this, "tuning-processors",
                                    llvm::cl::desc("number of its processors"), llvm::cl::init(0)};
  Option<std::string> tuningLibrary{*this, "tuning-library",
                                    llvm::cl::desc("hash of the kernel library")};
};

/// Phase planned: whose program it becomes, and how buffers are placed.
struct PlannedPipelineOptions : public mlir::PassPipelineOptions<PlannedPipelineOptions> {
  Option<std::string> target{*this, "target", llvm::cl::desc("target of the program"),
                             llvm::cl::init("cpu")};
  Option<std::string> solver{*this, "solver", llvm::cl::desc("arena solver, or all: the best of them"),
                             llvm::cl::init("all")};
};

/// The passes of each phase and its gate, on a module.
void buildImportPipeline(mlir::OpPassManager &pm);
void buildGraphPipeline(mlir::OpPassManager &pm, const GraphPipelineOptions &options);
void buildFusedPipeline(mlir::OpPassManager &pm, const FusedPipelineOptions &options);
void buildScheduledPipeline(mlir::OpPassManager &pm, const ScheduledPipelineOptions &options);
void buildPlannedPipeline(mlir::OpPassManager &pm, const PlannedPipelineOptions &options);

/// Registers all passes of passes/ and the five pipelines.
void registerPhasePipelines();

} // namespace stoop

#endif // STOOP_PASSES_PIPELINES_PIPELINES_H

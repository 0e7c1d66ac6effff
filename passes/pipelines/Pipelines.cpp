//===- Pipelines.cpp - the phases of a compilation as pipelines ----------===//
//
// Read from top to bottom, this is what happens to a model. Each phase ends in the gate that states
// its contract.
//
//===----------------------------------------------------------------------===//
#include "passes/pipelines/Pipelines.h"

#include "passes/fusion/Passes.h"
#include "passes/graph/Passes.h"
#include "passes/planning/Passes.h"
#include "passes/report/Passes.h"
#include "passes/schedule/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace stoop {

//===----------------------------------------------------------------------===//
// import: the model as the front end wrote it
//===----------------------------------------------------------------------===//

void buildImportPipeline(OpPassManager &pm) { pm.addPass(graph::createVerifyImported()); }

//===----------------------------------------------------------------------===//
// graph: static entries
//===----------------------------------------------------------------------===//

void buildGraphPipeline(OpPassManager &pm, const GraphPipelineOptions &options) {
  // Before the entries multiply: every load of a weight has its type.
  graph::QuantizeWeightsOptions quantize;
  quantize.scheme = options.quantization;
  quantize.overrides.assign(options.quantizationOverrides.begin(),
                            options.quantizationOverrides.end());
  pm.addPass(graph::createQuantizeWeights(quantize));
  pm.addPass(graph::createExpectInputs());
  graph::SplitEntryPointsOptions split;
  split.prefillBuckets.assign(options.prefillBuckets.begin(), options.prefillBuckets.end());
  split.batch = options.batch;
  split.scoreRows = options.scoreRows;
  pm.addPass(graph::createSplitEntryPoints(split));
  pm.addPass(graph::createReduceLogits());
  // Each layer loads shared weights, such as a rotary table, anew.
  pm.addPass(createCSEPass());
  pm.addPass(graph::createVerifyGraph());
}

//===----------------------------------------------------------------------===//
// fused: what becomes one launch
//===----------------------------------------------------------------------===//

void buildFusedPipeline(OpPassManager &pm, const FusedPipelineOptions &options) {
  SmallVector<std::string> capabilities(options.capabilities.begin(), options.capabilities.end());
  SmallVector<int64_t> tileCosts(options.tileCosts.begin(), options.tileCosts.end());
  SmallVector<int64_t> rotationTiles(options.rotationTiles.begin(), options.rotationTiles.end());
  pm.addPass(fusion::createFuseEpilogue({capabilities}));
  pm.addPass(fusion::createFuseLinears({capabilities}));
  // Reductions for norms, of what launches make by now.
  fusion::LeaveMomentsOptions moments;
  moments.capabilities = capabilities;
  moments.momentsBlock = options.momentsBlock;
  moments.leastMomentsColumns = options.leastMomentsColumns;
  moments.maxPrologueRows = options.maxPrologueRows;
  moments.tileCosts = tileCosts;
  pm.addPass(fusion::createLeaveMoments(moments));
  pm.addPass(fusion::createFuseColumns({capabilities, rotationTiles}));
  // In front of prologues: what reads the same rows shares one.
  pm.addPass(fusion::createFuseSegments({capabilities}));
  pm.addPass(fusion::createFusePrologue({capabilities, options.maxPrologueRows, options.maxGatheredRows, tileCosts}));
  // Takes every op that no fusion wanted.
  fusion::FormFusedRegionsOptions form;
  form.kinds.assign(options.kinds.begin(), options.kinds.end());
  pm.addPass(fusion::createFormFusedRegions(form));
  pm.addPass(fusion::createLogFusion({capabilities, options.maxPrologueRows, options.maxGatheredRows, rotationTiles, options.momentsBlock,
                                      options.leastMomentsColumns, tileCosts}));
  pm.addPass(fusion::createVerifyFused());
}

//===----------------------------------------------------------------------===//
// scheduled: templates and tunables
//===----------------------------------------------------------------------===//

void buildScheduledPipeline(OpPassManager &pm, const ScheduledPipelineOptions &options) {
  schedule::SelectScheduleOptions select;
  select.target = options.target;
  select.levels.assign(options.targetCpuLevels.begin(), options.targetCpuLevels.end());
  select.tuningDb = options.tuningDb;
  select.tuningDevice = options.tuningDevice;
  select.tuningProcessors = options.tuningProcessors;
  select.tuningLibrary = options.tuningLibrary;
  pm.addPass(schedule::createSelectSchedule(select));
  pm.addPass(schedule::createVerifySchedule({options.target}));
}

//===----------------------------------------------------------------------===//
// planned: every byte has its place
//===----------------------------------------------------------------------===//

void buildPlannedPipeline(OpPassManager &pm, const PlannedPipelineOptions &options) {
  pm.addPass(planning::createLowerFused({options.target}));
  pm.addPass(planning::createSetGeometry());
  pm.addPass(planning::createOverlapLaunches());
  pm.addPass(planning::createPackWeights());
  pm.addPass(planning::createLayoutKvCache());
  pm.addPass(planning::createAssignOffsets({options.solver}));
  pm.addPass(planning::createVerifyPlanned());
}

void registerPhasePipelines() {
  graph::registerGraphPasses();
  fusion::registerFusionPasses();
  schedule::registerSchedulePasses();
  planning::registerPlanningPasses();
  report::registerReportPasses();

  PassPipelineRegistration<>("stoop-import-pipeline", "Phase import: check an imported model",
                             buildImportPipeline);
  PassPipelineRegistration<GraphPipelineOptions>("stoop-graph-pipeline",
                                                 "Phase graph: static entries", buildGraphPipeline);
  PassPipelineRegistration<FusedPipelineOptions>(
      "stoop-fused-pipeline", "Phase fused: regions that become launches", buildFusedPipeline);
  PassPipelineRegistration<ScheduledPipelineOptions>("stoop-scheduled-pipeline",
                                                     "Phase scheduled: templates and tunables",
                                                     buildScheduledPipeline);
  PassPipelineRegistration<PlannedPipelineOptions>("stoop-planned-pipeline",
                                                   "Phase planned: kernels, launches and places",
                                                   buildPlannedPipeline);
}

} // namespace stoop

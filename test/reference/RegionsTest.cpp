//===- RegionsTest.cpp - any legal grouping keeps the model's numbers -------------------------===//
//
// Over every checkpoint of the suite: entries whose ops are grouped at random, within the grammar
// of lm.fused, compute the bits of the ungrouped ones, and so do those that the CPU target's fusion
// forms. Of the latter, the launches of a decode step are counted.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/Evaluator.h"
#include "compiler/import/Importer.h"
#include "ir/lm/LmOps.h"
#include "ir/plan/PlanDialect.h"
#include "passes/pipelines/Pipelines.h"
#include "passes/schedule/TargetInfo.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

#include "gtest/gtest.h"

#include <array>
#include <random>
#include <set>

using namespace mlir;
using namespace stoop;
using namespace stoop::reference;

namespace {

/// A checkpoint, its compute type and the launches of one layer: 3 of a parallel block, 5 of a
/// sequential one.
struct Case {
  const char *folder, *dtype;
  int64_t launchesPerLayer;
};

class RegionsTest : public testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    DialectRegistry registry;
    registry.insert<lm::LmDialect, plan::PlanDialect>();
    registerReferenceModels(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    static const bool registered = (registerPhasePipelines(), true);
    ASSERT_TRUE(registered);
    importer::ImportOptions options;
    options.checkpointDir = std::string(STOOP_SOURCE_DIR) + "/" + GetParam().folder;
    options.dtype = GetParam().dtype;
    options.maxSeqLen = 32;
    llvm::Expected<OwningOpRef<ModuleOp>> imported = importer::importCheckpoint(context, options);
    ASSERT_TRUE(static_cast<bool>(imported)) << llvm::toString(imported.takeError());
    graph = std::move(*imported);
    runPasses(*graph, "stoop-graph-pipeline{prefill-buckets=4 score-rows=4}");
    std::mt19937 random(17);
    for (int32_t &token : tokens)
      token = static_cast<int32_t>(random() % modelOf(*graph).getVocab());
  }

  static lm::ModelOp modelOf(ModuleOp module) { return *module.getOps<lm::ModelOp>().begin(); }

  void runPasses(ModuleOp module, const std::string &pipeline) {
    PassManager manager(&context, ModuleOp::getOperationName());
    ASSERT_TRUE(succeeded(parsePassPipeline(pipeline, manager))) << pipeline;
    ASSERT_TRUE(succeeded(manager.run(module))) << pipeline;
  }

  /// A prompt that does not fill its bucket, two decode steps, and a scored step behind them.
  std::vector<float> evaluate(ModuleOp module) {
    Evaluator evaluator(modelOf(module));
    std::vector<float> all;
    int32_t position = 0;
    for (auto [name, count] :
         {std::pair{"prefill_4", 3}, {"decode_b1", 1}, {"decode_b1", 1}, {"score_4", 2}}) {
      Step step;
      for (int i = 0; i < count; ++i, ++position) {
        step.tokens.push_back(tokens[position]);
        step.positions.push_back(position);
        step.slots.push_back(0);
      }
      FailureOr<Tensor> logits = evaluator.run(evaluator.lookup(name), step);
      if (failed(logits))
        return {};
      all.insert(all.end(), logits->values().begin(), logits->values().end());
    }
    return all;
  }

  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> graph;
  std::array<int32_t, 7> tokens;
};

static size_t countLaunches(lm::ModelOp model, StringRef entry) {
  auto fused = model.lookupSymbol<lm::EntryOp>(entry).getBody().front().getOps<lm::FusedOp>();
  return std::distance(fused.begin(), fused.end());
}

TEST_P(RegionsTest, RandomRegionsKeepEveryBit) {
  std::vector<float> expected = evaluate(*graph);
  ASSERT_EQ(expected.size(), 5 * size_t(modelOf(*graph).getVocab()));
  std::set<size_t> sizes;
  for (int seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    OwningOpRef<ModuleOp> module = graph->clone();
    runPasses(*module, "lm-leave-moments{moments-block=16 anywhere=true},lm-fuse-randomly{seed=" + std::to_string(seed) +
                           "},lm-form-fused-regions,lm-verify-fused");
    EXPECT_EQ(evaluate(*module), expected);
    sizes.insert(countLaunches(modelOf(*module), "decode_b1"));
  }
  EXPECT_GT(sizes.size(), 1u) << "all seeds gave as many regions";
}

TEST_P(RegionsTest, FusionKeepsEveryBitAndLeavesFewLaunches) {
  std::vector<float> expected = evaluate(*graph);
  runPasses(*graph,
            "stoop-fused-pipeline{" + schedule::findTarget("cpu")->fusion.pipelineOptions() + "}");
  EXPECT_EQ(evaluate(*graph), expected);
  lm::ModelOp model = modelOf(*graph);
  size_t perLayers = GetParam().launchesPerLayer * model.getLayers();
  // The head, and for several rows the embedding.
  EXPECT_EQ(countLaunches(model, "decode_b1"), perLayers + 1);
  EXPECT_LE(countLaunches(model, "prefill_4"), perLayers + 2);
  EXPECT_LE(countLaunches(model, "score_4"), perLayers + 2);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, RegionsTest,
                         testing::Values(Case{"examples/falcon-tiny/model", "f32", 5},
                                         Case{"test/checkpoints/rand-11b", "bf16", 3},
                                         Case{"test/checkpoints/rand-180b", "bf16", 3},
                                         Case{"test/checkpoints/rand-40b", "f16", 3},
                                         Case{"test/checkpoints/rand-7b-legacy", "f32", 3},
                                         Case{"test/checkpoints/rand-f32", "f32", 3},
                                         Case{"test/checkpoints/rand-falcon3", "bf16", 5},
                                         Case{"test/checkpoints/rand-rw1b", "f16", 5},
                                         Case{"test/checkpoints/rand-rw7b-legacy", "bf16", 5},
                                         Case{"test/checkpoints/rand-seed", "f32", 3},
                                         Case{"test/checkpoints/rand-yarn", "bf16", 3},
                                         Case{"test/checkpoints/tiny-7b", "f32", 3},
                                         Case{"test/checkpoints/tiny-seed", "bf16", 3}),
                         [](const testing::TestParamInfo<Case> &info) {
                           std::string name =
                               llvm::StringRef(info.param.folder).rsplit('/').second.str();
                           llvm::replace(name, '-', '_');
                           return name;
                         });

} // namespace

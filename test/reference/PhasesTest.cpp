//===- PhasesTest.cpp - phases keep the model's numbers ---------------------------------------===//
//
// Evaluates a checkpoint's imported @forward and, behind each phase up to `scheduled`, its static
// entries. The arithmetic of a row does not depend on the other rows, so results must be bit-equal.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/Evaluator.h"
#include "compiler/import/Importer.h"
#include "ir/lm/LmOps.h"
#include "ir/plan/PlanDialect.h"
#include "passes/pipelines/Pipelines.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

#include "gtest/gtest.h"

#include <random>

using namespace mlir;
using namespace stoop;
using namespace stoop::reference;

namespace {

constexpr int kTokens = 21;

/// Checkpoint folder and compute type.
using Case = std::tuple<const char *, const char *>;

class PhasesTest : public testing::TestWithParam<Case> {
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
    options.checkpointDir = std::string(STOOP_SOURCE_DIR) + "/" + std::get<0>(GetParam());
    options.dtype = std::get<1>(GetParam());
    options.maxSeqLen = 64;
    llvm::Expected<OwningOpRef<ModuleOp>> imported = importer::importCheckpoint(context, options);
    ASSERT_TRUE(static_cast<bool>(imported)) << llvm::toString(imported.takeError());
    module = std::move(*imported);

    int64_t vocab = model().getVocab();
    std::mt19937 random(9);
    for (int t = 0; t < kTokens; ++t) {
      tokens.push_back(static_cast<int32_t>(random() % vocab));
      positions.push_back(t);
    }
    Evaluator evaluator(model());
    expected = run(evaluator, "forward", 0, kTokens);
    ASSERT_EQ(expected.size(), kTokens * static_cast<size_t>(vocab));
  }

  lm::ModelOp model() { return *module->getOps<lm::ModelOp>().begin(); }

  void runPhase(const std::string &pipeline) {
    PassManager manager(&context, ModuleOp::getOperationName());
    ASSERT_TRUE(succeeded(parsePassPipeline(pipeline, manager)));
    ASSERT_TRUE(succeeded(manager.run(*module)));
  }

  /// Logits of tokens [begin, end) in one step of `entry`.
  std::vector<float> run(Evaluator &evaluator, const char *entry, int begin, int end) {
    lm::EntryOp op = evaluator.lookup(entry);
    if (!op) {
      ADD_FAILURE() << "there is no entry " << entry;
      return {};
    }
    Step step{{tokens.begin() + begin, tokens.begin() + end},
              {positions.begin() + begin, positions.begin() + end},
              std::vector<int32_t>(end - begin, 0)};
    FailureOr<Tensor> logits = evaluator.run(op, step);
    return failed(logits) ? std::vector<float>{} : logits->values().vec();
  }

  /// The expected logits of rows [begin, end).
  std::vector<float> rows(int begin, int end) {
    size_t vocab = expected.size() / kTokens;
    return {expected.begin() + begin * vocab, expected.begin() + end * vocab};
  }

  /// All kinds of entries, over prompts that fill and do not fill them.
  void checkEntries(const char *phase) {
    SCOPED_TRACE(phase);
    Evaluator evaluator(model());
    EXPECT_EQ(run(evaluator, "prefill_16", 0, 16), rows(15, 16));
    EXPECT_EQ(run(evaluator, "prefill_16", 16, kTokens), rows(kTokens - 1, kTokens));
    evaluator.resetCaches();
    EXPECT_EQ(run(evaluator, "score_8", 0, 8), rows(0, 8));
    EXPECT_EQ(run(evaluator, "score_8", 8, 13), rows(8, 13));
    for (int t = 13; t < kTokens; ++t)
      EXPECT_EQ(run(evaluator, "decode_b1", t, t + 1), rows(t, t + 1)) << "token " << t;
  }

  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
  std::vector<int32_t> tokens, positions;
  std::vector<float> expected;
};

TEST_P(PhasesTest, KeepEveryBit) {
  runPhase("stoop-graph-pipeline{prefill-buckets=16 score-rows=8}");
  checkEntries("graph");
  runPhase("stoop-fused-pipeline");
  checkEntries("fused");
  runPhase("stoop-scheduled-pipeline");
  checkEntries("scheduled");
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, PhasesTest,
                         testing::Values(Case{"examples/falcon-tiny/model", "f32"},
                                         Case{"examples/falcon-tiny/model", "bf16"},
                                         Case{"test/checkpoints/rand-180b", "f32"},
                                         Case{"test/checkpoints/rand-7b-legacy", "f16"},
                                         Case{"test/checkpoints/rand-falcon3", "bf16"}));

} // namespace

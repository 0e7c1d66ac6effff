//===- DecodeTest.cpp - greedy decoding and scoring on the reference --------------------------===//
//
// The model under test counts: the logits of token t are the t-th row of a matrix, so that every
// choice and every likelihood is known beforehand.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/Decode.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"

#include "gtest/gtest.h"

#include <cmath>
#include <fstream>

using namespace mlir;
using namespace stoop;
using namespace stoop::reference;

namespace {

/// Four tokens and a context of eight; token t is followed by the largest entry of row t.
class DecodeTest : public testing::Test {
protected:
  void SetUp() override { build({{0, 9, 1, 2}, {1, 0, 9, 2}, {9, 3, 9, 1}, {0, 0, 0, 0}}); }

  void build(const std::vector<std::vector<float>> &rows) {
    llvm::SmallString<128> path;
    int descriptor;
    ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("stoop-decode", "bin", descriptor, path));
    std::ofstream file(path.c_str(), std::ios::binary);
    for (const std::vector<float> &row : rows)
      file.write(reinterpret_cast<const char *>(row.data()), row.size() * sizeof(float));
    file.close();
    weights = path.str();
    DialectRegistry registry;
    registry.insert<lm::LmDialect>();
    registerReferenceModels(registry);
    context.appendDialectRegistry(registry);
    module = parseSourceString<ModuleOp>(R"(
      lm.model @m attributes {family = "test", dtype = f32, hidden = 4 : i64, layers = 1 : i64, heads = 1 : i64,
          kv_heads = 1 : i64, head_dim = 4 : i64, ffn = 4 : i64, vocab = 4 : i64, max_positions = 8 : i64,
          batch = 1 : i64, metadata = {}} {
        lm.weight @table : tensor<4x4xf32> sources([#lm.source<key = "k", file = ")" +
                                             weights + R"(",
            offset = 0, dtype = f32, rows = 4, cols = 4>])
        lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %slots: tensor<?xi32>)
            -> tensor<?x4xf32> {
          %w = lm.load_weight @table : tensor<4x4xf32>
          %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<4x4xf32>) -> tensor<?x4xf32>
          lm.return %x : tensor<?x4xf32>
        }
      })",
                                         &context);
    ASSERT_TRUE(module);
    evaluator = std::make_unique<Evaluator>(*module->getOps<lm::ModelOp>().begin());
    entry = evaluator->lookup("forward");
  }
  void TearDown() override { llvm::sys::fs::remove(weights); }

  Generation generateFrom(std::vector<int32_t> prompt, GenerationSettings settings) {
    Sequence sequence(*evaluator, entry);
    FailureOr<Generation> result = generate(sequence, prompt, settings);
    return succeeded(result) ? *result : Generation();
  }

  std::string weights;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<Evaluator> evaluator;
  lm::EntryOp entry;
};

TEST_F(DecodeTest, ChoosesTheLowestOfEqualLogits) {
  Generation result = generateFrom({3, 0}, {4, {}, 4});
  EXPECT_EQ(result.ids, (std::vector<int32_t>{1, 2, 0, 1}));
  EXPECT_FALSE(result.stopped);
  ASSERT_EQ(result.logits.size(), 16u);
  EXPECT_EQ(result.logits[0], 0);
  EXPECT_EQ(result.logits[1], 9);
}

TEST_F(DecodeTest, NeverChoosesPaddingRows) {
  // Without ids 2 and 3 token 1 is followed by 0.
  EXPECT_EQ(generateFrom({0}, {3, {}, 2}).ids, (std::vector<int32_t>{1, 0, 1}));
}

TEST_F(DecodeTest, StopsBehindAStopId) {
  Generation result = generateFrom({0}, {100, {2}, 4});
  EXPECT_EQ(result.ids, (std::vector<int32_t>{1, 2}));
  EXPECT_TRUE(result.stopped);
}

// A context of eight holds six prompt tokens and two generated ones; a third is chosen, not fed.
TEST_F(DecodeTest, EndsWithTheContext) {
  Generation result = generateFrom({0, 0, 0, 0, 0, 0}, {100, {}, 4});
  EXPECT_EQ(result.ids.size(), 3u);
  EXPECT_FALSE(result.stopped);
}

TEST_F(DecodeTest, ScoresIndependentWindows) {
  // -log softmax of (0, 9, 1, 2) at 1, then of (1, 0, 9, 2) at 3, then of (0, 0, 0, 0) at 2.
  double a = std::log(1 + std::exp(-9) + std::exp(-8) + std::exp(-7));
  double b = std::log(1 + std::exp(-8) + std::exp(-9) + std::exp(-7)) + 7;
  double c = std::log(4.0);
  FailureOr<Score> all = score(*evaluator, entry, {0, 1, 3, 2}, 2, 0, [](size_t) {});
  ASSERT_TRUE(succeeded(all));
  EXPECT_EQ(all->tokens, 3u);
  EXPECT_NEAR(all->nats, a + b + c, 1e-9);
  FailureOr<Score> lastOnly = score(*evaluator, entry, {0, 1, 3, 2}, 2, 1, [](size_t) {});
  ASSERT_TRUE(succeeded(lastOnly));
  EXPECT_EQ(lastOnly->tokens, 2u);
  EXPECT_NEAR(lastOnly->nats, b + c, 1e-9);
}

TEST(Argmax, IgnoresNan) {
  EXPECT_EQ(argmax({NAN, 1, 2, 2}, 4), 2);
  EXPECT_EQ(argmax({-INFINITY, NAN}, 2), 0);
  EXPECT_EQ(argmax({NAN, NAN}, 2), -1);
}

} // namespace

//===- EvaluatorTest.cpp - evaluation of parsed lm entries ------------------------------------===//
//
// Each test parses a small model, feeds tokens and compares the entry's result with numbers worked
// out by hand. The embedding table supplies arbitrary inputs: token t is row t of @table.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/Evaluator.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include "gtest/gtest.h"

#include <fstream>

using namespace mlir;
using namespace stoop;
using namespace stoop::reference;

namespace {

/// Owns a context, a parsed model, a folder with the file `w` of float32 weights, and an evaluator.
class EvaluatorTest : public testing::Test {
protected:
  void SetUp() override {
    llvm::SmallString<128> path;
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("stoop-reference", path));
    directory = path.str();
    DialectRegistry registry;
    registry.insert<lm::LmDialect>();
    registerReferenceModels(registry);
    context.appendDialectRegistry(registry);
    context.getDiagEngine().registerHandler([this](Diagnostic &d) { messages += d.str() + "\n"; });
  }
  void TearDown() override { llvm::sys::fs::remove_directories(directory); }

  /// Parses a model with the given declarations; `weights` are the contents of file `w`.
  void load(const std::string &body, const std::vector<float> &weights, const char *dtype = "f32") {
    std::ofstream file(directory + "/w", std::ios::binary);
    file.write(reinterpret_cast<const char *>(weights.data()), weights.size() * sizeof(float));
    file.close();
    std::string text =
        std::string("lm.model @m attributes {family = \"test\", dtype = ") + dtype +
        ", hidden = 2 : i64, layers = 2 : i64, heads = 1 : i64, kv_heads = 1 : i64, "
        "head_dim = 2 : i64, ffn = 2 : i64, vocab = 3 : i64, max_positions = 4 : i64, "
        "batch = 2 : i64, metadata = {}} {\n" +
        body + "\n}";
    module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module) << messages << text;
    evaluator = std::make_unique<Evaluator>(*module->getOps<lm::ModelOp>().begin());
  }

  /// A weight declaration: `offset` counts floats in file `w`.
  std::string weight(const std::string &name, int rows, int cols, int offset,
                     const std::string &rest = "") {
    std::string shape = rows == 1 ? "" : std::to_string(rows) + "x";
    return "lm.weight @" + name + " : tensor<" + shape + std::to_string(cols) + "xf32> sources([" +
           source(rows, cols, offset) + "]) " + rest + "\n";
  }
  std::string source(int rows, int cols, int offset) {
    return "#lm.source<key = \"k\", file = \"" + directory +
           "/w\", offset = " + std::to_string(4 * offset) +
           ", dtype = f32, rows = " + std::to_string(rows) + ", cols = " + std::to_string(cols) +
           ">";
  }
  static std::string header(const std::string &result) {
    return "lm.entry forward @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, "
           "%slots: tensor<?xi32>) -> " +
           result + " {\n";
  }

  std::vector<float> run(const Step &step, const char *entry = "forward") {
    FailureOr<Tensor> logits = evaluator->run(evaluator->lookup(entry), step);
    return failed(logits) ? std::vector<float>{} : logits->values().vec();
  }

  std::string directory, messages;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<Evaluator> evaluator;
};

const char *kTable =
    "%w = lm.load_weight @table : tensor<3x2xf32>\n"
    "%x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<3x2xf32>) -> tensor<?x2xf32>\n";

// Embedding, norm, linear, bias, activation and both binaries in a row.
TEST_F(EvaluatorTest, ChainsElementwiseOps) {
  load(weight("table", 3, 2, 0) + weight("matrix", 3, 2, 6) + weight("vector", 1, 3, 12) +
           header("tensor<?x3xf32>") + kTable + R"(
    %m = lm.load_weight @matrix : tensor<3x2xf32>
    %v = lm.load_weight @vector : tensor<3xf32>
    %s = lm.binary add %x, %x : tensor<?x2xf32>
    %p = lm.binary mul %s, %x : tensor<?x2xf32>
    %y = lm.linear %p, %m : (tensor<?x2xf32>, tensor<3x2xf32>) -> tensor<?x3xf32>
    %z = lm.bias %y, %v : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
    %a = lm.activation relu %z : tensor<?x3xf32>
    lm.return %a : tensor<?x3xf32>
  })",
       {1, 2, 3, 4, 5, 6, /*matrix*/ 1, 0, 0, 1, -1, -1, /*vector*/ 0.5, -1, 3});
  // Row 0: p = (2, 8), y = (2, 8, -10); row 2: p = (50, 72), y = (50, 72, -122).
  EXPECT_EQ(run({{0, 2}, {0, 1}, {0, 0}}), (std::vector<float>{2.5, 7, 0, 50.5, 71, 0}))
      << messages;
}

TEST_F(EvaluatorTest, NormalisesBothWays) {
  load(weight("table", 3, 2, 0) + weight("g", 1, 2, 6) + weight("b", 1, 2, 8) +
           header("tensor<?x2xf32>") + kTable + R"(
    %g = lm.load_weight @g : tensor<2xf32>
    %b = lm.load_weight @b : tensor<2xf32>
    %n = lm.norm layer %x, %g, %b eps(0.0) : (tensor<?x2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
    %r = lm.norm rms %n, %g eps(0.0) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
    lm.return %r : tensor<?x2xf32>
  })",
       {3, 5, 0, 0, 0, 0, /*g*/ 3, 7, /*b*/ 0, -3});
  // layer: (-1, 1) * (3, 7) + (0, -3) = (-3, 4); rms of (-3, 4) is sqrt(12.5).
  std::vector<float> result = run({{0}, {0}, {0}});
  ASSERT_EQ(result.size(), 2u) << messages;
  EXPECT_NEAR(result[0], -3 * 3 / std::sqrt(12.5), 1e-6);
  EXPECT_NEAR(result[1], 7 * 4 / std::sqrt(12.5), 1e-6);
}

// Two KV groups of one query each, head_dim 1: stored rows q0 k0 v0 q1 k1 v1 become q0 q1 k0 k1 v0
// v1.
TEST_F(EvaluatorTest, ReordersFusedProjections) {
  load(weight("table", 3, 2, 0) +
           weight("qkv", 6, 2, 6, "layout(#lm.qkv_layout<groups = 2, queries = 1, headDim = 1>)") +
           header("tensor<?x2xf32>") + kTable + R"(
    %m = lm.load_weight @qkv : tensor<6x2xf32>
    %y = lm.linear %x, %m : (tensor<?x2xf32>, tensor<6x2xf32>) -> tensor<?x6xf32>
    %k = lm.view %y[2] : tensor<?x6xf32> -> tensor<?x2xf32>
    lm.return %k : tensor<?x2xf32>
  })",
       {1, 0, 0, 0, 0, 0, /*qkv*/ 10, 0, 20, 0, 30, 0, 40, 0, 50, 0, 60, 0});
  EXPECT_EQ(run({{0}, {0}, {0}}), (std::vector<float>{20, 50})) << messages;
}

// Weights stacked from two sources, and rounded.
TEST_F(EvaluatorTest, StacksAndRoundsSources) {
  load(weight("table", 3, 2, 0) + "lm.weight @b : tensor<2xf32> sources([" + source(1, 1, 6) +
           ", " + source(1, 1, 8) + "]) round(bf16)\n" + header("tensor<?x2xf32>") + kTable + R"(
    %b = lm.load_weight @b : tensor<2xf32>
    %y = lm.bias %x, %b : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
    lm.return %y : tensor<?x2xf32>
  })",
       {0, 0, 0, 0, 0, 0, 257, 99, 259});
  EXPECT_EQ(run({{0}, {0}, {0}}), (std::vector<float>{256, 260})) << messages;
}

TEST_F(EvaluatorTest, RotatesByPosition) {
  // Frequency pi: position 1 is half a turn.
  load(weight("table", 3, 2, 0) +
           "lm.weight @rope : tensor<4x2xf32> generator(#lm.rope_table<invFreq = [3.14159274], "
           "factor = 1.0 : f32, "
           "positions = 4, round = \"none\">)\n" +
           header("tensor<?x2xf32>") + kTable + R"(
    %r = lm.load_weight @rope : tensor<4x2xf32>
    %y = lm.rope %x, %positions, %r heads(1) : (tensor<?x2xf32>, tensor<?xi32>, tensor<4x2xf32>) -> tensor<?x2xf32>
    lm.return %y : tensor<?x2xf32>
  })",
       {5, 7, 0, 0, 0, 0});
  std::vector<float> result = run({{0, 0}, {1, 2}, {0, 0}});
  ASSERT_EQ(result.size(), 4u) << messages;
  EXPECT_NEAR(result[0], -5, 1e-5);
  EXPECT_NEAR(result[1], -7, 1e-5);
  EXPECT_NEAR(result[2], 5, 1e-5);
  EXPECT_NEAR(result[3], 7, 1e-5);
}

/// Keys and values are the token's row itself; the query is zero, so attention averages values.
std::string attentionBody(const std::string &rows, const std::string &alibi) {
  std::string x = "tensor<" + rows + "x2xf32>", i = "tensor<" + rows + "xi32>";
  return "%kv = lm.kv_view @kv[1] : !lm.kv<2x4x1x2xf32>\n"
         "lm.kv_append %kv, %x, %x, %positions, %slots : !lm.kv<2x4x1x2xf32>, " +
         x + ", " + x + ", " + i + ", " + i +
         "\n"
         "%zw = lm.load_weight @zero : tensor<2x2xf32>\n"
         "%q = lm.linear %x, %zw : (" +
         x + ", tensor<2x2xf32>) -> " + x +
         "\n"
         "%a = lm.attention %q, %kv, %positions, %slots heads(1) scale(0.5) " +
         alibi + " : (" + x + ", !lm.kv<2x4x1x2xf32>, " + i + ", " + i + ") -> " + x + "\n";
}

TEST_F(EvaluatorTest, KeepsTheCacheBetweenSteps) {
  load(weight("table", 3, 2, 0) + weight("zero", 2, 2, 6) +
           "lm.kv_state @kv layers(2) : !lm.kv<2x4x1x2xf32>\n" + header("tensor<?x2xf32>") +
           kTable + attentionBody("?", "alibi none") + "lm.return %a : tensor<?x2xf32> }",
       {2, 4, 6, 8, 10, 60, /*zero*/ 0, 0, 0, 0});
  EXPECT_EQ(run({{0, 1}, {0, 1}, {0, 0}}), (std::vector<float>{2, 4, 4, 6})) << messages;
  EXPECT_EQ(run({{2}, {2}, {0}}), (std::vector<float>{6, 24}));
  EXPECT_EQ(run({{2}, {0}, {1}}), (std::vector<float>{10, 60})) << "slots share no keys";
  evaluator->resetCaches();
  EXPECT_EQ(run({{1}, {1}, {0}}), (std::vector<float>{3, 4})) << "position 0 was not forgotten";
}

TEST_F(EvaluatorTest, AppliesAlibiSlopes) {
  // exp(0.5 * 4.394449 * j): position 1 weighs 9 times position 0.
  load(weight("table", 3, 2, 0) + weight("zero", 2, 2, 6) +
           "lm.kv_state @kv layers(2) : !lm.kv<2x4x1x2xf32>\n" + header("tensor<?x2xf32>") +
           kTable + attentionBody("?", "alibi exact slopes([4.39444923])") +
           "lm.return %a : tensor<?x2xf32> }",
       {0, 0, 10, 20, 0, 0, /*zero*/ 0, 0, 0, 0});
  std::vector<float> result = run({{0, 1}, {0, 1}, {0, 0}});
  ASSERT_EQ(result.size(), 4u) << messages;
  EXPECT_NEAR(result[2], 9, 1e-5);
  EXPECT_NEAR(result[3], 18, 1e-5);
}

// A static entry with padding rows, fused regions and gather_last equals the dynamic one.
TEST_F(EvaluatorTest, RunsStaticEntriesWithFusedRegions) {
  load(weight("table", 3, 2, 0) + weight("zero", 2, 2, 6) +
           "lm.kv_state @kv layers(2) : !lm.kv<2x4x1x2xf32>\n" + R"(
  lm.entry prefill @prefill_4(%tokens: tensor<4xi32>, %positions: tensor<4xi32>, %slots: tensor<4xi32>) -> tensor<1x2xf32> {
    %w = lm.load_weight @table : tensor<3x2xf32>
    %x = lm.fused "embedding" (%tokens, %w) : (tensor<4xi32>, tensor<3x2xf32>) -> tensor<4x2xf32> {
    ^bb0(%t: tensor<4xi32>, %e: tensor<3x2xf32>):
      %r = lm.embedding %t, %e : (tensor<4xi32>, tensor<3x2xf32>) -> tensor<4x2xf32>
      lm.yield %r : tensor<4x2xf32>
    }
)" + attentionBody("4", "alibi none") +
           R"(
    %last = lm.fused "gather_last" (%a) : (tensor<4x2xf32>) -> tensor<1x2xf32> {
    ^bb0(%i: tensor<4x2xf32>):
      %r = lm.gather_last %i : tensor<4x2xf32> -> tensor<1x2xf32>
      lm.yield %r : tensor<1x2xf32>
    }
    lm.return %last : tensor<1x2xf32>
  })",
       {2, 4, 6, 8, 10, 60, /*zero*/ 0, 0, 0, 0});
  EXPECT_EQ(run({{0, 1, 2}, {0, 1, 2}, {0, 0, 0}}, "prefill_4"), (std::vector<float>{6, 24}))
      << messages;
  EXPECT_EQ(run({{0, 0, 0, 0, 0}, {0, 1, 2, 3, 4}, {0, 0, 0, 0, 0}}, "prefill_4"),
            std::vector<float>{});
  EXPECT_NE(messages.find("takes 4 rows, got 5"), std::string::npos) << messages;
}

// In bf16 each op's result is rounded: 256 + 1 + 1 stays 256 in two steps.
TEST_F(EvaluatorTest, RoundsEveryResult) {
  load(weight("table", 3, 2, 0) + weight("b", 1, 2, 6) + header("tensor<?x2xf32>") + R"(
    %w = lm.load_weight @table : tensor<3x2xf32>
    %b = lm.load_weight @b : tensor<2xf32>
    %x = lm.embedding %tokens, %w : (tensor<?xi32>, tensor<3x2xf32>) -> tensor<?x2xbf16>
    %y = lm.bias %x, %b : (tensor<?x2xbf16>, tensor<2xf32>) -> tensor<?x2xbf16>
    %z = lm.bias %y, %b : (tensor<?x2xbf16>, tensor<2xf32>) -> tensor<?x2xbf16>
    %i = lm.load_weight @table : tensor<3x2xf32>
    %l = lm.linear %z, %i : (tensor<?x2xbf16>, tensor<3x2xf32>) -> tensor<?x3xf32>
    %v = lm.view %l[1] : tensor<?x3xf32> -> tensor<?x2xf32>
    lm.return %v : tensor<?x2xf32>
  })",
       {256, 2, 1, 0, 0, 1, /*b*/ 1, 1}, "bf16");
  EXPECT_EQ(run({{0}, {0}, {0}}), (std::vector<float>{256, 4})) << messages;
}

TEST_F(EvaluatorTest, RefusesInputOutOfRange) {
  load(weight("table", 3, 2, 0) + header("tensor<?x2xf32>") + kTable +
           "lm.return %x : tensor<?x2xf32> }",
       {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(run({{3}, {0}, {0}}), std::vector<float>{});
  EXPECT_NE(messages.find("token id 3 is outside of the vocabulary of 3"), std::string::npos)
      << messages;
  EXPECT_EQ(run({{0}, {4}, {0}}), std::vector<float>{});
  EXPECT_NE(messages.find("position 4 is outside of the compiled context of 4"), std::string::npos);
  EXPECT_EQ(run({{0}, {0}, {2}}), std::vector<float>{});
  EXPECT_NE(messages.find("slot 2 is outside of the batch of 2"), std::string::npos);
}

TEST_F(EvaluatorTest, NamesAFileThatIsMissingOrShort) {
  load(weight("table", 3, 2, 2) + header("tensor<?x2xf32>") + kTable +
           "lm.return %x : tensor<?x2xf32> }",
       {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(run({{0}, {0}, {0}}), std::vector<float>{});
  EXPECT_NE(messages.find("ends at byte 32 of " + directory + "/w, which has 24"),
            std::string::npos)
      << messages;
}

} // namespace

//===- HookTest.cpp - epilogues from IR to numbers ------------------------===//
//
// Compiles kernels from IR text and compares what they compute with the formulas in double: every
// activation, every rounding step between elementwise ops, strided operands, columns that fill no
// panel.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/DescribeKernel.h"
#include "ir/lm/LmDialect.h"
#include "ir/plan/PlanDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "test/kernels/KernelHarness.h"
#include "test/kernels/References.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;

namespace {
/// The spec of the only kernel in a program's text.
codegen::KernelSpec specOf(const std::string &kernel) {
  mlir::DialectRegistry registry;
  registry.insert<lm::LmDialect, plan::PlanDialect>();
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(
      "plan.program @p target(\"cpu\") metadata({}) {\n" + kernel + "\n}", &context);
  EXPECT_TRUE(module);
  codegen::KernelSpec spec;
  module->walk([&](plan::KernelOp op) {
    mlir::FailureOr<codegen::KernelSpec> described = codegen::describeKernel(op);
    EXPECT_TRUE(mlir::succeeded(described));
    spec = *described;
  });
  return spec;
}

double activation(const std::string &kind, double x) {
  if (kind == "gelu")
    return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  if (kind == "gelu_tanh" || kind == "gelu_fast")
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  if (kind == "quick_gelu")
    return x / (1 + std::exp(-1.702 * x));
  if (kind == "silu")
    return x / (1 + std::exp(-x));
  return std::max(x, 0.0);
}

TEST(Hook, EveryActivation) {
  constexpr int64_t rows = 2, columns = 205;
  std::mt19937_64 random(runSeed());
  Values x = randomValues(random, rows * columns, Element::F32, 9);
  x[17] = NAN;
  for (const char *kind : {"gelu", "gelu_tanh", "gelu_fast", "quick_gelu", "relu", "silu"}) {
    codegen::KernelSpec spec =
        specOf("plan.kernel @k schedule(#plan.schedule<\"elementwise\", source = \"forced\", "
               "tunables = {}>) row_strides([205, 205]) {\n"
               "^bb0(%x: tensor<2x205xf32>):\n  %y = lm.activation " +
               std::string(kind) + " %x : tensor<2x205xf32>\n  lm.yield %y : tensor<2x205xf32>\n}");
    for (const kernels::KernelLevel *level : runnableLevels()) {
      Buffer in = Buffer::of(Element::F32, x), out(rows * columns * 4);
      LoadedKernel(spec, *level).run({&in, &out}, rows, 2);
      EXPECT_TRUE(out.intact());
      for (int64_t i = 0; i < rows * columns; ++i) {
        if (std::isnan(x[i]))
          EXPECT_TRUE(std::isnan(out.at(Element::F32, i))) << kind;
        else
          ASSERT_NEAR(out.at(Element::F32, i), activation(kind, x[i]), 3e-6)
              << kind << "(" << x[i] << ")";
      }
    }
  }
}

// linear -> bias -> gelu -> times a strided operand -> plus another, each result rounded to
// bfloat16.
TEST(Hook, RoundsAfterEveryOp) {
  constexpr int64_t rows = 7, n = 37, k = 24, stride = 50;
  codegen::KernelSpec spec = specOf(R"(
    plan.kernel @k schedule(#plan.schedule<"linear", source = "forced", tunables = {}>) row_strides([24, 0, 0, 50, 37, 40]) {
    ^bb0(%x: tensor<7x24xbf16>, %w: tensor<37x24xbf16>, %b: tensor<37xf32>, %g: tensor<7x37xbf16>, %r: tensor<7x37xbf16>):
      %0 = lm.linear %x, %w : (tensor<7x24xbf16>, tensor<37x24xbf16>) -> tensor<7x37xbf16>
      %1 = lm.bias %0, %b : (tensor<7x37xbf16>, tensor<37xf32>) -> tensor<7x37xbf16>
      %2 = lm.activation gelu %1 : tensor<7x37xbf16>
      %3 = lm.binary mul %2, %g : tensor<7x37xbf16>
      %4 = lm.binary add %r, %3 : tensor<7x37xbf16>
      lm.yield %4 : tensor<7x37xbf16>
    })");
  std::mt19937_64 random(runSeed());
  // Quarters and small counts: sums are exact in any order, so every rounding is decided.
  auto quarters = [&](size_t count) {
    std::uniform_int_distribution<int> pick(-8, 8);
    Values values(count);
    for (float &v : values)
      v = pick(random) / 4.0f;
    return values;
  };
  Values x = quarters(rows * k), w = quarters(n * k), g = quarters(rows * stride),
         r = quarters(rows * n);
  // Never zero: beside it, what gelu makes of a large negative number would be all of the result, and
  // there only the absolute error is small (EveryActivation).
  for (float &v : r)
    v = v == 0 ? 0.25f : v;
  Values b = randomValues(random, n, Element::BF16);
  Values sums = linearReference(x, w, rows, n, k);
  for (const kernels::KernelLevel *level : runnableLevels()) {
    constexpr Element t = Element::BF16;
    Buffer xb = Buffer::of(t, x), wb = packPanel16(t, w, n, k), bb = Buffer::of(Element::F32, b),
           gb = Buffer::of(t, g), rb = Buffer::of(t, r), y(rows * 40 * 2);
    LoadedKernel(spec, *level).run({&xb, &wb, &bb, &gb, &rb, &y}, rows, 2);
    EXPECT_TRUE(y.intact());
    unsigned off = 0;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t c = 0; c < n; ++c) {
        float v = roundTo(t, sums[i * n + c]);
        v = roundTo(t, v + b[c]);
        v = roundTo(t, activation("gelu", v));
        v = roundTo(t, v * g[i * stride + c]);
        v = roundTo(t, r[i * n + c] + v);
        off += y.at(t, i * 40 + c) != v;
      }
    // gelu itself may fall on the other side of a tie once in a while.
    EXPECT_LE(off, 3u) << "of " << rows * n;
  }
}

TEST(Hook, BucketsOfDifferentSizesShareCode) {
  auto kernel = [](const char *rows) {
    std::string t = std::string("tensor<") + rows + "x32xf32>";
    return specOf("plan.kernel @k schedule(#plan.schedule<\"linear\", source = \"forced\", "
                  "tunables = {}>) row_strides([32, 0, 32]) {\n"
                  "^bb0(%x: " +
                  t + ", %w: tensor<32x32xf32>):\n  %y = lm.linear %x, %w : (" + t +
                  ", tensor<32x32xf32>) -> " + t + "\n  lm.yield %y : " + t + "\n}");
  };
  EXPECT_EQ(kernel("64"), kernel("512"));
  EXPECT_FALSE(kernel("1") == kernel("64"));
  EXPECT_FALSE(kernel("1") == kernel("2"));
}
} // namespace

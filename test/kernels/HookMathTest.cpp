//===- HookMathTest.cpp - exp, erf, tanh and rounding of the bitcode ------===//
//
// Runs stoop_exp and its kin through an elementwise kernel whose hook calls them, and compares
// with libm in double over the whole range of float32; rounding is compared bit by bit.
//
//===----------------------------------------------------------------------===//
#include "kernels/common/params.h"
#include "test/kernels/KernelHarness.h"
#include <bit>
#include <cmath>
#include <functional>
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;

namespace {
/// A hook that applies a library function to buffer 0 (one row of f32), into buffer 1.
std::string hookCalling(const std::string &function) {
  return hookFromIr("declare void @stoop_load_f32(ptr, ptr, i64)\n"
                    "declare void @stoop_store_f32(ptr, ptr, i64)\n"
                    "declare void @stoop_" +
                    function +
                    "(ptr)\n"
                    "define void @stoop_hook(ptr %sums, i64 %stride, i64 %segment, i64 %row, "
                    "i64 %column, i64 %valid, ptr %tail, ptr %buffers) {\n"
                    "  %v = alloca <16 x float>\n"
                    "  %x = load ptr, ptr %buffers\n"
                    "  %slot = getelementptr ptr, ptr %buffers, i64 1\n"
                    "  %y = load ptr, ptr %slot\n"
                    "  %from = getelementptr float, ptr %x, i64 %column\n"
                    "  %to = getelementptr float, ptr %y, i64 %column\n"
                    "  call void @stoop_load_f32(ptr %v, ptr %from, i64 %valid)\n"
                    "  call void @stoop_" +
                    function +
                    "(ptr %v)\n"
                    "  call void @stoop_store_f32(ptr %to, ptr %v, i64 %valid)\n"
                    "  ret void\n}\n");
}

std::vector<float> apply(const std::string &function, const std::vector<float> &x,
                         const kernels::KernelLevel &level) {
  int64_t columns = x.size();
  kernels::ElementwiseParams p = {columns, 1};
  Buffer input = Buffer::of(Element::F32, x), output(columns * 4);
  LoadedKernel(makeSpec("stoop_elementwise", p, 0, hookCalling(function)), level)
      .run({&input, &output}, 1, 2);
  EXPECT_TRUE(output.intact());
  std::vector<float> y;
  for (int64_t i = 0; i < columns; ++i)
    y.push_back(output.at(Element::F32, i));
  return y;
}

/// Values of every magnitude, dense where functions bend, special values at the end; not a multiple
/// of 16.
std::vector<float> inputs() {
  std::mt19937_64 random(runSeed());
  std::vector<float> x;
  std::uniform_int_distribution<uint32_t> bits(0, 0xff7fffff);
  std::uniform_real_distribution<float> dense(-12, 12), wide(-110, 95);
  for (int i = 0; i < 20000; ++i) {
    float any = std::bit_cast<float>(bits(random));
    if (std::isfinite(any) && (any == 0 || std::fabs(any) > 1.2e-38f))
      x.push_back(any);
    x.push_back(dense(random));
    x.push_back(wide(random));
  }
  for (float special :
       {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 88.72f, 88.73f, 0.93f, 0.625f, 4.0f, 1e-20f})
    x.push_back(special);
  while (x.size() % 16 != 5)
    x.push_back(1.0f);
  return x;
}

void compare(const std::string &function, const std::function<double(double)> &reference,
             double relative) {
  std::vector<float> x = inputs();
  for (const kernels::KernelLevel *level : runnableLevels()) {
    std::vector<float> y = apply(function, x, *level);
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      double expected = reference(x[i]);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(y[i]));
        continue;
      }
      if (static_cast<float>(expected) == y[i] || std::fabs(expected) < 2.4e-38)
        continue; // equal, infinities too; results below the normal range may be flushed
      ASSERT_TRUE(std::isfinite(y[i])) << function << "(" << x[i] << ") = " << y[i];
      worst = std::max(worst, std::fabs(y[i] - expected) / std::fabs(expected));
    }
    EXPECT_LE(worst, relative) << function << " at " << level->name.str();
  }
}

TEST(HookMath, Exp) {
  compare(
      "exp", [](double x) { return std::exp(x); }, 2e-7);
}
TEST(HookMath, Erf) {
  compare(
      "erf", [](double x) { return std::erf(x); }, 2.5e-7);
}
TEST(HookMath, Tanh) {
  compare(
      "tanh", [](double x) { return std::tanh(x); }, 2.5e-7);
}

TEST(HookMath, RoundingIsToNearestEven) {
  std::vector<float> x = inputs();
  for (const kernels::KernelLevel *level : runnableLevels())
    for (auto [function, element] :
         {std::pair{"round_bf16", Element::BF16}, {"round_f16", Element::F16}}) {
      std::vector<float> y = apply(function, x, *level);
      for (size_t i = 0; i < x.size(); ++i) {
        float expected = roundTo(element, x[i]);
        ASSERT_TRUE(std::isnan(expected) ? std::isnan(y[i]) : expected == y[i])
            << function << "(" << x[i] << ") = " << y[i] << ", expected " << expected;
      }
    }
}
} // namespace

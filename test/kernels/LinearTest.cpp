//===- LinearTest.cpp - the linear template -------------------------------===//
//
// Every port and every runnable level, over shapes that have tails everywhere: odd inner lengths,
// columns that fill no panel, rows that fill no strip, fewer valid rows than the entry has. The
// software twins of vdpbf16ps and AMX run the indexing of levels that this machine lacks. Whole
// regions are tested from their IR, in test/unit/codegen.
//
//===----------------------------------------------------------------------===//
#include "test/kernels/KernelHarness.h"
#include "test/kernels/References.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;

namespace {
struct Shape {
  int64_t maxRows, rows, n, k;
};

/// Elements between the rows of input and output.
constexpr int64_t kXPadding = 3, kYPadding = 5;

struct Types {
  Element w, x, y;
};

/// A kernel and the valid rows it is run with.
struct Case {
  int64_t maxRows, n, k;
  std::vector<int64_t> rows;
};

/// The first few have every kind of tail; the others go on to several blocks of each dimension.
const Case kCases[] = {
    {1, 33, 7, {1}},     {4, 31, 130, {1, 3, 4}}, {128, 70, 33, {1, 2, 5, 6, 47, 48, 50, 97}},
    {1, 100, 1031, {1}}, {2, 17, 64, {1, 2}},     {3, 48, 5, {2, 3}},
    {64, 600, 71, {50}}, {64, 129, 1100, {64}},   {33, 1, 1, {33}}};

std::string portName(Types t) { return std::string("stoop_linear_") + name(t.w) + "_" + name(t.x); }

/// Largest error that rounding of sums and result allows, relative to the largest result.
double tolerance(Types t, int64_t k) {
  double sums = 1e-6 * std::sqrt(double(k)) + 1e-6;
  return sums + (t.y == Element::F32 ? 0 : t.y == Element::BF16 ? 1.0 / 256 : 1.0 / 2048);
}

/// Runs one shape with strided rows and compares; rows that are not valid must stay untouched.
void check(const LoadedKernel &kernel, const std::string &port, Types t, Shape s,
           const kernels::KernelLevel &level, unsigned threads) {
  SCOPED_TRACE(port + " at " + level.name.str() + ", rows " + std::to_string(s.rows) + " of " +
               std::to_string(s.maxRows) + ", " + std::to_string(s.n) + " x " +
               std::to_string(s.k) + ", threads " + std::to_string(threads));
  std::mt19937_64 random(runSeed() + s.n * 7919 + s.k);
  int64_t xStride = s.k + kXPadding, yStride = s.n + kYPadding;
  Values x = randomValues(random, s.maxRows * s.k, t.x), w = randomValues(random, s.n * s.k, t.w);
  Buffer xBuffer(s.maxRows * xStride * bytesOf(t.x)), yBuffer(s.maxRows * yStride * bytesOf(t.y));
  for (int64_t r = 0; r < s.maxRows; ++r)
    for (int64_t c = 0; c < s.k; ++c)
      xBuffer.set(t.x, r * xStride + c, x[r * s.k + c]);
  Buffer wBuffer = packPanel16(t.w, w, s.n, s.k);
  kernel.run({&xBuffer, &wBuffer, &yBuffer}, s.rows, threads);

  Values expected = linearReference(x, w, s.rows, s.n, s.k), actual;
  for (int64_t r = 0; r < s.rows; ++r)
    for (int64_t c = 0; c < s.n; ++c)
      actual.push_back(yBuffer.at(t.y, r * yStride + c));
  EXPECT_LE(worstError(actual, expected), tolerance(t, s.k));
  for (int64_t r = 0; r < s.maxRows; ++r)
    for (int64_t c = r < s.rows ? s.n : 0; c < yStride; ++c)
      ASSERT_TRUE(std::isnan(yBuffer.at(t.y, r * yStride + c)))
          << "wrote row " << r << ", column " << c;
  EXPECT_TRUE(xBuffer.intact() && wBuffer.intact() && yBuffer.intact());
}

const std::string kTileTwin = "stoop_linear_tile_twin";

constexpr Types kTypes[] = {
    {Element::F32, Element::F32, Element::F32},   {Element::BF16, Element::F32, Element::F32},
    {Element::F16, Element::F32, Element::F32},   {Element::BF16, Element::BF16, Element::BF16},
    {Element::BF16, Element::BF16, Element::F32}, {Element::F16, Element::F16, Element::F16},
    {Element::F16, Element::F16, Element::F32}};

void checkAll(const std::string &port, Types t, const kernels::KernelLevel &level,
              size_t numCases) {
  unsigned threads = 0;
  for (const Case &c : llvm::ArrayRef(kCases).take_front(numCases)) {
    if (port == kTileTwin && c.maxRows <= 4)
      continue; // few rows are no work for tiles
    LoadedKernel kernel(
        linearSpec(port, {c.maxRows, c.n, c.k, c.k + kXPadding, c.n + kYPadding, t.y}), level);
    for (int64_t rows : c.rows)
      check(kernel, port, t, {c.maxRows, rows, c.n, c.k}, level, 1 + threads++ % 3);
  }
}

TEST(Linear, MatchesReference) {
  for (const kernels::KernelLevel *level : runnableLevels())
    for (Types t : kTypes) {
      bool common = t.x == t.y && t.w != Element::F16;
      checkAll(portName(t), t, *level, common ? std::size(kCases) : 3);
    }
}

TEST(Linear, SoftwareTwinsMatchReference) {
  for (const kernels::KernelLevel *level : runnableLevels())
    for (const std::string &port : {std::string("stoop_linear_dot_twin"), kTileTwin})
      checkAll(port, {Element::BF16, Element::BF16, Element::BF16}, *level, std::size(kCases));
}

/// Every block that a schedule may ask for: one strip of rows, tails in each dimension, one block of
/// everything; columns shared out, rows shared out.
TEST(Linear, BlocksOfASchedule) {
  const LinearShape::Blocks blocks[] = {
      {2, 6, 128, 0}, {5, 54, 384, 1 << 16}, {64, 144, 1024, 32}};
  Types t{Element::BF16, Element::BF16, Element::BF16};
  for (const kernels::KernelLevel *level : runnableLevels())
    for (const std::string &port : {portName(t), kTileTwin})
      for (unsigned i = 0; i < std::size(blocks); ++i) {
        Shape s{128, 101, 150, 900};
        LinearShape shape{s.maxRows, s.n, s.k, s.k + kXPadding, s.n + kYPadding, t.y};
        shape.blocks = blocks[i];
        check(LoadedKernel(linearSpec(port, shape), *level), port, t, s, *level, 1 + i);
      }
}

TEST(Linear, ThreadsDoNotChangeTheResult) {
  Types t{Element::BF16, Element::F32, Element::F32};
  Shape s{64, 37, 211, 300};
  for (const kernels::KernelLevel *level : runnableLevels()) {
    std::mt19937_64 random(runSeed());
    Buffer x = Buffer::of(t.x, randomValues(random, s.maxRows * s.k, t.x));
    Buffer w = packPanel16(t.w, randomValues(random, s.n * s.k, t.w), s.n, s.k);
    LoadedKernel kernel(linearSpec(portName(t), {s.maxRows, s.n, s.k, s.k, s.n, t.y}), *level);
    Buffer one(s.maxRows * s.n * 4), many(s.maxRows * s.n * 4);
    kernel.run({&x, &w, &one}, s.rows, 1);
    kernel.run({&x, &w, &many}, s.rows, 5);
    EXPECT_EQ(0, memcmp(one.data(), many.data(), one.size()));
  }
}

TEST(Linear, NanReachesItsRowOnly) {
  Types t{Element::BF16, Element::BF16, Element::BF16};
  for (const kernels::KernelLevel *level : runnableLevels())
    for (int64_t rows : {1, 3, 9}) {
      Shape s{rows, rows, 40, 37};
      std::mt19937_64 random(runSeed());
      Values x = randomValues(random, rows * s.k, t.x);
      x[(rows - 1) * s.k + 36] = NAN;
      Buffer xBuffer = Buffer::of(t.x, x), y(rows * s.n * 2);
      Buffer w = packPanel16(t.w, randomValues(random, s.n * s.k, t.w), s.n, s.k);
      LoadedKernel kernel(linearSpec(portName(t), {s.maxRows, s.n, s.k, s.k, s.n, t.y}), *level);
      kernel.run({&xBuffer, &w, &y}, rows, 2);
      for (int64_t i = 0; i < rows * s.n; ++i)
        EXPECT_EQ(std::isnan(y.at(t.y, i)), i / s.n == rows - 1) << "row " << i / s.n;
    }
}
} // namespace

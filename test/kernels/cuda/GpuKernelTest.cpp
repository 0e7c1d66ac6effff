//===- GpuKernelTest.cpp - CUDA kernels against the reference -------------===//
//
// Every GPU template on the virtual GPU over edge shapes: columns that fill no tile, lengths that fill no
// vector, padding rows, strided operands, every element type. No findings, no spills, at most 60 lines of
// source; two seeds of inputs and of the order of blocks and warps. STOOP_TEST_EXHAUSTIVE=1 runs all types and
// more seeds for each shape.
//
//===----------------------------------------------------------------------===//
#include "test/kernels/cuda/GpuHarness.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace stoop::test;
using llvm::formatv;

namespace {
/// Largest relative difference: rounding of the result's type, plus the order of float32 sums.
double tolerance(llvm::StringRef type) { return type == "f32" ? 3e-6 : type == "bf16" ? 8e-3 : 1e-3; }

bool isExhaustive() { return getenv("STOOP_TEST_EXHAUSTIVE") != nullptr; }

GpuStep stepOf(int rows, int validRows, int firstPosition = 0, bool isDecode = false) {
  GpuStep step;
  step.validRows = validRows;
  for (int row = 0; row < rows; ++row) {
    bool isValid = row < validRows;
    step.positions.push_back(!isValid ? 0 : isDecode ? firstPosition + 7 * row : firstPosition + row);
    step.slots.push_back(!isValid ? -1 : isDecode ? row : 0);
  }
  return step;
}

void expectRight(const std::string &kernel, GpuStep step, llvm::StringRef type) {
  for (uint64_t seed = 1; seed <= (isExhaustive() ? 4 : 2); ++seed) {
    step.seed = seed * 77 + step.validRows;
    GpuOutcome outcome = runGpuKernel(kernel, step);
    ASSERT_EQ(outcome.failure, "") << kernel;
    EXPECT_LE(outcome.worst, tolerance(type)) << kernel;
    EXPECT_LE(outcome.sourceLines, 60) << kernel;
    EXPECT_EQ(outcome.localBytes, 0u) << "spills: " << kernel;
    EXPECT_GT(outcome.registers, 0u) << kernel;
  }
}

std::string tensor(int rows, int cols, llvm::StringRef type) {
  return formatv("tensor<{0}x{1}x{2}>", rows, cols, type);
}

/// A linear with bias, activation and residual: x [rows][k] (row stride `stride`), w [n][k].
std::string linearKernel(llvm::StringRef schedule, int rows, int n, int k, llvm::StringRef x,
                         llvm::StringRef w, llvm::StringRef y, int stride = 0) {
  std::string X = tensor(rows, k, x), W = tensor(n, k, w), Y = tensor(rows, n, y);
  return formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, 0, 0, {2}, {2}]) {{
    ^bb0(%x: {3}, %w: {4}, %b: tensor<{2}xf32>, %r: {5}):
      %0 = lm.linear %x, %w : ({3}, {4}) -> {5}
      %1 = lm.bias %0, %b : ({5}, tensor<{2}xf32>) -> {5}
      %2 = lm.activation gelu %1 : {5}
      %3 = lm.binary add %r, %2 : {5}
      lm.yield %3 : {5}
    })",
                 schedule, stride ? stride : k, n, X, W, Y);
}

std::string smallSchedule(int perWarp) {
  return formatv("\"linear_small\", source = \"test\", tunables = {{columns_per_warp = {0} : i64}", perWarp);
}
/// `slice`: tiles of normalised rows that are staged at a time.
std::string streamSchedule(int stages, bool isSplit, int slice = 4096) {
  return formatv("\"linear_stream\", source = \"test\", tunables = {{slice = {2} : i64, split = {1} : i64, stages = {0} : i64, trigger = 50 : i64}", stages,
                 int(isSplit), slice);
}
std::string fmaSchedule(int columns) {
  return formatv("\"linear_fma\", source = \"test\", tunables = {{tile_columns = {0} : i64}", columns);
}
/// `splits`: blocks that share a tile.
std::string mmaSchedule(int columns, int stages, int splits = 1) {
  return formatv("\"linear_mma\", source = \"test\", tunables = {{splits = {2} : i64, stages = {1} : i64, tile_columns = {0} : i64}",
                 columns, stages, splits);
}
std::string plainSchedule(llvm::StringRef name) {
  return formatv("\"{0}\", source = \"test\", tunables = {{}", name);
}
} // namespace

TEST(GpuLinearSmall, ShapesAndTypes) {
  struct Shape {
    int rows, valid, n, k, perWarp, stride;
  };
  for (Shape s : {Shape{1, 1, 40, 64, 2, 0}, Shape{1, 1, 7, 33, 1, 0}, Shape{4, 3, 17, 100, 2, 0},
                  Shape{8, 8, 24, 96, 2, 0}, Shape{2, 2, 16, 64, 2, 200}}) {
    std::vector<std::array<const char *, 3>> types = {{"f32", "bf16", "f32"}, {"bf16", "bf16", "bf16"}};
    if (isExhaustive())
      types.insert(types.end(), {{"f16", "f16", "f16"}, {"bf16", "bf16", "f32"}, {"f32", "f32", "f32"}, {"f32", "f16", "f32"}});
    for (auto &t : types)
      expectRight(linearKernel(smallSchedule(s.perWarp), s.rows, s.n, s.k, t[0], t[1], t[2], s.stride),
                  stepOf(s.rows, s.valid), t[2]);
  }
}

/// Strips and tiles that are not full, blocks with a part of a strip or none, rows that do not exist, strided rows.
TEST(GpuLinearStream, ShapesAndTypes) {
  struct Shape {
    int rows, valid, n, k, stages, multiprocessors, stride;
    bool isSplit;
  };
  for (Shape s : {Shape{1, 1, 40, 64, 2, 2, 0, false}, Shape{1, 1, 7, 33, 1, 3, 0, true}, Shape{4, 3, 17, 100, 3, 5, 0, true},
                  Shape{8, 8, 24, 608, 4, 4, 0, true}, Shape{2, 2, 16, 64, 8, 1, 200, false}, Shape{8, 5, 50, 1000, 2, 3, 0, true},
                  Shape{3, 0, 20, 40, 2, 2, 0, true}})
    for (llvm::StringRef type : {"bf16", "f16"}) {
      if (!isExhaustive() && type == "f16" && s.rows != 4 && s.rows != 8)
        continue;
      GpuStep step = stepOf(s.rows, s.valid);
      step.multiprocessors = s.multiprocessors;
      expectRight(linearKernel(streamSchedule(s.stages, s.isSplit), s.rows, s.n, s.k, type, type, type, s.stride), step, type);
    }
}

namespace {
/// Forms of weights, each with the columns of its tiles and what is shorter or longer by some.
constexpr const char *kSchemes[] = {"int8", "fp8", "int4-g32", "int4-g64", "int4-g128", "int4-g256"};

/// Two linears of different schemes whose results are added, of rows as they are or behind a norm: x [rows][k], w [n][k].
std::string codedKernel(llvm::StringRef schedule, int rows, int n, int k, llvm::StringRef type, llvm::StringRef first,
                        llvm::StringRef second, bool isNormed) {
  std::string X = tensor(rows, k, "f32"), N = tensor(rows, k, type), Y = tensor(rows, n, "f32"), V = formatv("tensor<{0}xf32>", k),
              W = formatv("tensor<{0}x{1}xf32, \"{2}\">", n, k, first), U = formatv("tensor<{0}x{1}xf32, \"{2}\">", n, k, second);
  return formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, 0, 0, 0, 0, {2}]) {{
    ^bb0({3}, %g: {4}, %b: {4}, %w: {5}, %u: {6}):
      {7}
      %0 = lm.linear %n, %w : ({8}, {5}) -> {9}
      %1 = lm.linear %n, %u : ({8}, {6}) -> {9}
      %2 = lm.binary add %0, %1 : {9}
      lm.yield %2 : {9}
    })",
                 schedule, k, n, isNormed ? "%x: " + X : "%n: " + N, V, W, U,
                 isNormed ? formatv("%n = lm.norm layer %x, %g, %b eps(1.0e-5) : ({0}, {1}, {1}) -> {2}", X, V, N).str() : "", N, Y);
}
} // namespace

/// Codes of every scheme: tiles and groups that are not full, slices, cuts anywhere. Results in float32 show that codes and
/// scales are multiplied without any rounding of their own.
TEST(GpuCodes, StreamedShapesAndSchemes) {
  struct Shape {
    int rows, valid, n, k, stages, multiprocessors, slice;
    bool isSplit, isNormed;
  };
  int turn = 0;
  for (Shape s : {Shape{1, 1, 40, 256, 2, 2, 4096, false, true}, Shape{4, 3, 17, 100, 3, 5, 4096, true, true},
                  Shape{8, 7, 1003, 40, 4, 4, 4096, true, true}, Shape{8, 8, 128, 600, 8, 3, 8, true, true},
                  Shape{2, 2, 71, 4544, 8, 3, 4096, true, true}, Shape{3, 3, 50, 1000, 1, 7, 4096, true, false}, Shape{5, 5, 33, 77, 2, 2, 4096, false, false}})
    for (const char *scheme : kSchemes)
      for (llvm::StringRef type : {"bf16", "f16"}) {
        if (++turn % 4 != 0 && !isExhaustive())
          continue;
        GpuStep step = stepOf(s.rows, s.valid);
        step.multiprocessors = s.multiprocessors;
        std::string kernel = codedKernel(streamSchedule(s.stages, s.isSplit, s.slice), s.rows, s.n, s.k, type, scheme,
                                         kSchemes[turn / 4 % std::size(kSchemes)], s.isNormed);
        expectRight(kernel, step, s.isNormed ? "f16" : "f32"); // a norm's results are rounded, perhaps to the other side
      }
}

TEST(GpuCodes, TilesOfPrompts) {
  struct Shape {
    int rows, valid, n, k, columns, stages;
  };
  int turn = 0;
  for (Shape s : {Shape{64, 64, 64, 256, 64, 3}, Shape{16, 13, 70, 40, 64, 3}, Shape{70, 66, 80, 300, 80, 2}, Shape{9, 9, 130, 33, 96, 2}})
    for (const char *scheme : kSchemes)
      for (llvm::StringRef type : {"bf16", "f16"}) {
        if (++turn % 4 != 0 && !isExhaustive())
          continue;
        expectRight(codedKernel(mmaSchedule(s.columns, s.stages), s.rows, s.n, s.k, type, scheme,
                                kSchemes[turn / 4 % std::size(kSchemes)], false),
                    stepOf(s.rows, s.valid), "f32");
      }
}

/// The embedding alone, and as the head has it in front of a linear of another scheme.
TEST(GpuCodes, EmbeddingRows) {
  for (const char *scheme : kSchemes) {
    std::string table = formatv("tensor<37x200xf32, \"{0}\">", scheme), w = formatv("tensor<20x200xf32, \"{0}\">", scheme);
    expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([1, 0, 200]) attributes {{tiled = array<i64: 1>} {{
      ^bb0(%t: tensor<5xi32>, %e: {1}):
        %x = lm.embedding %t, %e : (tensor<5xi32>, {1}) -> tensor<5x200xf32>
        lm.yield %x : tensor<5x200xf32>
      })",
                        plainSchedule("embedding_rows"), table),
                stepOf(5, 4), "f32");
    expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([1, 0, 0, 0, 20, 200]) attributes {{tiled = array<i64: 1>} {{
      ^bb0(%t: tensor<2xi32>, %e: {1}, %g: tensor<200xf32>, %w: {2}):
        %x = lm.embedding %t, %e : (tensor<2xi32>, {1}) -> tensor<2x200xf32>
        %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<2x200xf32>, tensor<200xf32>) -> tensor<2x200xbf16>
        %0 = lm.linear %n, %w : (tensor<2x200xbf16>, {2}) -> tensor<2x20xf32>
        lm.yield %0, %x : tensor<2x20xf32>, tensor<2x200xf32>
      })",
                        streamSchedule(3, true), table, w),
                stepOf(2, 2), "f16");
  }
}

TEST(GpuLinearFma, ShapesAndTypes) {
  struct Shape {
    int rows, valid, n, k, columns;
  };
  for (Shape s : {Shape{16, 13, 70, 40, 64}, Shape{70, 70, 48, 33, 80}}) {
    expectRight(linearKernel(fmaSchedule(s.columns), s.rows, s.n, s.k, "f32", "bf16", "f32"),
                stepOf(s.rows, s.valid), "f32");
    if (isExhaustive())
      expectRight(linearKernel(fmaSchedule(s.columns), s.rows, s.n, s.k, "f32", "f32", "f32"),
                  stepOf(s.rows, s.valid), "f32");
  }
}

TEST(GpuLinearMma, ShapesAndTypes) {
  struct Shape {
    int rows, valid, n, k, columns, stages;
  };
  for (Shape s : {Shape{64, 64, 64, 128, 64, 3}, Shape{16, 13, 70, 40, 64, 3}, Shape{70, 66, 80, 36, 80, 2},
                  Shape{9, 9, 130, 33, 64, 4}})
    for (llvm::StringRef type : {"bf16", "f16"}) {
      if (!isExhaustive() && type == "f16" && s.stages != 3)
        continue;
      expectRight(linearKernel(mmaSchedule(s.columns, s.stages), s.rows, s.n, s.k, type, type, type),
                  stepOf(s.rows, s.valid), type);
    }
}

/// Blocks that share tiles: parts that end within a linear and between two, parts without a step, rows that do not exist,
/// linears that are combined only when all parts are added.
TEST(GpuLinearMma, TilesAreShared) {
  struct Shape {
    int rows, valid, n, k, inner, columns, stages, splits;
    const char *type;
  };
  for (Shape s : {Shape{70, 66, 70, 256, 96, 64, 3, 3, "bf16"}, Shape{20, 20, 130, 40, 160, 64, 2, 2, "f16"},
                  Shape{9, 9, 16, 33, 33, 16, 4, 8, "bf16"}, Shape{64, 0, 64, 64, 64, 64, 3, 2, "bf16"}}) {
    std::string X = tensor(s.rows, s.k, s.type), V = tensor(s.rows, s.inner, s.type), W = tensor(s.n, s.k, s.type),
                U = tensor(s.n, s.inner, s.type), Y = tensor(s.rows, s.n, s.type);
    expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, {2}, 0, 0, {3}]) {{
      ^bb0(%x: {4}, %v: {5}, %w: {6}, %u: {7}):
        %0 = lm.linear %x, %w : ({4}, {6}) -> {8}
        %1 = lm.linear %v, %u : ({5}, {7}) -> {8}
        %2 = lm.activation gelu %0 : {8}
        %3 = lm.binary mul %2, %1 : {8}
        lm.yield %3 : {8}
      })",
                        mmaSchedule(s.columns, s.stages, s.splits), s.k, s.inner, s.n, X, V, W, U, Y),
                stepOf(s.rows, s.valid), s.type);
  }
}

/// A linear with bias whose values are yielded and reduced: y = x w + b and its maxima.
std::string reducedKernel(llvm::StringRef schedule, int rows, int n, int k, llvm::StringRef type) {
  std::string X = tensor(rows, k, type), W = tensor(n, k, type), Y = tensor(rows, n, type),
              M = tensor(rows, (n + 15) / 16, "f32");
  return formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, 0, 0, {2}, {3}]) {{
    ^bb0(%x: {4}, %w: {5}, %b: tensor<{2}xf32>):
      %0 = lm.linear %x, %w : ({4}, {5}) -> {6}
      %1 = lm.bias %0, %b : ({6}, tensor<{2}xf32>) -> {6}
      %2 = lm.block_max %1 : {6} -> {7}
      lm.yield %1, %2 : {6}, {7}
    })",
                 schedule, k, n, (n + 15) / 16, X, W, Y, M);
}

/// Blocks that are whole, that have a few columns, that are all there is; rows that do not exist.
TEST(GpuReduction, BehindLinearsAndAlone) {
  for (auto [rows, valid, n] : {std::tuple{1, 1, 64}, {4, 3, 37}, {8, 8, 5}}) {
    expectRight(reducedKernel(smallSchedule(2), rows, n, 64, "f32"), stepOf(rows, valid), "f32");
    expectRight(reducedKernel(smallSchedule(2), rows, n, 64, "bf16"), stepOf(rows, valid), "bf16");
    expectRight(reducedKernel(streamSchedule(4, n == 37), rows, n, 64, "bf16"), stepOf(rows, valid), "bf16");
  }
  expectRight(reducedKernel(fmaSchedule(80), 20, 170, 33, "f32"), stepOf(20, 17), "f32");
  expectRight(reducedKernel(mmaSchedule(64, 3), 70, 85, 64, "bf16"), stepOf(70, 66), "bf16");
  for (auto [type, cols] : {std::pair{"f32", 300}, {"f32", 9}, {"bf16", 512}}) {
    std::string X = tensor(3, cols, type), M = tensor(3, (cols + 15) / 16, "f32");
    expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, {2}]) {{
      ^bb0(%x: {3}):
        %0 = lm.block_max %x : {3} -> {4}
        lm.yield %0 : {4}
      })",
                        plainSchedule("reduction_elements"), cols + 3, (cols + 15) / 16, X, M),
                stepOf(3, 2), type);
  }
}

namespace {
std::string momentsType(int rows, int columns, bool isLayer) { return tensor(rows, (columns + 15) / 16 * (isLayer ? 2 : 1), "f32"); }

/// A linear with bias and residual, whose sum and its moments are yielded.
std::string leavingKernel(llvm::StringRef schedule, int rows, int n, int k, llvm::StringRef type, bool isLayer) {
  std::string X = tensor(rows, k, type), W = tensor(n, k, type), Y = tensor(rows, n, "f32"), M = momentsType(rows, n, isLayer);
  return formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, 0, 0, {2}, {2}, {3}]) {{
    ^bb0(%x: {4}, %w: {5}, %b: tensor<{2}xf32>, %r: {6}):
      %0 = lm.linear %x, %w : ({4}, {5}) -> {6}
      %1 = lm.bias %0, %b : ({6}, tensor<{2}xf32>) -> {6}
      %2 = lm.binary add %r, %1 : {6}
      %3 = lm.block_moments {8} %2 by 16 : {6} -> {7}
      lm.yield %2, %3 : {6}, {7}
    })",
                 schedule, k, n, (n + 15) / 16 * (isLayer ? 2 : 1), X, W, Y, M, isLayer ? "layer" : "rms");
}

/// A norm that reads moments, in front of a linear of `n` columns and yielded, or alone.
std::string normOfMoments(llvm::StringRef schedule, int rows, int columns, llvm::StringRef type, bool isLayer, bool isAlone,
                          int n = 20) {
  std::string X = tensor(rows, columns, "f32"), N = tensor(rows, columns, type), M = momentsType(rows, columns, isLayer),
              W = tensor(n, columns, type), Y = tensor(rows, n, type), V = formatv("tensor<{0}xf32>", columns);
  std::string bias = isLayer ? ", %b" : "", biasType = isLayer ? V + ", " : "";
  std::string norm = formatv("%n = lm.norm {0} %x, %g{1} moments(%m by 16) eps(1.0e-5) : ({2}, {3}, {4}{5}) -> {6}",
                             isLayer ? "layer" : "rms", bias, X, V, biasType, M, N);
  int stride = (columns + 15) / 16 * (isLayer ? 2 : 1) + 3;
  if (isAlone)
    return formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, 0, 0, {2}, {1}]) {{
      ^bb0(%x: {3}, %g: {4}, %b: {4}, %m: {5}):
        {6}
        lm.yield %n : {7}
      })",
                   schedule, columns, stride, X, V, M, norm, N);
  return formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, 0, 0, {2}, 0, {10}, {1}]) {{
    ^bb0(%x: {3}, %g: {4}, %b: {4}, %m: {5}, %w: {6}):
      {7}
      %0 = lm.linear %n, %w : ({8}, {6}) -> {9}
      lm.yield %0, %n : {9}, {8}
    })",
                 schedule, columns, stride, X, V, M, W, norm, N, Y, n);
}
} // namespace

/// Rows are staged by slices: the last one shorter, in units of many strips, cut anywhere between blocks; lengths that fill no
/// tile and no vector.
TEST(GpuMoments, SlicesAreNormalised) {
  struct Shape {
    int rows, valid, n, k, slice, stages, multiprocessors;
    const char *type;
    bool isSplit;
  };
  for (bool isLayer : {true, false})
    for (Shape s : {Shape{8, 7, 128, 600, 8, 8, 3, "bf16", true}, Shape{8, 8, 160, 1000, 3, 2, 5, "f16", true},
                    Shape{3, 3, 260, 100, 2, 4, 2, "bf16", false}, Shape{5, 4, 100, 77, 1, 3, 7, "bf16", true},
                    Shape{1, 1, 64, 330, 4, 1, 1, "f16", false}, Shape{4, 0, 32, 64, 1, 2, 2, "bf16", true}}) {
      GpuStep step = stepOf(s.rows, s.valid);
      step.multiprocessors = s.multiprocessors;
      expectRight(normOfMoments(streamSchedule(s.stages, s.isSplit, s.slice), s.rows, s.k, s.type, isLayer, false, s.n), step, s.type);
    }
}

/// Tiles normalise rows as they load them: two norms of one value, segments of their own, padding rows.
TEST(GpuMoments, TilesNormaliseRows) {
  struct Shape {
    int rows, valid, k;
    const char *type;
  };
  for (bool isLayer : {true, false})
    for (Shape s : {Shape{20, 17, 104, "bf16"}, Shape{70, 70, 36, "f16"}, Shape{66, 65, 33, "bf16"}, Shape{12, 12, 40, "f32"}}) {
      std::string X = tensor(s.rows, s.k, "f32"), N = tensor(s.rows, s.k, s.type), M = momentsType(s.rows, s.k, isLayer),
                  W = tensor(70, s.k, s.type), Y = tensor(s.rows, 70, s.type), V = formatv("tensor<{0}xf32>", s.k);
      auto norm = [&](llvm::StringRef scale) {
        return formatv("lm.norm {0} %x, {1}{2} moments(%m by 16) eps(1.0e-5) : ({3}, {4}, {5}{6}) -> {7}",
                       isLayer ? "layer" : "rms", scale, isLayer ? ", %b" : "", X, V, isLayer ? V + ", " : "", M, N)
            .str();
      };
      std::string schedule = llvm::StringRef(s.type) == "f32" ? fmaSchedule(64) : mmaSchedule(64, 3);
      expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, 0, 0, 0, {2}, 0, 0, 70, 70]) {{
        ^bb0(%x: {3}, %g: {4}, %h: {4}, %b: {4}, %m: {5}, %w: {6}, %u: {6}):
          %n = {7}
          %o = {8}
          %0 = lm.linear %n, %w : ({9}, {6}) -> {10}
          %1 = lm.linear %o, %u : ({9}, {6}) -> {10}
          %2 = lm.activation relu %1 : {10}
          lm.yield %0, %2 : {10}, {10}
        })",
                          schedule, s.k, (s.k + 15) / 16 * (isLayer ? 2 : 1), X, V, M, W, norm("%g"), norm("%h"), N, Y),
                  stepOf(s.rows, s.valid), s.type);
    }
}

/// Moments behind linears, alone, and what norms make of them: rows far from zero, with a jump, with no numbers.
TEST(GpuMoments, LeftAndRead) {
  for (bool isLayer : {true, false}) {
    for (auto [rows, valid, n] : {std::tuple{1, 1, 80}, {4, 3, 37}, {8, 8, 5}})
      expectRight(leavingKernel(smallSchedule(2), rows, n, 64, "bf16", isLayer), stepOf(rows, valid), "f32");
    expectRight(leavingKernel(mmaSchedule(64, 3), 70, 85, 64, "bf16", isLayer), stepOf(70, 66), "f32");
    for (auto [rows, valid, columns, type] : {std::tuple{1, 1, 600, "bf16"}, {8, 7, 45, "f32"}, {3, 3, 1100, "f16"}}) {
      expectRight(normOfMoments(smallSchedule(2), rows, columns, type, isLayer, false), stepOf(rows, valid), type);
      if (llvm::StringRef(type) != "f32")
        expectRight(normOfMoments(streamSchedule(4, true), rows, columns, type, isLayer, false), stepOf(rows, valid), type);
      expectRight(normOfMoments(plainSchedule("norm_rows"), rows, columns, type, isLayer, true), stepOf(rows, valid), type);
    }
    std::string X = tensor(5, 300, "f32"), M = momentsType(5, 300, isLayer);
    expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([300, {1}]) {{
      ^bb0(%x: {2}):
        %0 = lm.block_moments {3} %x by 16 : {2} -> {4}
        lm.yield %0 : {4}
      })",
                        plainSchedule("reduction_elements"), isLayer ? 38 : 19, X, isLayer ? "layer" : "rms", M),
                stepOf(5, 5), "f32");
  }
}

TEST(GpuRows, NormEmbeddingGather) {
  for (llvm::StringRef type : {"f32", "bf16"})
    for (int cols : {40, 300}) {
      std::string X = tensor(3, cols, "f32"), Y = tensor(3, cols, type);
      expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, 0, 0, {1}]) {{
        ^bb0(%x: {2}, %g: tensor<{1}xf32>, %b: tensor<{1}xf32>):
          %0 = lm.norm layer %x, %g, %b eps(1.0e-5) : ({2}, tensor<{1}xf32>, tensor<{1}xf32>) -> {3}
          lm.yield %0 : {3}
        })",
                          plainSchedule("norm_rows"), cols, X, Y),
                  stepOf(3, 2), type);
      expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, 0, {1}]) {{
        ^bb0(%x: {2}, %g: tensor<{1}xf32>):
          %0 = lm.norm rms %x, %g eps(1.0e-6) : ({2}, tensor<{1}xf32>) -> {3}
          lm.yield %0 : {3}
        })",
                          plainSchedule("norm_rows"), cols, X, Y),
                  stepOf(3, 3), type);
      std::string table = tensor(11, cols, type);
      expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([1, 0, {1}]) {{
        ^bb0(%t: tensor<3xi32>, %w: {2}):
          %0 = lm.embedding %t, %w : (tensor<3xi32>, {2}) -> {3}
          lm.yield %0 : {3}
        })",
                          plainSchedule("embedding_rows"), cols, table, X),
                  stepOf(3, 3), "f32");
      std::string one = tensor(1, cols, type);
      expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, {1}]) {{
        ^bb0(%x: {2}):
          %0 = lm.gather_last %x : {2} -> {3}
          lm.yield %0 : {3}
        })",
                          plainSchedule("gather_last_rows"), cols, Y, one),
                  stepOf(3, 2), type);
    }
}

TEST(GpuElements, RopeAppendElementwise) {
  for (llvm::StringRef type : {"f32", "bf16"}) {
    std::string Q = tensor(5, 3 * 40, type), K = tensor(5, 2 * 24, type);
    expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([200, 1, 0, 120]) {{
      ^bb0(%x: {1}, %p: tensor<5xi32>, %t: tensor<64x40xf32>):
        %0 = lm.rope %x, %p, %t heads(3) : ({1}, tensor<5xi32>, tensor<64x40xf32>) -> {1}
        lm.yield %0 : {1}
      })",
                        plainSchedule("rope_elements"), Q),
                stepOf(5, 4, 9), type);
    expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([0, 48, 100, 1, 1]) {{
      ^bb0(%c: !lm.kv<2x32x2x24x{2}>, %k: {1}, %v: {1}, %p: tensor<5xi32>, %s: tensor<5xi32>):
        lm.kv_append %c, %k, %v, %p, %s : !lm.kv<2x32x2x24x{2}>, {1}, {1}, tensor<5xi32>, tensor<5xi32>
        lm.yield
      })",
                        plainSchedule("kv_append_elements"), K, type),
                stepOf(5, 3, 4), type);
    expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([48, 60, 48]) {{
      ^bb0(%a: {1}, %b: {1}):
        %0 = lm.activation silu %a : {1}
        %1 = lm.binary mul %0, %b : {1}
        lm.yield %1 : {1}
      })",
                        plainSchedule("elementwise_elements"), K),
                stepOf(5, 5), type);
  }
}

TEST(GpuElements, EveryActivation) {
  for (llvm::StringRef kind : {"gelu", "gelu_tanh", "gelu_fast", "quick_gelu", "relu", "silu"}) {
    std::string X = tensor(2, 300, "f32");
    expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([300, 300]) {{
      ^bb0(%a: {1}):
        %0 = lm.activation {2} %a : {1}
        lm.yield %0 : {1}
      })",
                        plainSchedule("elementwise_elements"), X, kind),
                stepOf(2, 2), "f32");
  }
}

namespace {
struct AttentionShape {
  int rows, valid, heads, kvHeads, headDim, positions, first, rowTile, splits, leastKeys;
  bool isDecode;
  const char *alibi;
  int stride = 0; ///< of query and result; 0: dense
};

/// Prompt rows on tensor cores: fragments of a warp and keys of a tile in place of row tiles and splits.
std::string mmaSchedule(const AttentionShape &s) {
  return formatv("\"attention_mma\", source = \"test\", tunables = {{key_tile = {0} : i64, row_fragments = {1} : i64}",
                 s.leastKeys, s.rowTile);
}
std::string flashSchedule(const AttentionShape &s) {
  return formatv("\"attention_flash\", source = \"test\", tunables = {{least_split_keys = {0} : i64, row_tile = {1} : i64, "
                 "splits = {2} : i64}",
                 s.leastKeys, s.rowTile, s.splits);
}

std::string attentionKernel(const AttentionShape &s, llvm::StringRef type, const std::string &schedule) {
  std::string Q = tensor(s.rows, s.heads * s.headDim, type), slopes;
  for (int head = 0; head < s.heads; ++head)
    slopes += formatv("{0}{1:F7}", head ? ", " : "", 0.5 / (head + 1)).str();
  std::string alibi = llvm::StringRef(s.alibi) == "none" ? "none" : formatv("{0} slopes([{1}])", s.alibi, slopes).str();
  std::string cache = formatv("!lm.kv<{0}x{1}x{2}x{3}x{4}>", s.isDecode ? s.rows : 1, s.positions, s.kvHeads, s.headDim, type);
  return formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, 0, 1, 1, {1}]) {{
    ^bb0(%q: {2}, %c: {3}, %p: tensor<{4}xi32>, %s: tensor<{4}xi32>):
      %0 = lm.attention %q, %c, %p, %s heads({5}) scale({6:F6}) alibi {7} : ({2}, {3}, tensor<{4}xi32>, tensor<{4}xi32>) -> {2}
      lm.yield %0 : {2}
    })",
                 schedule, s.stride ? s.stride : s.heads * s.headDim, Q, cache, s.rows, s.heads,
                 1 / std::sqrt(double(s.headDim)), alibi);
}
} // namespace

TEST(GpuAttention, GroupsHeadsAndSplits) {
  std::vector<AttentionShape> shapes = {
      {2, 2, 71, 1, 64, 80, 60, 1, 3, 32, true, "none"},   // 71 heads share keys; merged splits
      {1, 1, 58, 2, 40, 40, 39, 1, 2, 32, true, "none"},   // 29 heads a group
      {1, 1, 16, 1, 80, 128, 100, 1, 4, 32, true, "none"}, // 16
      {3, 2, 8, 2, 128, 40, 0, 1, 2, 32, true, "none"},    // 4; padding row
      {1, 1, 3, 3, 64, 100, 97, 1, 4, 32, true, "hf"},     // 1
      {1, 1, 4, 4, 32, 100, 70, 1, 4, 32, true, "exact"},
      {20, 17, 6, 2, 40, 64, 11, 10, 1, 128, false, "none"}, // prompt rows share a block
      {9, 9, 4, 4, 64, 64, 30, 9, 1, 128, false, "hf"},
      {5, 5, 146, 2, 16, 40, 30, 1, 1, 128, false, "none"}, // more heads than a block takes
  };
  for (const AttentionShape &s : shapes)
    for (llvm::StringRef type : {"f32", "bf16"}) {
      if (!isExhaustive() && type == "bf16" && s.headDim != 64)
        continue;
      expectRight(attentionKernel(s, type, flashSchedule(s)), stepOf(s.rows, s.valid, s.first, s.isDecode), type);
    }
}

/// Fields: rows, valid, heads, KV heads, head size, positions, first position, fragments a warp, -, keys of a tile.
TEST(GpuAttention, TensorCores) {
  std::vector<AttentionShape> shapes = {
      {20, 17, 6, 2, 40, 64, 11, 1, 0, 32, false, "none"},       // half a fragment of columns is zeros; a prefix in the cache
      {3, 3, 71, 1, 64, 160, 150, 2, 0, 64, false, "none"},      // 71 heads fill fragments across rows
      {70, 66, 2, 2, 80, 70, 0, 1, 0, 64, false, "none"},        // items of several blocks; keys end inside a tile
      {33, 33, 4, 1, 128, 64, 7, 1, 0, 64, false, "none"},
      {9, 9, 4, 4, 64, 64, 30, 1, 0, 64, false, "hf"},
      {17, 16, 2, 2, 64, 40, 0, 2, 0, 16, false, "exact"},
      {5, 4, 3, 1, 256, 48, 40, 1, 0, 32, false, "none"},
      {6, 6, 4, 2, 24, 40, 3, 1, 0, 32, false, "none", 104},     // strided query and result: element by element
      {4, 0, 2, 1, 16, 16, 0, 1, 0, 16, false, "none"},          // nothing but padding
  };
  for (const AttentionShape &s : shapes)
    for (llvm::StringRef type : {"bf16", "f16"}) {
      if (!isExhaustive() && type == "f16" && s.headDim != 40 && s.headDim != 128)
        continue;
      expectRight(attentionKernel(s, type, mmaSchedule(s)), stepOf(s.rows, s.valid, s.first), type);
    }
}

/// Counted, not timed: ldmatrix and the asynchronous copies of keys and values meet no bank twice, and the sectors of
/// global memory that they touch are used whole.
TEST(GpuAttention, TensorCoresMeetNoBankTwice) {
  VirtualGpu &gpu = VirtualGpu::get();
  for (AttentionShape s : {AttentionShape{64, 64, 2, 1, 64, 128, 64, 2, 0, 64, false, "none"},
                           AttentionShape{64, 64, 2, 1, 128, 128, 64, 1, 0, 64, false, "none"}}) {
    gpu.count(1);
    GpuOutcome outcome = runGpuKernel(attentionKernel(s, "bf16", mmaSchedule(s)), stepOf(s.rows, s.valid, s.first));
    EXPECT_EQ(outcome.failure, "");
    int numLoads = 0, numCopies = 0;
    for (const OpCount &op : countedOps()) {
      llvm::StringRef opcode = op.opcode;
      if (!opcode.starts_with("ldmatrix") && !opcode.starts_with("cp.async.cg"))
        continue;
      numLoads += opcode.starts_with("ldmatrix");
      numCopies += op.bytes != 0;
      EXPECT_EQ(op.passes, op.leastPasses) << op.text;
      EXPECT_EQ(op.bytes, 32 * op.sectors) << op.text;
    }
    gpu.count(0);
    EXPECT_GT(numLoads, 0);
    EXPECT_GT(numCopies, 0);
  }
}

/// The general form: a norm prologue, two segments, biases, rotation, append, SwiGLU, several results.
TEST(GpuFused, NormQkvUpWithRotationAndAppend) {
  struct Shape {
    int rows, valid, headDim;
    std::string schedule;
    const char *type;
  };
  for (const Shape &s : {Shape{1, 1, 32, smallSchedule(2), "f32"}, Shape{4, 3, 40, smallSchedule(1), "bf16"},
                         Shape{2, 2, 8, smallSchedule(2), "f16"}, Shape{1, 1, 64, streamSchedule(4, false), "bf16"},
                         Shape{4, 3, 40, streamSchedule(2, true), "bf16"}, Shape{8, 7, 32, streamSchedule(3, true), "f16"},
                         Shape{2, 2, 44, streamSchedule(2, true, 1), "f16"}, // 11 strips are finished together
                         Shape{4, 3, 40, streamSchedule(2, true, 1), "bf16"}, Shape{8, 7, 64, streamSchedule(3, true, 1), "bf16"},
                         Shape{2, 2, 8, streamSchedule(1, false), "f16"}}) {
    int heads = 3, kv = 1, hidden = 48, qkv = (heads + 2 * kv) * s.headDim, up = 56;
    std::string row = tensor(s.rows, hidden, "f32"), n = tensor(s.rows, hidden, s.type);
    std::string text = formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>)
      row_strides([{1}, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, {2}, {3}]) {{
    ^bb0(%x: {4}, %g: tensor<{1}xf32>, %b: tensor<{1}xf32>, %wq: {5}, %wg: {6}, %wu: {6}, %bq: tensor<{7}xf32>,
         %p: tensor<{8}xi32>, %t: tensor<64x{9}xf32>, %c: !lm.kv<{8}x64x1x{9}x{10}>, %s: tensor<{8}xi32>):
      %n = lm.norm layer %x, %g, %b eps(1.0e-5) : ({4}, tensor<{1}xf32>, tensor<{1}xf32>) -> {11}
      %0 = lm.linear %n, %wq : ({11}, {5}) -> {12}
      %1 = lm.bias %0, %bq : ({12}, tensor<{7}xf32>) -> {12}
      %q = lm.view %1[0] : {12} -> {13}
      %k = lm.view %1[{2}] : {12} -> {14}
      %v = lm.view %1[{15}] : {12} -> {14}
      %qr = lm.rope %q, %p, %t heads(3) : ({13}, tensor<{8}xi32>, tensor<64x{9}xf32>) -> {13}
      %kr = lm.rope %k, %p, %t heads(1) : ({14}, tensor<{8}xi32>, tensor<64x{9}xf32>) -> {14}
      lm.kv_append %c, %kr, %v, %p, %s : !lm.kv<{8}x64x1x{9}x{10}>, {14}, {14}, tensor<{8}xi32>, tensor<{8}xi32>
      %2 = lm.linear %n, %wg : ({11}, {6}) -> {16}
      %3 = lm.linear %n, %wu : ({11}, {6}) -> {16}
      %4 = lm.activation silu %2 : {16}
      %5 = lm.binary mul %4, %3 : {16}
      lm.yield %qr, %5 : {13}, {16}
    })",
                               s.schedule, hidden, heads * s.headDim, up, row,
                               tensor(qkv, hidden, s.type), tensor(up, hidden, s.type), qkv, s.rows,
                               s.headDim, s.type, n, tensor(s.rows, qkv, s.type),
                               tensor(s.rows, heads * s.headDim, s.type), tensor(s.rows, s.headDim, s.type),
                               (heads + kv) * s.headDim, tensor(s.rows, up, s.type))
                           .str();
    expectRight(text, stepOf(s.rows, s.valid, 5, true), s.type);
  }
}

/// Two linears summed with a residual; the embedding in front of two norms, yielded as well.
TEST(GpuFused, OutDownAndEmbedding) {
  for (auto [schedule, type] : {std::pair{smallSchedule(2), "f32"}, {smallSchedule(2), "bf16"}, {streamSchedule(2, true), "bf16"},
                                {streamSchedule(3, false), "f16"}, {streamSchedule(2, true, 1), "bf16"}}) {
    std::string a = tensor(2, 24, type), u = tensor(2, 100, type), wo = tensor(40, 24, type), wd = tensor(40, 100, type);
    expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([24, 100, 0, 0, 40, 40]) {{
      ^bb0(%a: {1}, %u: {2}, %wo: {3}, %wd: {4}, %r: tensor<2x40xf32>):
        %0 = lm.linear %a, %wo : ({1}, {3}) -> tensor<2x40xf32>
        %1 = lm.linear %u, %wd : ({2}, {4}) -> tensor<2x40xf32>
        %2 = lm.binary add %1, %0 : tensor<2x40xf32>
        %3 = lm.binary add %r, %2 : tensor<2x40xf32>
        lm.yield %3 : tensor<2x40xf32>
      })",
                        schedule, a, u, wo, wd),
                stepOf(2, 2), "f32");
    // A table that lies in tiles, as the head would have it.
    const char *tiled = llvm::StringRef(schedule).contains("stream") ? "attributes {tiled = array<i64: 1>}" : "";
    std::string table = tensor(13, 48, type), n = tensor(2, 48, type), w = tensor(20, 48, type), y = tensor(2, 20, type);
    expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([1, 0, 0, 0, 0, 0, 0, 20, 20, 48]) {5} {{
      ^bb0(%t: tensor<2xi32>, %e: {1}, %g: tensor<48xf32>, %b: tensor<48xf32>, %h: tensor<48xf32>, %w1: {2}, %w2: {2}):
        %x = lm.embedding %t, %e : (tensor<2xi32>, {1}) -> tensor<2x48xf32>
        %n1 = lm.norm layer %x, %g, %b eps(1.0e-5) : (tensor<2x48xf32>, tensor<48xf32>, tensor<48xf32>) -> {3}
        %n2 = lm.norm layer %x, %h, %b eps(1.0e-5) : (tensor<2x48xf32>, tensor<48xf32>, tensor<48xf32>) -> {3}
        %0 = lm.linear %n1, %w1 : ({3}, {2}) -> {4}
        %1 = lm.linear %n2, %w2 : ({3}, {2}) -> {4}
        lm.yield %0, %1, %x : {4}, {4}, tensor<2x48xf32>
      })",
                        schedule, table, w, n, y, tiled),
                stepOf(2, 2), type);
  }
}

/// Prompt rows: rotation and append behind tensor cores, tiles of whole and of half heads.
TEST(GpuFused, TilesWithRotation) {
  struct Shape {
    int headDim, columns;
  };
  for (Shape s : {Shape{40, 80}, Shape{128, 64}}) {
    int rows = 20, k = 64, n = 4 * s.headDim;
    std::string x = tensor(rows, k, "bf16"), w = tensor(n, k, "bf16"), y = tensor(rows, n, "bf16"),
                q = tensor(rows, 2 * s.headDim, "bf16"), h = tensor(rows, s.headDim, "bf16");
    expectRight(formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([64, 0, 1, 0, 0, 1, {1}]) {{
      ^bb0(%x: {2}, %w: {3}, %p: tensor<20xi32>, %t: tensor<64x{4}xf32>, %c: !lm.kv<1x64x1x{4}xbf16>, %s: tensor<20xi32>):
        %0 = lm.linear %x, %w : ({2}, {3}) -> {5}
        %q = lm.view %0[0] : {5} -> {6}
        %k = lm.view %0[{1}] : {5} -> {7}
        %v = lm.view %0[{8}] : {5} -> {7}
        %qr = lm.rope %q, %p, %t heads(2) : ({6}, tensor<20xi32>, tensor<64x{4}xf32>) -> {6}
        %kr = lm.rope %k, %p, %t heads(1) : ({7}, tensor<20xi32>, tensor<64x{4}xf32>) -> {7}
        lm.kv_append %c, %kr, %v, %p, %s : !lm.kv<1x64x1x{4}xbf16>, {7}, {7}, tensor<20xi32>, tensor<20xi32>
        lm.yield %qr : {6}
      })",
                        mmaSchedule(s.columns, 3), 2 * s.headDim, x, w, s.headDim, y, q, h, 3 * s.headDim),
                stepOf(rows, 18, 3), "bf16");
  }
}

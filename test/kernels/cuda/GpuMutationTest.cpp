//===- GpuMutationTest.cpp - do checkers notice missing synchronisation? --===//
//
// Deletes each synchronisation instruction of each kind of CUDA kernel in turn; the virtual GPU has to
// report a finding or compute something else. What survives is listed with its reason.
//
//===----------------------------------------------------------------------===//
#include "test/kernels/cuda/GpuHarness.h"
#include "llvm/ADT/StringRef.h"
#include <gtest/gtest.h>

using namespace stoop::test;

namespace {
struct Sample {
  const char *name;
  std::string text;
  GpuStep step;
};

/// The mutation of the run in progress: blanks the n-th synchronisation.
size_t mutated = 0;
std::string deleted;

bool synchronises(llvm::StringRef line) {
  line = line.trim();
  line.consume_front("{");
  line = line.trim();
  for (llvm::StringRef opcode : {"bar.", "barrier.", "membar", "fence", "cp.async.wait", "cp.async.commit"})
    if (line.starts_with(opcode))
      return true;
  return false;
}

std::string deleteOne(const std::string &ptx) {
  std::string result;
  size_t number = 0;
  deleted.clear();
  llvm::StringRef rest = ptx;
  while (!rest.empty()) {
    auto [line, behind] = rest.split('\n');
    if (synchronises(line) && number++ == mutated)
      deleted = line.trim().str();
    else
      result += line.str();
    result += '\n';
    rest = behind;
  }
  return result;
}

GpuStep stepOf(int rows, int firstPosition = 0) {
  GpuStep step;
  step.validRows = rows;
  for (int row = 0; row < rows; ++row) {
    step.positions.push_back(firstPosition + row);
    step.slots.push_back(0);
  }
  return step;
}

std::vector<Sample> samples() {
  return {{"linear_small", R"(plan.kernel @k schedule(#plan.schedule<"linear_small", source = "test",
      tunables = {columns_per_warp = 2 : i64}>) row_strides([600, 0, 0, 20]) {
    ^bb0(%x: tensor<2x600xf32>, %g: tensor<600xf32>, %w: tensor<20x600xbf16>):
      %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<2x600xf32>, tensor<600xf32>) -> tensor<2x600xbf16>
      %0 = lm.linear %n, %w : (tensor<2x600xbf16>, tensor<20x600xbf16>) -> tensor<2x20xf32>
      lm.yield %0 : tensor<2x20xf32>
    })",
           stepOf(2)},
          {"linear_fma", R"(plan.kernel @k schedule(#plan.schedule<"linear_fma", source = "test",
      tunables = {tile_columns = 64 : i64}>) row_strides([48, 0, 40]) {
    ^bb0(%x: tensor<30x48xf32>, %w: tensor<40x48xbf16>):
      %0 = lm.linear %x, %w : (tensor<30x48xf32>, tensor<40x48xbf16>) -> tensor<30x40xf32>
      lm.yield %0 : tensor<30x40xf32>
    })",
           stepOf(30)},
          {"linear_mma", R"(plan.kernel @k schedule(#plan.schedule<"linear_mma", source = "test",
      tunables = {stages = 3 : i64, tile_columns = 64 : i64}>) row_strides([256, 256, 0, 0, 40]) {
    ^bb0(%x: tensor<30x256xbf16>, %y: tensor<30x256xbf16>, %w: tensor<40x256xbf16>, %u: tensor<40x256xbf16>):
      %0 = lm.linear %x, %w : (tensor<30x256xbf16>, tensor<40x256xbf16>) -> tensor<30x40xf32>
      %1 = lm.linear %y, %u : (tensor<30x256xbf16>, tensor<40x256xbf16>) -> tensor<30x40xf32>
      %2 = lm.binary add %0, %1 : tensor<30x40xf32>
      lm.yield %2 : tensor<30x40xf32>
    })",
           stepOf(30)},
          {"norm_rows", R"(plan.kernel @k schedule(#plan.schedule<"norm_rows", source = "test", tunables = {}>)
      row_strides([600, 0, 0, 600]) {
    ^bb0(%x: tensor<2x600xf32>, %g: tensor<600xf32>, %b: tensor<600xf32>):
      %n = lm.norm layer %x, %g, %b eps(1.0e-5) : (tensor<2x600xf32>, tensor<600xf32>, tensor<600xf32>) -> tensor<2x600xf32>
      lm.yield %n : tensor<2x600xf32>
    })",
           stepOf(2)},
          {"attention_flash", R"(plan.kernel @k schedule(#plan.schedule<"attention_flash", source = "test",
      tunables = {least_split_keys = 32 : i64, row_tile = 1 : i64, splits = 3 : i64}>) row_strides([96, 0, 1, 1, 96]) {
    ^bb0(%q: tensor<1x96xf32>, %c: !lm.kv<1x256x1x32xf32>, %p: tensor<1xi32>, %s: tensor<1xi32>):
      %0 = lm.attention %q, %c, %p, %s heads(3) scale(0.25) alibi none
          : (tensor<1x96xf32>, !lm.kv<1x256x1x32xf32>, tensor<1xi32>, tensor<1xi32>) -> tensor<1x96xf32>
      lm.yield %0 : tensor<1x96xf32>
    })",
           stepOf(1, 200)}};
}
} // namespace

TEST(GpuMutationTest, DeletedSynchronisationIsNoticed) {
  int total = 0, caught = 0;
  std::vector<std::string> survivors;
  for (Sample &sample : samples()) {
    GpuOutcome right = runGpuKernel(sample.text, sample.step);
    ASSERT_EQ(right.failure, "") << sample.name;
    std::string ptx = ptxOf(sample.text);
    for (mutated = 0;; ++mutated) {
      deleteOne(ptx);
      if (deleted.empty())
        break;
      std::string victim = deleted;
      bool isNoticed = false;
      for (uint64_t seed = 1; seed <= 3 && !isNoticed; ++seed) {
        sample.step.seed = seed;
        GpuOutcome outcome = runGpuKernel(sample.text, sample.step, deleteOne);
        isNoticed = !outcome.failure.empty() || !(outcome.worst <= 1e-4);
      }
      ++total;
      caught += isNoticed;
      if (!isNoticed)
        survivors.push_back(std::string(sample.name) + " " + std::to_string(mutated) + " " + victim);
    }
  }
  printf("mutants caught: %d of %d\n", caught, total);
  EXPECT_GE(total, 20);
  // The last barrier of the last block_sum frees shared memory that nobody uses again.
  EXPECT_EQ(survivors, (std::vector<std::string>{"norm_rows 3 bar.sync \t0;"}));
}

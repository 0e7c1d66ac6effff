//===- GpuMutationTest.cpp - do checkers notice missing synchronisation? --===//
//
// Deletes each synchronisation instruction of each kind of CUDA kernel in turn, and turns operations of the two kernels
// with the most branches into their opposites; the virtual GPU has to report a finding or compute something else. What
// survives is listed with its reason. Waits for the launch in front are deleted and moved where launches may overlap.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/CubinInfo.h"
#include "codegen/cuda/KernelEmitter.h"
#include "kernels/catalog/GpuCatalog.h"
#include "test/kernels/cuda/SamplingTrials.h"
#include "test/kernels/cuda/PtxMutation.h"
#include "llvm/ADT/STLExtras.h"
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;

namespace {
struct Sample {
  const char *name;
  std::string text;
  GpuStep step;
  double tolerance = 1e-4; ///< relative error of the right kernel, at most
};

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
          {"linear_stream", R"(plan.kernel @k schedule(#plan.schedule<"linear_stream", source = "test",
      tunables = {slice = 1 : i64, split = 1 : i64, stages = 3 : i64, trigger = 50 : i64}>) row_strides([104, 0, 0, 0, 160]) {
    ^bb0(%x: tensor<2x104xf32>, %g: tensor<104xf32>, %w: tensor<160x104xbf16>, %u: tensor<160x104xbf16>):
      %n = lm.norm rms %x, %g eps(1.0e-5) : (tensor<2x104xf32>, tensor<104xf32>) -> tensor<2x104xbf16>
      %0 = lm.linear %n, %w : (tensor<2x104xbf16>, tensor<160x104xbf16>) -> tensor<2x160xf32>
      %1 = lm.linear %n, %u : (tensor<2x104xbf16>, tensor<160x104xbf16>) -> tensor<2x160xf32>
      %2 = lm.binary mul %0, %1 : tensor<2x160xf32>
      lm.yield %2 : tensor<2x160xf32>
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
      tunables = {splits = 3 : i64, stages = 3 : i64, tile_columns = 64 : i64}>) row_strides([256, 256, 0, 0, 40]) {
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
           stepOf(1, 200)},
          {"attention_mma", R"(plan.kernel @k schedule(#plan.schedule<"attention_mma", source = "test",
      tunables = {key_tile = 16 : i64, row_fragments = 1 : i64}>) row_strides([96, 0, 1, 1, 96]) {
    ^bb0(%q: tensor<36x96xbf16>, %c: !lm.kv<1x64x2x24xbf16>, %p: tensor<36xi32>, %s: tensor<36xi32>):
      %0 = lm.attention %q, %c, %p, %s heads(4) scale(8.0) alibi exact slopes([0.5, 0.25, 0.125, 0.0625])
          : (tensor<36x96xbf16>, !lm.kv<1x64x2x24xbf16>, tensor<36xi32>, tensor<36xi32>) -> tensor<36x96xbf16>
      lm.yield %0 : tensor<36x96xbf16>
    })",
           stepOf(36, 9), 8e-3}};
}


/// The text of the source line that a line of PTX comes from, without blanks around it.
std::string sourceTextOf(const std::string &ptx, size_t line) {
  auto [file, at] = sourceLineOf(ptx, line);
  for (const kernels::GpuSource &source : kernels::gpuSources())
    if ("/" + source.path.str() == file) {
      llvm::StringRef rest = source.text;
      for (unsigned number = 1; number < at; ++number)
        rest = rest.split('\n').second;
      return rest.split('\n').first.trim().str();
    }
  return file + ":" + std::to_string(at);
}

/// Mutants that change nothing: the source they come from, how many there are, why they make no difference.
struct Equivalent {
  const char *source;
  int most;
  const char *why;
};

/// Mutants of one kernel that were run, and those that nobody noticed.
struct Score {
  int total = 0;
  std::vector<std::string> survivors;

  void note(const char *kernel, const std::string &ptx, const Mutant &mutant, bool isNoticed) {
    ++total;
    if (!isNoticed)
      survivors.push_back(std::string(kernel) + " " + std::to_string(mutant.line) + ": " + mutant.text() + " of " +
                          sourceTextOf(ptx, mutant.line));
  }
  void print(const char *what) const {
    printf("%s: %d of %d mutants caught\n", what, total - static_cast<int>(survivors.size()), total);
    for (const std::string &survivor : survivors)
      printf("  survived: %s\n", survivor.c_str());
  }
  /// Fails for each survivor that is not among the equivalent ones.
  void expectEquivalent(llvm::ArrayRef<Equivalent> list) const {
    std::vector<int> found(list.size());
    for (const std::string &survivor : survivors) {
      auto known = llvm::find_if(list, [&](const Equivalent &e) { return llvm::StringRef(survivor).contains(e.source); });
      EXPECT_NE(known, list.end()) << "survived: " << survivor;
      if (known == list.end())
        continue;
      EXPECT_LE(++found[known - list.begin()], known->most) << "survived: " << survivor;
    }
  }
};

/// Runs the kernel with three orders of blocks and warps, until a finding or a wrong value.
bool isNoticed(Sample sample, const Mutant &mutant) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    sample.step.seed = seed;
    GpuOutcome outcome = runGpuKernel(sample.text, sample.step, [&](const std::string &ptx) { return mutant.apply(ptx); });
    if (!outcome.failure.empty() || !(outcome.worst <= sample.tolerance))
      return true;
  }
  return false;
}

/// What `run` executes of the kernel `entry`.
template <class Run> ExecutedLines executedBy(llvm::StringRef entry, Run run) {
  VirtualGpu &gpu = VirtualGpu::get();
  gpu.count(1);
  run();
  ExecutedLines lines;
  llvm::StringRef rest = gpu.counts();
  while (!rest.empty()) {
    auto [line, behind] = rest.split('\n');
    rest = behind;
    size_t number = 0;
    if (line.consume_front("op ") && line.consume_front(entry) && !line.trim().consumeInteger(10, number))
      lines.insert(number - 1);
  }
  gpu.count(0);
  return lines;
}

/// Generations of all kinds; made once, because the sharpest borders take long to be found.
const std::vector<SamplingTrial> &samplingTrials() {
  static const std::vector<SamplingTrial> trials = [] {
    constexpr uint32_t kVocab = 1000; // twice as many as a block has threads
    constexpr auto kKinds = SamplingTrials::NumKinds;
    std::vector<SamplingTrial> trials;
    SamplingTrials any(5), sharp(6, 1 << 21);
    for (int n = 0; n < 20 * kKinds; ++n)
      trials.push_back(any.next(kVocab, SamplingTrials::Kind(n % kKinds)));
    for (int n = 0; n < 2 * kKinds; ++n)
      if (n % kKinds >= SamplingTrials::TopPBelow)
        trials.push_back(sharp.next(kVocab, SamplingTrials::Kind(n % kKinds)));
    for (int n = 0; n < 8; ++n)
      trials.push_back(any.next(66000, SamplingTrials::NoNumbers)); // more ids than 16 bits name
    SamplingTrials maxima(7);
    for (int n = 0; n < 24; ++n) // more blocks than a block has threads, then fewer
      trials.push_back(maxima.negative(n < 4 ? 66000 : kVocab));
    return trials;
  }();
  return trials;
}

/// Whether a finding, another token than the host's or a wrong state comes out.
bool isNoticedBySampling(const PtxEdit &edit) {
  std::unique_ptr<DeviceSampler> device;
  size_t vocab = 0;
  for (const SamplingTrial &trial : samplingTrials()) {
    if (trial.logits[0].size() != vocab) {
      vocab = trial.logits[0].size();
      device = std::make_unique<DeviceSampler>(vocab, edit);
    }
    if (!device->failure.empty() || !trial.run(*device).empty())
      return true;
  }
  return false;
}
} // namespace

TEST(GpuMutationTest, MissingSynchronisationIsNoticed) {
  Score score;
  for (Sample &sample : samples()) {
    GpuOutcome right;
    ExecutedLines lines = executedBy(codegen::kEntryName, [&] { right = runGpuKernel(sample.text, sample.step); });
    ASSERT_EQ(right.failure, "") << sample.name;
    ASSERT_LE(right.worst, sample.tolerance) << sample.name;
    const std::string ptx = ptxOf(sample.text);
    for (const Mutant &mutant : missingSynchronisation(ptx, lines))
      score.note(sample.name, ptx, mutant, isNoticed(sample, mutant));
  }
  score.print("synchronisation");
  EXPECT_GE(score.total, 30);
  score.expectEquivalent({{"norm_rows", 1, "frees shared memory behind the last block_sum, which nobody uses again"},
                          {"// the sums of all blocks", 1, "a thread finishes the places that it has added, but for rotated pairs"}});
}

TEST(GpuMutationTest, WrongAttentionIsNoticed) {
  Score score;
  for (Sample &sample : samples()) {
    if (llvm::StringRef(sample.name) != "attention_mma")
      continue;
    ExecutedLines lines = executedBy(codegen::kEntryName, [&] { runGpuKernel(sample.text, sample.step); });
    const std::string ptx = ptxOf(sample.text);
    for (const Mutant &mutant : wrongOperations(ptx, lines, 60, 11))
      score.note(sample.name, ptx, mutant, isNoticed(sample, mutant));
  }
  score.print("attention");
  EXPECT_EQ(score.total, 60);
  score.expectEquivalent(
      {{"const int row0 = b.item0 / Shape::group", 1, "corrects a signed quotient for negative items; there are none"},
       {"item % Shape::group", 1, "corrects a signed remainder for negative items; there are none"},
       {"for (int i = threadIdx.x; i < count * chunks; i += THREADS) {", 1, "the bound of a loop that is passed once at most"}});
}

TEST(GpuMutationTest, WrongSamplingIsNoticed) {
  std::string failure;
  codegen::CubinInfo info;
  const std::string ptx = DeviceSampler::ptx(failure, info);
  ASSERT_EQ(failure, "");
  ExecutedLines lines = executedBy(codegen::kChooseName, [&] { isNoticedBySampling(nullptr); });
  auto notices = [](const Mutant &mutant) {
    return isNoticedBySampling([&](const std::string &text) { return mutant.apply(text); });
  };
  Score synchronisation, operations;
  for (const Mutant &mutant : missingSynchronisation(ptx, lines))
    synchronisation.note("choose_token", ptx, mutant, notices(mutant));
  synchronisation.print("sampling, synchronisation");
  EXPECT_GE(synchronisation.total, 70);
  synchronisation.expectEquivalent({{"__syncthreads();  // the last values have been read", 2,
                                     "of a first combine(): no values were there to be read before"}});
  for (const Mutant &mutant : wrongOperations(ptx, lines, 40, 12))
    operations.note("choose_token", ptx, mutant, notices(mutant));
  operations.print("sampling, operations");
  EXPECT_EQ(operations.total, 40);
  operations.expectEquivalent(
      {{"if (threadIdx.x % 32 == 0) shared.partial[threadIdx.x / 32] = value;", 10,
        "every lane holds what its warp's values combine to: any of them may write it"}});
}

/// Each wait for the launch in front taken out, and all of them moved to the ends of the kernel.
TEST(GpuOverlap, MissingAndLateWaitsAreNoticed) {
  if (!overlapsLaunches())
    GTEST_SKIP() << "launches follow one another";
  for (Sample &sample : samples()) {
    ASSERT_EQ(runGpuKernel(sample.text, sample.step).failure, "") << sample.name;
    const std::string ptx = ptxOf(sample.text);
    std::vector<Mutant> waits = withoutInstruction(ptx, "griddepcontrol.wait");
    EXPECT_GE(waits.size(), 1u) << sample.name;
    for (const Mutant &mutant : waits)
      EXPECT_TRUE(isNoticed(sample, mutant)) << sample.name << " without the wait in line " << mutant.line;
    const PtxEdit late = [&](std::string text) {
      for (const Mutant &mutant : waits)
        text = mutant.apply(text);
      for (size_t at = 0; (at = text.find("\tret;", at)) != std::string::npos; at += 30)
        text.replace(at, 5, "\tgriddepcontrol.wait;\tret;    ");
      return text;
    };
    const std::string findings = runGpuKernel(sample.text, sample.step, late).findings;
    EXPECT_NE(findings.find("before its griddepcontrol.wait"), std::string::npos) << sample.name << ": " << findings;
  }
}

//===- TuneTest.cpp - measuring candidates --------------------------------===//
//
// No time is asserted: what is tested is that every kernel of real plans can be run on made-up
// operands, that all candidates give one result, and that one that does not is found.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/CpuLevels.h"
#include "compiler/tune/CpuEngine.h"
#include "compiler/driver/Compilation.h"
#include "compiler/tune/TuneLoop.h"
#include "kernels/common/params.h"
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::tune;

namespace {
/// A recorded checkpoint's plan.
struct Plan {
  driver::Session session;
  std::unique_ptr<driver::Compilation> compilation;

  static driver::OutputOptions quiet() {
    driver::OutputOptions output;
    output.quiet = true;
    return output;
  }
  Plan(const std::string &checkpoint, const std::string &scheme) : session(quiet()) {
    driver::ModelOptions model;
    model.checkpoint = std::string(STOOP_SOURCE_DIR) + "/test/checkpoints/" + checkpoint;
    model.configAlone = model.noTokenizer = true;
    driver::CompileOptions options;
    options.quantization.scheme = scheme;
    options.tuningDb = "none";
    options.prefillBuckets = {19};
    options.maxBatchSize = 2;
    compilation =
        std::make_unique<driver::Compilation>(session, model, options, llvm::json::Object());
    EXPECT_EQ(compilation->configure(), driver::ExitOk);
    EXPECT_TRUE(succeeded(compilation->fromCheckpoint(driver::Phase::Planned)));
  }
  plan::ProgramOp program() { return *compilation->module().getOps<plan::ProgramOp>().begin(); }
};

const schedule::TargetInfo &cpu() { return *schedule::findTarget("cpu"); }

const kernels::KernelLevel &level() { return *codegen::bestLevel(codegen::detectCpuFeatures()); }

TuneOptions options() {
  return {&cpu(), {"test", 2, level().name.str(), "library"}, uint64_t(time(nullptr))};
}

std::unique_ptr<CpuEngine> engine(CpuEngine::Alter alter = {}) {
  llvm::Expected<std::unique_ptr<CpuEngine>> started = CpuEngine::start(level(), 2, 1, std::move(alter));
  EXPECT_TRUE(bool(started));
  return std::move(*started);
}
} // namespace

TEST(Tune, EveryCandidateGivesTheHeuristicKernelsResult) {
  const std::pair<const char *, const char *> models[] = {
      {"rand-rw1b", "none"}, {"rand-11b", "int4-g32"}};
  std::unique_ptr<CpuEngine> cores = engine();
  for (auto [checkpoint, scheme] : models) {
    Plan plan(checkpoint, scheme);
    std::vector<TuneTask> tasks = collectTasks(plan.program(), cpu());
    bool few = false, many = false;
    TuneLoop loop(*cores, options());
    for (const TuneTask &task : tasks) {
      SCOPED_TRACE(std::string(checkpoint) + " " + scheme + ": " + task.summary + ", " +
                   std::to_string(task.rows) + " rows");
      // One kernel of each kind is enough: compiling is what takes time.
      bool &seen = task.rows > 4 ? many : few;
      if (std::exchange(seen, true))
        continue;
      llvm::Expected<tuning::Entry> entry = loop.tune(task, 1);
      ASSERT_TRUE(bool(entry)) << llvm::toString(entry.takeError());
      for (const tuning::Rejection &rejection : entry->rejected)
        ADD_FAILURE() << rejection.detail;
      EXPECT_GT(entry->measured.median, 0u);
      EXPECT_GE(entry->measured.count, 3u);
      EXPECT_LE(entry->measured.p10, entry->measured.p90);
      llvm::SmallVector<std::pair<llvm::StringRef, int64_t>> values(entry->tunables.begin(),
                                                              entry->tunables.end());
      EXPECT_EQ(cpu().findTemplate(entry->kernelTemplate)->whyNot(values, entry->rows), "");
    }
    EXPECT_TRUE(few && many) << checkpoint;
  }
}

TEST(Tune, WrongResultsAreRejectedUntimed) {
  Plan plan("rand-rw1b", "none");
  // The one candidate whose norm is another.
  auto damage = [](const tuning::Tunables &tunables, codegen::KernelSpec &spec) {
    for (const auto &[name, value] : tunables)
      if (name == "prefetch" && value == 256)
        reinterpret_cast<kernels::LinearParams *>(spec.params.data())->prologue.epsilon = 100;
  };
  std::unique_ptr<CpuEngine> cores = engine(damage);
  TuneLoop loop(*cores, options());
  for (const TuneTask &task : collectTasks(plan.program(), cpu())) {
    if (task.rows != 1 || task.summary.find("norm") == std::string::npos)
      continue;
    llvm::Expected<tuning::Entry> entry = loop.tune(task, 0.1);
    ASSERT_TRUE(bool(entry)) << llvm::toString(entry.takeError());
    ASSERT_EQ(entry->rejected.size(), 1u) << task.summary;
    EXPECT_EQ(entry->rejected[0].reason, tuning::Rejection::WrongResult);
    for (const auto &[name, value] : entry->tunables)
      EXPECT_FALSE(name == "prefetch" && value == 256);
    return;
  }
  FAIL() << "no kernel with a norm";
}

TEST(Tune, DecilesOfSamples) {
  std::vector<uint64_t> samples;
  for (uint64_t i = 0; i <= 100; ++i)
    samples.push_back(1000 - i);
  tuning::Times times = summarize(samples);
  EXPECT_EQ(times.median, 950u);
  EXPECT_EQ(times.p10, 910u);
  EXPECT_EQ(times.p90, 990u);
  EXPECT_EQ(times.count, 101u);
}

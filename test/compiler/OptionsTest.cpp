//===- OptionsTest.cpp - flags, phases and progress lines -----------------===//

#include "compiler/driver/Fit.h"
#include "compiler/driver/Options.h"
#include "compiler/driver/Phase.h"
#include "compiler/driver/Progress.h"
#include <CLI/CLI.hpp>
#include <gtest/gtest.h>
#include <random>

using namespace stoop::driver;

namespace {

/// Parses words as `stoop compile` would; the error's text, or empty.
struct Parser {
  ModelOptions model;
  CompileOptions compile;
  OutputOptions output;
  CLI::App app;

  Parser() {
    declareModelOptions(app, model, true);
    declareCompileOptions(app, compile);
    declareOutputOptions(app, output);
  }

  std::string parse(std::vector<const char *> words) {
    words.insert(words.begin(), "stoop");
    std::vector<std::string> all =
        normalizeArguments(static_cast<int>(words.size()), const_cast<char **>(words.data()));
    std::reverse(all.begin(), all.end());
    try {
      app.parse(all);
    } catch (const CLI::ParseError &error) {
      return error.what();
    }
    return "";
  }
};

TEST(OptionsTest, UnderscoresAndEqualsSignsAreAccepted) {
  Parser parser;
  EXPECT_EQ(parser.parse({"model_dir", "--max_seq_len=77", "--prefill_buckets", "1,2,3",
                          "-march=avx512,x86-64-v3"}),
            "");
  EXPECT_EQ(parser.model.checkpoint, "model_dir");
  EXPECT_EQ(parser.model.maxSeqLen, 77);
  EXPECT_EQ(parser.compile.prefillBuckets, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(parser.compile.targetCpus, (std::vector<std::string>{"avx512", "x86-64-v3"}));
}

TEST(OptionsTest, ListsDoNotSwallowTheCheckpoint) {
  Parser parser;
  EXPECT_EQ(parser.parse(
                {"--target-cpu", "avx512,amx", "--eos-id", "1,2", "--prefill-buckets", "8", "m"}),
            "");
  EXPECT_EQ(parser.model.checkpoint, "m");
  EXPECT_EQ(parser.compile.targetCpus.size(), 2u);
}

TEST(OptionsTest, ValuesKeepTheirUnderscores) {
  Parser parser;
  EXPECT_EQ(parser.parse({"m", "--dump_phases_to=a_b/c_d"}), "");
  EXPECT_EQ(parser.compile.dumpPhasesTo, "a_b/c_d");
}

TEST(OptionsTest, LaterFlagsAreRefusedByName) {
  for (const char *word :
       {"--kv_cache_dtype=int8", "--window=128", "--sink=1", "--verify-numerics"}) {
    std::string message = Parser().parse({"m", word});
    std::string name = std::string(word).substr(0, std::string(word).find('='));
    std::replace(name.begin(), name.end(), '_', '-');
    EXPECT_NE(message.find(name), std::string::npos) << word << ": " << message;
    EXPECT_NE(message.find("not supported by this version"), std::string::npos) << message;
  }
  EXPECT_EQ(Parser().parse({"m", "--kv-cache-dtype=auto"}), "");
}

TEST(OptionsTest, BadValuesNameTheFlag) {
  const std::pair<std::vector<const char *>, const char *> cases[] = {
      {{"m", "--dtype", "f64"}, "--dtype"},
      {{"m", "--max-seq-len", "0"}, "--max-seq-len"},
      {{"m", "--max-seq-len", "many"}, "many"},
      {{"m", "--max-seq-len", "16777217"}, "16777216"},
      {{"m", "--memory-budget", "8Gb5"}, "--memory-budget"},
      {{"m", "--memory-budget", "-1"}, "--memory-budget"},
      {{"m", "--memory-budget", "GiB"}, "GiB"},
      {{"m", "--memory-budget="}, "--memory-budget"},
      {{"m", "--memory-budget", "1.5.2GiB"}, "1.5.2GiB"},
      {{"m", "--memory-budget", ".5GiB"}, ".5GiB"},
      {{"m", "--memory-budget", "1.GiB"}, "1.GiB"},
      {{"m", "--memory-budget", "99999999EiB"}, "99999999EiB"},
      {{"m", "--max-threads", "0"}, "--max-threads"},
      {{"m", "--max-batch-size", "-1"}, "--max-batch-size"},
      {{"m", "--quantization", "int3"}, "schemes: none, int8, int4, int4-g32, int4-g128"},
      {{"m", "--quantization-override", "embed"}, "PATTERN=SCHEME"},
      {{"m", "--quantization-override", "=int8"}, "PATTERN=SCHEME"},
      {{"m", "--activation-dtype", "int8"}, "auto, f32, bf16, f16"},
      {{"m", "--quantization-override", "a b=int8"}, "spaces"},
      {{"m", "--quantization-override", "embed=int5"}, "there is no scheme 'int5'"},
      {{"m", "--target", "abacus"}, "supported: cpu, cuda"},
      {{"m", "--target", "reference"}, "stoop evaluate"},
      {{"m", "--alibi", "both"}, "--alibi"},
      {{"m", "-j", "0"}, "-j"},
      {{"m", "-v", "--quiet"}, "--quiet"},
      {{"m", "--no-such-flag"}, "--no-such-flag"},
      {{"m", "surplus"}, "surplus"},
      {{}, "CHECKPOINT"}};
  for (const auto &[words, expected] : cases) {
    std::string message = Parser().parse(words);
    EXPECT_NE(message.find(expected), std::string::npos) << expected << " in: " << message;
  }
}

TEST(OptionsTest, BudgetsAreBytes) {
  const std::pair<const char *, uint64_t> cases[] = {
      {"4096", 4096},         {"8GiB", uint64_t(8) << 30}, {"8gib", uint64_t(8) << 30},
      {"16 MiB", 16u << 20}, {"2GB", 2'000'000'000},      {"3k", 3000},
      {"1TiB", uint64_t(1) << 40}, {"1.5GiB", uint64_t(3) << 29}, {"0.5 KiB", 512},
      {"2.0019k", 2001}};
  for (const auto &[text, bytes] : cases) {
    Parser parser;
    EXPECT_EQ(parser.parse({"m", "--memory-budget", text}), "");
    EXPECT_EQ(parser.compile.memoryBudget, bytes) << text;
  }
  Parser none;
  EXPECT_EQ(none.parse({"m", "--memory-budget=none", "-c", "512"}), "");
  EXPECT_FALSE(none.compile.memoryBudget);
  EXPECT_EQ(none.model.maxSeqLen, 512);
  Parser fit;
  EXPECT_EQ(fit.parse({"m", "--max-seq-len", "fit"}), "");
  EXPECT_TRUE(fit.model.fitContext);
  EXPECT_FALSE(fit.model.maxSeqLen);
}

// What the search returns fits and the next value does not, whatever the slope, steps and bends.
TEST(FitTest, FindsTheLargestThatFits) {
  std::mt19937_64 random(5);
  unsigned numCalls = 0;
  for (int i = 0; i < 500; ++i) {
    uint64_t base = random() % 1'000'000, slope = random() % 5000, grain = 1 + random() % 64;
    int64_t most = 1 + int64_t(random() % 100'000), bend = int64_t(random() % 100'000);
    auto bytesOf = [&](int64_t value) {
      uint64_t bytes = base + slope * uint64_t(value) + (value > bend ? 77'777 : 0);
      return (bytes + grain - 1) / grain * grain;
    };
    uint64_t budget = random() % (base + slope * uint64_t(most) + 100'000);
    auto counted = [&](int64_t value) -> std::optional<uint64_t> {
      ++numCalls;
      return bytesOf(value);
    };
    std::optional<int64_t> found = largestThatFits(most, budget, counted);
    ASSERT_TRUE(found);
    if (*found > 0) {
      EXPECT_LE(bytesOf(*found), budget);
    }
    if (*found < most) {
      EXPECT_GT(bytesOf(*found + 1), budget);
    }
    EXPECT_LE(*found, most);
  }
  EXPECT_LT(numCalls, 500u * 30);
}

TEST(FitTest, EndsAtAnError) {
  auto fails = [](int64_t) -> std::optional<uint64_t> { return std::nullopt; };
  EXPECT_FALSE(largestThatFits(100, 5, fails));
}

TEST(FitTest, SizesAreForPeople) {
  EXPECT_EQ(sizeText(0), "0 B");
  EXPECT_EQ(sizeText(1023), "1023 B");
  EXPECT_EQ(sizeText(1536), "1.50 KiB");
  EXPECT_EQ(sizeText(uint64_t(5) << 40), "5.00 TiB");
}

TEST(OptionsTest, HelpListsOnlyWhatIsReal) {
  Parser parser;
  std::string help = parser.app.help();
  EXPECT_NE(help.find("--prefill-buckets"), std::string::npos);
  for (const char *later :
       {"window", "kv-cache", "verify-numerics"})
    EXPECT_EQ(help.find(later), std::string::npos) << later;
}

TEST(OptionsTest, LedgerTellsUsedFromDefaulted) {
  Parser parser;
  ASSERT_EQ(parser.parse({"m", "--dtype=bf16"}), "");
  llvm::json::Object ledger = flagLedger(parser.app);
  auto has = [&](const char *fate, const char *key, const char *value) {
    for (const llvm::json::Value &entry : *ledger.getArray(fate))
      if (entry.getAsObject()->getString("key") == key)
        return entry.getAsObject()->getString("value") == value;
    return false;
  };
  EXPECT_TRUE(has("used", "--dtype", "bf16"));
  EXPECT_TRUE(has("defaulted", "--alibi", "hf"));
  EXPECT_TRUE(has("defaulted", "--no-tokenizer", "false"));
  EXPECT_TRUE(has("defaulted", "--target-cpu", "host"));
  EXPECT_FALSE(has("used", "--alibi", "hf"));
  EXPECT_TRUE(has("defaulted", "--quantization", "none"));
  EXPECT_FALSE(has("defaulted", "--window", ""));
}

TEST(PhaseTest, NamesGoBothWays) {
  EXPECT_EQ(phaseNames(/*last=*/true), "import graph fused scheduled planned binaries executable");
  EXPECT_EQ(phaseNames(/*last=*/false), "import graph fused scheduled planned binaries");
  EXPECT_EQ(phaseFromName("planned"), Phase::Planned);
  EXPECT_EQ(phaseFromName("plan"), std::nullopt);
  EXPECT_EQ(phasePipeline(Phase::Fused), "stoop-fused-pipeline");
  EXPECT_EQ(nextPhase(Phase::Binaries), Phase::Executable);
}

TEST(ProgressTest, LinesSayWhatHowFarAndHowLong) {
  EXPECT_EQ(progressLine("packing weights", 512 << 20, uint64_t(2) << 30, true, 10.0),
            "packing weights 512.0 MiB of 2.0 GiB (25 %), 30 s left");
  EXPECT_EQ(progressLine("compiling kernels", 1, 4, false, 100.0),
            "compiling kernels 1 of 4 (25 %), 5 min 0 s left");
  EXPECT_EQ(progressLine("compiling kernels", 0, 4, false, 3.0),
            "compiling kernels 0 of 4 (0 %), 3 s so far");
  EXPECT_EQ(progressLine("measuring kernels", 1, 9, false, 60.0, /*limitSeconds=*/90.0), "measuring kernels 1 of 9 (11 %), 30 s left");
  EXPECT_EQ(progressLine("phase planned", 0, 0, false, 3.4), "phase planned, 3 s so far");
  EXPECT_EQ(progressLine("x", 9, 4, false, 1.0), "x 4 of 4 (100 %), 0 s left");
}

TEST(ProgressTest, ShortStepsShowNothingAndLongOnesALine) {
  ProgressStyle plain;
  testing::internal::CaptureStderr();
  {
    ProgressStep step(plain, "short", 10);
    step.advance(5);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  testing::internal::CaptureStderr();
  {
    ProgressStep step(plain, "long", 10);
    step.advance(5);
    std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr().rfind("long 5 of 10 (50 %), ", 0), 0u);
  ProgressStyle quiet;
  quiet.quiet = true;
  testing::internal::CaptureStderr();
  {
    ProgressStep step(quiet, "long", 10);
    std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

} // namespace

//===- ImportFuzz.cpp - Mutated configs and safetensors files -----------------===//
//
// A bounded number of seeded mutations of real inputs goes through the front end's parsers. None
// may crash (a sanitizer build sees more), and whatever is accepted must keep the parser's
// invariants: ranges inside of the file, shapes that agree with sizes, a spec that the graph
// builder can build.
//
//===----------------------------------------------------------------------===//
#include "Mutator.h"
#include "compiler/import/Checkpoint.h"
#include "compiler/import/HfConfig.h"
#include "llvm/Support/FileSystem.h"
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

using namespace stoop::importer;
using namespace stoop::test;

namespace {

std::string readFile(const std::string &path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream content;
  content << stream.rdbuf();
  EXPECT_TRUE(stream.good()) << path;
  return content.str();
}

/// Files of that name in the recorded checkpoints and of the test configs.
std::vector<std::string> recorded(const std::string &name) {
  std::vector<std::string> paths;
  std::error_code code;
  for (llvm::sys::fs::directory_iterator it(STOOP_SOURCE_DIR "/test/checkpoints", code), end;
       it != end && !code; it.increment(code))
    if (llvm::sys::fs::exists(it->path() + "/" + name))
      paths.push_back(it->path() + "/" + name);
  std::sort(paths.begin(), paths.end()); // directory order differs between file systems
  return paths;
}

/// Counts of one fuzz test; both outcomes must occur, or it tested nothing.
struct Counts {
  size_t accepted = 0, refused = 0;

  void report(const char *what) const {
    std::printf("fuzz: %s: %zu executions, %zu accepted, %zu refused\n", what, accepted + refused,
                accepted, refused);
    EXPECT_GT(accepted, 0u);
    EXPECT_GT(refused, 0u);
  }
};

//===----------------------------------------------------------------------===//
// safetensors
//===----------------------------------------------------------------------===//

/// The header of a file with its data cut to what a small tensor set needs.
std::vector<std::string> safetensorsSeeds() {
  std::vector<std::string> headers = {
      R"({})",
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})",
      R"({"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]},"b":{"dtype":"U8","shape":[],"data_offsets":[6,7]},"c":{"dtype":"F16","shape":[0,4],"data_offsets":[7,7]},"d":{"dtype":"I64","shape":[1,2],"data_offsets":[7,23]}})",
      R"({"x":{"dtype":"F4","shape":[4],"data_offsets":[0,2]},"y":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[2,5]}}   )"};
  const size_t dataBytes[] = {0, 16, 23, 5};
  std::vector<std::string> seeds;
  for (size_t i = 0; i < headers.size(); ++i) {
    uint64_t length = headers[i].size();
    std::string prefix(8, '\0');
    std::memcpy(prefix.data(), &length, 8);
    seeds.push_back(prefix + headers[i] + std::string(dataBytes[i], 'd'));
  }
  return seeds;
}

/// Most mutations move the header's end; with the old length few would get past the JSON parser.
void repairLength(std::string &bytes, Mutator &mutator) {
  size_t end = bytes.rfind('}');
  if (bytes.size() < 8 || end == std::string::npos || end < 8 || mutator.below(4) == 0)
    return;
  uint64_t length = end + 1 - 8;
  std::memcpy(bytes.data(), &length, 8);
}

void checkTensors(const std::vector<TensorInfo> &tensors, const std::string &bytes) {
  uint64_t headerLength = 0, described = 0;
  std::memcpy(&headerLength, bytes.data(), 8);
  std::set<std::string> names;
  for (const TensorInfo &tensor : tensors) {
    EXPECT_TRUE(names.insert(tensor.name).second) << tensor.name;
    ASSERT_LE(tensor.offsetBytes, bytes.size());
    ASSERT_LE(tensor.sizeBytes, bytes.size() - tensor.offsetBytes);
    __int128 bits = bitsOfDtype(tensor.dtype);
    ASSERT_GT(bits, 0);
    bool empty = false;
    for (uint64_t size : tensor.shape)
      empty |= size == 0;
    for (uint64_t size : tensor.shape)
      bits = empty ? 0 : bits * size;
    EXPECT_TRUE(bits == __int128(tensor.sizeBytes) * 8);
    described += tensor.sizeBytes;
  }
  EXPECT_EQ(8 + headerLength + described, bytes.size());
}

TEST(ImportFuzz, Safetensors) {
  Mutator mutator(fuzzSeed(),
                  {"\"dtype\":", "\"shape\":[", "\"data_offsets\":[0,", "BF16", "F4", "C64", "[]",
                   "{}", "null", "\"a\":", ",", "}", "\\u0000", "\xff", "__metadata__"});
  std::vector<std::string> seeds = safetensorsSeeds();
  Counts counts;
  for (size_t i = 0, count = fuzzCount(100'000); i < count; ++i) {
    std::string bytes = mutator.mutate(seeds);
    repairLength(bytes, mutator);
    auto tensors = parseSafetensors(bytes, "F");
    if (!tensors) {
      EXPECT_TRUE(llvm::StringRef(llvm::toString(tensors.takeError())).starts_with("F: "));
      ++counts.refused;
      continue;
    }
    ++counts.accepted;
    checkTensors(*tensors, bytes);
    if (HasFailure())
      FAIL() << "execution " << i << " of seed " << fuzzSeed();
  }
  counts.report("safetensors");
}

/// An index beside two good shards.
TEST(ImportFuzz, ShardIndex) {
  llvm::SmallString<128> directory;
  ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("stoop-fuzz", directory));
  std::vector<std::string> shards = safetensorsSeeds();
  auto write = [&](const std::string &name, const std::string &content) {
    std::ofstream((directory + "/" + name).str(), std::ios::binary) << content;
  };
  write("one.safetensors", shards[2]);
  write("two.safetensors", shards[3]);
  std::vector<std::string> seeds = {
      R"({"metadata":{"total_size":28},"weight_map":{"a":"one.safetensors","b":"one.safetensors","c":"one.safetensors","d":"one.safetensors","x":"two.safetensors","y":"two.safetensors"}})",
      R"({"weight_map":{"a":"one.safetensors"}})"};
  Mutator mutator(fuzzSeed(),
                  {"one.safetensors", "two.safetensors", "../", "/", "\"x\":", "{", "}", "null"});
  Counts counts;
  for (size_t i = 0, count = fuzzCount(100'000) / 200; i < count; ++i) {
    write("model.safetensors.index.json", mutator.mutate(seeds));
    auto checkpoint = Checkpoint::open(directory);
    if (!checkpoint) {
      EXPECT_FALSE(llvm::toString(checkpoint.takeError()).empty());
      ++counts.refused;
      continue;
    }
    ++counts.accepted;
    for (const std::string &name : checkpoint->names())
      EXPECT_EQ(checkpoint->find(name).bytes().size(), checkpoint->find(name).info->sizeBytes);
  }
  llvm::sys::fs::remove_directories(directory);
  counts.report("shard index");
}

//===----------------------------------------------------------------------===//
// Configs
//===----------------------------------------------------------------------===//

void checkSpec(HfConfig &config, Ledger &ledger) {
  ModelSpec &spec = config.spec;
  for (int64_t size : {spec.vocab, spec.hidden, spec.layers, spec.heads, spec.headDim, spec.ffn,
                       spec.maxPositions})
    EXPECT_GT(size, 0);
  EXPECT_GE(spec.kvHeads, 0);
  EXPECT_EQ(spec.kvHeads > 0 ? spec.heads % spec.kvHeads : 0, 0);
  EXPECT_TRUE(std::isfinite(spec.normEps));
  EXPECT_FALSE(spec.activation.empty());
  if (!spec.alibi) {
    EXPECT_EQ(spec.headDim % 2, 0);
    auto values = ropeFrequencies(spec.rope, spec.headDim, spec.maxPositions);
    if (!values)
      llvm::consumeError(values.takeError());
    else
      EXPECT_TRUE(llvm::all_of(*values, [](float v) { return std::isfinite(v) && v > 0; }));
    EXPECT_TRUE(std::isfinite(spec.rope.attentionFactor));
  } else {
    EXPECT_EQ(alibiSlopes(spec.heads).size(), size_t(spec.heads));
  }
  EXPECT_TRUE(std::isfinite(config.generation.temperature));
  if (spec.layers <= 100) {
    WeightMap weights;
    EXPECT_FALSE(bool(config.family->mapWeights(Checkpoint(), ledger, spec, weights)));
    EXPECT_GT(weights.weights().size(), 0u);
  }
}

TEST(ImportFuzz, Configs) {
  std::vector<std::string> seeds, generationSeeds;
  for (const std::string &path : recorded("config.json"))
    seeds.push_back(readFile(path));
  for (const std::string &path : recorded("generation_config.json"))
    generationSeeds.push_back(readFile(path));
  ASSERT_GE(seeds.size(), 12u);
  seeds.push_back(
      R"({"model_type":"falcon","rope_scaling":{"rope_type":"yarn","factor":4.0,"original_max_position_embeddings":512,"beta_fast":32,"beta_slow":1,"mscale":1.0,"mscale_all_dim":0.5,"truncate":false}})");
  seeds.push_back(
      R"({"model_type":"llama","rope_theta":500000,"rope_scaling":{"type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":8192}})");
  seeds.push_back(
      R"({"model_type":"falcon","rope_scaling":{"type":"dynamic","factor":2.0},"max_position_embeddings":16})");
  generationSeeds.push_back(
      R"({"do_sample":true,"temperature":0.7,"top_k":40,"top_p":0.9,"min_p":0.05,"repetition_penalty":1.1,"eos_token_id":[1,2]})");
  Mutator mutator(fuzzSeed(), {"true",
                               "false",
                               "null",
                               "[]",
                               "{}",
                               "\"alibi\": true,",
                               "\"n_head_kv\": 2,",
                               "\"multi_query\": false,",
                               "\"parallel_attn\": false,",
                               "\"linear\"",
                               "\"n_embed\": 64,",
                               "\"new_decoder_architecture\": true,",
                               "\"falcon\"",
                               "\"llama\"",
                               "\"yarn\"",
                               "\"dynamic\"",
                               "\"RefinedWeb\"",
                               "\"head_dim\": null,",
                               "\"",
                               "\\ud800"});
  Counts counts;
  for (size_t i = 0, count = fuzzCount(100'000) / 2; i < count; ++i) {
    Ledger ledger;
    bool mutateGeneration = i % 4 == 0;
    std::string text =
        mutateGeneration ? seeds[mutator.below(seeds.size())] : mutator.mutate(seeds);
    std::optional<ConfigText> generation;
    if (mutateGeneration)
      generation = ConfigText{"G", mutator.mutate(generationSeeds)};
    auto config = parseHfConfig({"C", text}, generation, ledger);
    if (!config) {
      std::string error = llvm::toString(config.takeError());
      EXPECT_TRUE(llvm::StringRef(error).starts_with("C: ") ||
                  llvm::StringRef(error).starts_with("G: "))
          << error;
      ++counts.refused;
      continue;
    }
    ++counts.accepted;
    checkSpec(*config, ledger);
    llvm::consumeError(ledger.close(false));
    if (HasFailure())
      FAIL() << "execution " << i << " of seed " << fuzzSeed() << ":\n" << text;
  }
  counts.report("config.json and generation_config.json");
}

} // namespace

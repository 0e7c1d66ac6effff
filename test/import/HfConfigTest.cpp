//===- HfConfigTest.cpp - Every variant of config.json ------------------------===//
//
// The shapes of published models from their configs (parameter and tensor counts are the published
// ones), legacy keys, contradictions with both keys named, unsupported models, and the ledger's
// view of each key.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/HfConfig.h"
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

using namespace stoop::importer;
using nlohmann::json;

namespace {

struct Parsed {
  Ledger ledger;
  HfConfig config;
  std::string error; ///< without "c.json: "

  const ModelSpec &spec() const { return config.spec; }
  Ledger::Entry entry(const char *key, const char *section = "config") const {
    return ledger.sections().at(section).entries.at(key);
  }
};

Parsed parseText(const std::string &text, std::optional<std::string> generation = std::nullopt) {
  Parsed parsed;
  std::optional<ConfigText> second;
  if (generation)
    second = ConfigText{"g.json", *generation};
  auto config = parseHfConfig({"c.json", text}, second, parsed.ledger);
  if (config)
    parsed.config = std::move(*config);
  else
    parsed.error = llvm::toString(config.takeError());
  if (llvm::StringRef(parsed.error).starts_with("c.json: "))
    parsed.error = parsed.error.substr(8);
  return parsed;
}

Parsed parse(const json &config) { return parseText(config.dump()); }

json published(const std::string &name) {
  std::ifstream file(STOOP_SOURCE_DIR "/test/import/configs/" + name + ".json");
  return json::parse(file);
}

json falcon(const json &more = json::object()) {
  json config = {{"model_type", "falcon"},
                 {"vocab_size", 64},
                 {"hidden_size", 48},
                 {"num_hidden_layers", 2},
                 {"num_attention_heads", 6}};
  config.update(more);
  return config;
}

json llama(const json &more = json::object()) {
  json config = {{"model_type", "llama"},  {"vocab_size", 64},         {"hidden_size", 48},
                 {"num_hidden_layers", 2}, {"num_attention_heads", 6}, {"intermediate_size", 80}};
  config.update(more);
  return config;
}

void expectRefused(const json &config, const std::string &part) {
  Parsed parsed = parse(config);
  EXPECT_NE(parsed.error.find(part), std::string::npos)
      << "got '" << parsed.error << "' instead of '" << part << "' for " << config.dump();
}

//===----------------------------------------------------------------------===//
// Published models
//===----------------------------------------------------------------------===//

struct Published {
  const char *name;
  int64_t layers, heads, kvHeads, headDim, ffn, fusedRows, positions;
  BlockForm block;
  bool alibi, bias, tied;
  double theta;
  int64_t tensors; ///< without the head
  double giga;     ///< 10^9 parameters, tied or not as the config says
};

TEST(HfConfig, PublishedModels) {
  using enum BlockForm;
  const Published models[] = {{"falcon-rw-1b", 24, 32, 32, 64, 8192, 6144, 2048, Sequential, true,
                               true, true, 1e4, 291, 1.312},
                              {"falcon-rw-7b", 36, 64, 64, 64, 16384, 12288, 2048, Sequential, true,
                               true, true, 1e4, 435, 7.516},
                              {"falcon-7b", 32, 71, 1, 64, 18176, 4672, 2048, ParallelOneNorm,
                               false, false, true, 1e4, 195, 6.922},
                              {"falcon-7b-legacy", 32, 71, 1, 64, 18176, 4672, 2048,
                               ParallelOneNorm, false, false, true, 1e4, 195, 6.922},
                              {"falcon-7b-hybrid", 32, 71, 1, 64, 18176, 4672, 2048,
                               ParallelOneNorm, false, false, true, 1e4, 195, 6.922},
                              {"falcon-40b", 60, 128, 8, 64, 32768, 9216, 2048, ParallelTwoNorms,
                               false, false, true, 1e4, 483, 41.303},
                              {"falcon-40b-legacy", 60, 128, 8, 64, 32768, 9216, 2048,
                               ParallelTwoNorms, false, false, true, 1e4, 483, 41.303},
                              {"falcon-180b", 80, 232, 8, 64, 59392, 15872, 2048, ParallelTwoNorms,
                               false, false, true, 1e4, 643, 178.56},
                              {"falcon-11b", 60, 32, 8, 128, 16384, 6144, 8192, ParallelOneNorm,
                               false, false, false, 500042, 363, 11.103},
                              {"falcon3-1b", 18, 8, 4, 256, 8192, 4096, 8192, Sequential, false,
                               false, false, 1000042, 164, 1.669},
                              {"falcon3-3b", 22, 12, 4, 256, 9216, 5120, 32768, Sequential, false,
                               false, false, 1000042, 200, 3.228},
                              {"falcon3-7b", 28, 12, 4, 256, 23040, 5120, 32768, Sequential, false,
                               false, false, 1000042, 254, 7.456},
                              {"falcon3-10b", 40, 12, 4, 256, 23040, 5120, 32768, Sequential, false,
                               false, false, 1000042, 362, 10.306}};
  for (const Published &model : models) {
    SCOPED_TRACE(model.name);
    Parsed parsed = parse(published(model.name));
    ASSERT_EQ(parsed.error, "");
    EXPECT_EQ(llvm::toString(parsed.ledger.close(false)), llvm::toString(llvm::Error::success()));
    ModelSpec spec = parsed.spec();
    EXPECT_EQ(spec.layers, model.layers);
    EXPECT_EQ(spec.heads, model.heads);
    EXPECT_EQ(spec.kvHeads, model.kvHeads);
    EXPECT_EQ(spec.headDim, model.headDim);
    EXPECT_EQ(spec.ffn, model.ffn);
    EXPECT_EQ(spec.qkvColumns(), model.fusedRows);
    EXPECT_EQ(spec.maxPositions, model.positions);
    EXPECT_EQ(spec.block, model.block);
    EXPECT_EQ(spec.alibi, model.alibi);
    EXPECT_EQ(spec.attentionBias, model.bias);
    EXPECT_EQ(spec.tiedHead, model.tied);
    EXPECT_EQ(spec.rope.theta, model.theta);

    WeightMap weights;
    EXPECT_FALSE(
        bool(parsed.config.family->mapWeights(Checkpoint(), parsed.ledger, spec, weights)));
    int64_t parameters = spec.vocab * spec.hidden * (spec.tiedHead ? 1 : 2), tensors = 1;
    for (const Weight &weight : weights.weights()) {
      parameters += weight.rows * weight.cols;
      tensors += int64_t(weight.parts.size());
    }
    EXPECT_EQ(tensors, model.tensors);
    EXPECT_NEAR(parameters / 1e9, model.giga, model.giga > 100 ? 0.005 : 0.0005);
  }
}

TEST(HfConfig, LegacyEqualsModern) {
  for (auto [legacy, modern] : {std::pair{"falcon-7b-legacy", "falcon-7b"},
                                {"falcon-7b-hybrid", "falcon-7b"},
                                {"falcon-40b-legacy", "falcon-40b"}}) {
    ModelSpec a = parse(published(legacy)).spec(), b = parse(published(modern)).spec();
    auto facts = [](const ModelSpec &s) {
      return std::make_tuple(s.vocab, s.hidden, s.layers, s.heads, s.kvHeads, s.headDim, s.ffn,
                             s.maxPositions, s.norm, s.normEps, s.block, s.activation,
                             s.attentionBias, s.mlpBias, s.alibi, s.tiedHead, s.eos, s.bos);
    };
    EXPECT_EQ(facts(a), facts(b)) << legacy;
  }
}

//===----------------------------------------------------------------------===//
// Defaults and aliases
//===----------------------------------------------------------------------===//

TEST(HfConfig, FalconDefaults) {
  Parsed parsed = parse({{"model_type", "falcon"}});
  ASSERT_EQ(parsed.error, "");
  const ModelSpec &spec = parsed.spec();
  EXPECT_EQ(spec.vocab, 65024);
  EXPECT_EQ(spec.hidden, 4544);
  EXPECT_EQ(spec.layers, 32);
  EXPECT_EQ(spec.heads, 71);
  EXPECT_EQ(spec.kvHeads, 1);
  EXPECT_EQ(spec.ffn, 4 * 4544);
  EXPECT_EQ(spec.maxPositions, 2048);
  EXPECT_EQ(spec.block, BlockForm::ParallelOneNorm);
  EXPECT_EQ(spec.activation, "gelu");
  EXPECT_TRUE(spec.tiedHead);
  EXPECT_FALSE(spec.alibi || spec.attentionBias || spec.gatedMlp);
  EXPECT_EQ(spec.eos, (std::vector<int64_t>{11}));
  EXPECT_EQ(parsed.entry("hidden_size").fate, Ledger::Fate::Defaulted);
  EXPECT_EQ(parsed.entry("hidden_size").note, "4544");
  EXPECT_EQ(parsed.entry("ffn_hidden_size").note, "18176");
}

TEST(HfConfig, LlamaDefaults) {
  Parsed parsed = parse(llama());
  ASSERT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.spec().kvHeads, 6);
  EXPECT_EQ(parsed.spec().headDim, 8);
  EXPECT_EQ(parsed.spec().normEps, 1e-6);
  EXPECT_EQ(parsed.spec().activation, "silu");
  EXPECT_EQ(parsed.spec().norm, NormForm::Rms);
  EXPECT_TRUE(parsed.spec().gatedMlp);
  EXPECT_FALSE(parsed.spec().tiedHead);
  EXPECT_EQ(parse(llama({{"hidden_size", 50}, {"head_dim", 10}})).spec().headDim, 10);
}

TEST(HfConfig, Aliases) {
  json config = {
      {"model_type", "falcon"}, {"n_embed", 60}, {"n_layer", 3}, {"n_head", 10}, {"n_head_kv", 5}};
  Parsed parsed = parse(config);
  ASSERT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.spec().hidden, 60);
  EXPECT_EQ(parsed.spec().layers, 3);
  EXPECT_EQ(parsed.spec().heads, 10);
  EXPECT_EQ(parsed.spec().kvHeads, 5);
  EXPECT_EQ(parsed.spec().block, BlockForm::ParallelTwoNorms)
      << "n_head_kv means the new architecture";
  config["hidden_size"] = 70;
  parsed = parse(config);
  EXPECT_EQ(parsed.spec().hidden, 60);
  EXPECT_EQ(parsed.ledger.warnings().size(), 1u);
  config["num_hidden_layers"] = 4;
  expectRefused(config, "keys 'num_hidden_layers' (4) and 'n_layer' (3) contradict each other");
  config["num_hidden_layers"] = 3;
  EXPECT_EQ(parse(config).error, "");
  config["num_kv_heads"] = 2;
  expectRefused(config, "keys 'num_kv_heads' (2) and 'n_head_kv' (5) contradict each other");
}

TEST(HfConfig, NewArchitectureIsNotInferredFromNumKvHeads) {
  Parsed parsed = parse(falcon({{"num_kv_heads", 2}}));
  ASSERT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.spec().kvHeads, 1);
  EXPECT_EQ(parsed.entry("num_kv_heads").fate, Ledger::Fate::Ignored);
}

TEST(HfConfig, LegacyDefaults) {
  json config = {
      {"model_type", "RefinedWebModel"}, {"hidden_size", 48}, {"n_layer", 1}, {"n_head", 6}};
  Parsed parsed = parse(config);
  ASSERT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.spec().vocab, 250880);
  EXPECT_EQ(parsed.spec().kvHeads, 0) << "left to the fused weight's shape";
  EXPECT_EQ(parsed.spec().block, BlockForm::Sequential);
  EXPECT_EQ(parsed.spec().eos, (std::vector<int64_t>{2}));
  config.erase("n_layer");
  expectRefused(config, "key 'num_hidden_layers' is missing");
}

TEST(HfConfig, Activations) {
  for (auto [name, keyword] : {std::pair{"gelu", "gelu"},
                               {"gelu_python", "gelu"},
                               {"gelu_new", "gelu_tanh"},
                               {"gelu_pytorch_tanh", "gelu_tanh"},
                               {"gelu_python_tanh", "gelu_tanh"},
                               {"gelu_fast", "gelu_fast"},
                               {"quick_gelu", "quick_gelu"},
                               {"relu", "relu"},
                               {"silu", "silu"},
                               {"swish", "silu"}}) {
    EXPECT_EQ(parse(falcon({{"activation", name}})).spec().activation, keyword);
    EXPECT_EQ(parse(llama({{"hidden_act", name}})).spec().activation, keyword);
  }
  expectRefused(falcon({{"activation", "mish"}}),
                "key 'activation': activation 'mish' is not supported");
  expectRefused(falcon({{"activation", nullptr}}),
                "key 'activation': expects a string, found null");
}

//===----------------------------------------------------------------------===//
// Contradictions and wrong values
//===----------------------------------------------------------------------===//

TEST(HfConfig, Contradictions) {
  expectRefused(falcon({{"new_decoder_architecture", true}, {"parallel_attn", false}}),
                "keys 'new_decoder_architecture' (true) and 'parallel_attn' (false) contradict");
  expectRefused(
      falcon({{"num_ln_in_parallel_attn", 2}}),
      "keys 'num_ln_in_parallel_attn' (2) and 'new_decoder_architecture' (false) contradict");
  EXPECT_EQ(parse(falcon({{"num_ln_in_parallel_attn", 2}, {"parallel_attn", false}})).error, "");
  expectRefused(falcon({{"multi_query", false}, {"num_kv_heads", 2}}),
                "keys 'multi_query' (false) and 'num_kv_heads' (2) contradict");
  EXPECT_EQ(parse(falcon({{"multi_query", false}, {"num_kv_heads", 6}})).error, "");
  expectRefused(falcon({{"alibi", true}, {"rope_scaling", {{"type", "linear"}, {"factor", 2}}}}),
                "keys 'alibi' (true) and 'rope_scaling' (rope_type 'linear') contradict");
  EXPECT_EQ(parse(falcon({{"alibi", true},
                          {"rope_theta", 1e4},
                          {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 1e4}}}}))
                .error,
            "");
  expectRefused(falcon({{"num_attention_heads", 5}}),
                "keys 'hidden_size' (48) and 'num_attention_heads' (5) contradict");
  expectRefused(falcon({{"new_decoder_architecture", true}, {"num_kv_heads", 4}}),
                "keys 'num_attention_heads' (6) and 'num_kv_heads' (4) contradict");
  expectRefused(llama({{"num_key_value_heads", 4}}),
                "keys 'num_attention_heads' (6) and 'num_key_value_heads' (4) contradict");
  expectRefused(llama({{"hidden_size", 50}}),
                "keys 'hidden_size' (50) and 'num_attention_heads' (6) contradict");
  expectRefused(falcon({{"num_attention_heads", 16}}), "head dim 3");
  EXPECT_EQ(parse(falcon({{"num_attention_heads", 16}, {"alibi", true}})).error, "")
      << "ALiBi rotates nothing";
  expectRefused(llama({{"head_dim", 7}}), "'head_dim' 7 is odd");
  expectRefused(falcon({{"num_ln_in_parallel_attn", 3}, {"new_decoder_architecture", true}}),
                "key 'num_ln_in_parallel_attn': expects an integer from 1 to 2, found 3");
  expectRefused(
      falcon({{"apply_residual_connection_post_layernorm", true}}),
      "key 'apply_residual_connection_post_layernorm': value true is not supported (only false)");
}

TEST(HfConfig, WrongValues) {
  expectRefused(falcon({{"vocab_size", "64"}}),
                "key 'vocab_size': expects an integer, found \"64\"");
  expectRefused(falcon({{"vocab_size", 64.0}}), "key 'vocab_size': expects an integer, found 64.0");
  expectRefused(falcon({{"vocab_size", true}}), "key 'vocab_size': expects an integer, found true");
  expectRefused(falcon({{"vocab_size", 0}}), "expects an integer from 1 to 16777216, found 0");
  expectRefused(falcon({{"vocab_size", -5}}), "expects an integer from 1 to 16777216, found -5");
  expectRefused(falcon({{"vocab_size", UINT64_MAX}}), "found 18446744073709551615");
  expectRefused(falcon({{"num_hidden_layers", nullptr}}),
                "key 'num_hidden_layers': expects an integer, found null");
  expectRefused(falcon({{"alibi", 1}}), "key 'alibi': expects true or false, found 1");
  expectRefused(falcon({{"bias", nullptr}}), "key 'bias': expects true or false, found null");
  expectRefused(falcon({{"layer_norm_epsilon", "x"}}),
                "key 'layer_norm_epsilon': expects a number from 0 to 1");
  expectRefused(falcon({{"eos_token_id", {1, "x"}}}),
                "key 'eos_token_id': expects an integer, found \"x\"");
  Parsed parsed = parse(falcon({{"vocab_size", 0}, {"alibi", 1}}));
  EXPECT_EQ(parsed.error,
            "2 problems:\n  key 'vocab_size': expects an integer from 1 to 16777216, found "
            "0\n  key 'alibi': expects true or false, found 1");
}

TEST(HfConfig, BadJson) {
  EXPECT_NE(parseText("").error.find("not valid JSON"), std::string::npos);
  EXPECT_NE(parseText("{").error.find("not valid JSON"), std::string::npos);
  EXPECT_NE(parseText("{\"a\": NaN}").error.find("not valid JSON"), std::string::npos);
  EXPECT_NE(parseText("{\"rope_theta\": 1e999}").error.find("not valid JSON"), std::string::npos);
  EXPECT_EQ(parseText("[]").error, "must hold a JSON object, not array");
  EXPECT_EQ(parseText("{\"alibi\":true,\"alibi\":false}").error,
            "key 'alibi' occurs twice in one object");
}

//===----------------------------------------------------------------------===//
// Families
//===----------------------------------------------------------------------===//

TEST(HfConfig, Detection) {
  EXPECT_EQ(parse({{"architectures", {"RWForCausalLM"}},
                   {"hidden_size", 48},
                   {"n_layer", 1},
                   {"n_head", 6}})
                .spec()
                .family,
            "falcon");
  EXPECT_EQ(parse(falcon({{"architectures", {"FalconForCausalLM"}}})).spec().family, "falcon");
  EXPECT_EQ(parse(falcon({{"architectures", nullptr}})).spec().family, "falcon");
  EXPECT_EQ(parse(llama()).spec().family, "llama");
  expectRefused(json::object(),
                "neither 'model_type' nor 'architectures' is given; supported are: Falcon");
  expectRefused({{"model_type", "gpt2"}},
                "model_type 'gpt2' is not supported; supported are: Falcon");
  expectRefused({{"architectures", {"OPTForCausalLM"}}},
                "architecture 'OPTForCausalLM' is not supported");
  expectRefused(
      falcon({{"architectures", {"FalconForSequenceClassification"}}}),
      "architecture 'FalconForSequenceClassification' of model_type 'falcon' is not supported");
  expectRefused({{"model_type", 3}}, "key 'model_type': expects a string, found 3");
  expectRefused({{"model_type", nullptr}, {"architectures", {"FalconForCausalLM"}}},
                "key 'model_type': expects a string, found null");
  expectRefused({{"model_type", ""}, {"architectures", {"FalconForCausalLM"}}},
                "key 'model_type': is empty; supported are: Falcon");
}

TEST(HfConfig, UnsupportedModels) {
  expectRefused({{"model_type", "falcon_mamba"}},
                "'falcon_mamba' is a state-space model (Mamba), which is not "
                "supported; supported are: Falcon");
  expectRefused({{"model_type", "falcon_h1"}}, "a hybrid of attention and Mamba-2 (Falcon-H1)");
  expectRefused({{"architectures", {"FalconH1ForCausalLM"}}}, "a hybrid of attention and Mamba-2");
  expectRefused({{"model_type", "bitnet"}}, "BitNet");
  expectRefused(llama({{"quantization_config", {{"quant_method", "bitnet"}}}}),
                "key 'quantization_config.quant_method': 'bitnet' is not supported; gptq and awq are");
  expectRefused(falcon({{"quantization_config", {{"bits", 4}}}}),
                "key 'quantization_config.quant_method': 'none' is not supported");
  expectRefused(falcon({{"compression_config", {{"format", "x"}}}}), "compressed checkpoints");
  EXPECT_EQ(parse(falcon({{"quantization_config", nullptr}})).error, "");
  expectRefused(llama({{"sliding_window", 4096}}),
                "key 'sliding_window': value 4096 is not supported (only null)");
}

//===----------------------------------------------------------------------===//
// Token ids and generation
//===----------------------------------------------------------------------===//

TEST(HfConfig, TokenIds) {
  EXPECT_EQ(parse(falcon({{"eos_token_id", {3, 5}}})).spec().eos, (std::vector<int64_t>{3, 5}));
  EXPECT_TRUE(parse(falcon({{"eos_token_id", nullptr}})).spec().eos.empty());
  EXPECT_TRUE(parse(falcon({{"eos_token_id", -1}})).spec().eos.empty());
  EXPECT_EQ(parse(falcon({{"bos_token_id", 7}})).spec().bos, 7);
  EXPECT_EQ(parse(falcon({{"bos_token_id", nullptr}})).spec().bos, std::nullopt);
}

TEST(HfConfig, Generation) {
  auto generation = [](const std::string &text) { return parseText(falcon().dump(), text); };
  Parsed parsed =
      generation(R"({"eos_token_id":[1,2],"do_sample":true,"temperature":0.7,"top_k":5,"top_p":0.9,
                                 "min_p":0.1,"repetition_penalty":1.2,"num_beams":1,"max_new_tokens":9})");
  ASSERT_EQ(parsed.error, "");
  const GenerationConfig &values = parsed.config.generation;
  EXPECT_EQ(values.eos, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(values.temperature, 0.7);
  EXPECT_EQ(values.topK, 5);
  EXPECT_EQ(values.topP, 0.9);
  EXPECT_EQ(values.minP, 0.1);
  EXPECT_EQ(values.repetitionPenalty, 1.2);
  parsed = generation(R"({"temperature":0.7,"top_k":5})");
  EXPECT_EQ(parsed.config.generation.temperature, 0.0);
  EXPECT_EQ(parsed.config.generation.topK, 5);
  EXPECT_EQ(parsed.entry("temperature", "generation_config").note, "do_sample is not true: greedy");
  parsed = generation(R"({"do_sample":true})");
  EXPECT_EQ(parsed.config.generation.temperature, 1.0);
  EXPECT_EQ(parsed.config.generation.topK, 50);
  EXPECT_EQ(generation(R"({"num_beams":4})").error,
            "g.json: key 'num_beams': value 4 is not supported (only 1 or null)");
  EXPECT_EQ(generation(R"({"top_p":1.5})").error,
            "g.json: key 'top_p': expects a number from 0 to 1, found 1.5");
  EXPECT_EQ(generation(R"({"top_p":1.0,"typical_p":1.0,"length_penalty":1.0})").error, "");
}

} // namespace

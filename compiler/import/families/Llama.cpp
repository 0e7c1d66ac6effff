//===- Llama.cpp - Llama architecture: Falcon3 and kin -----------------------===//
//
// RMS norms, gated MLP, grouped KV heads with separate projections, explicit head dim. The separate
// projections of Q|K|V are stacked to one weight, which needs no reordering.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Family.h"

using namespace llvm;

namespace stoop::importer {

namespace {

void readHeads(ConfigReader &config, ModelSpec &spec) {
  spec.heads = config.integer("num_attention_heads", 32, limits::count);
  std::optional<int64_t> kvHeads = config.optionalInteger("num_key_value_heads", limits::count);
  spec.kvHeads = kvHeads.value_or(spec.heads);
  if (!kvHeads)
    config.defaulted("num_key_value_heads", std::to_string(spec.heads));
  if (spec.heads % spec.kvHeads != 0)
    config.fail("keys 'num_attention_heads' (" + Twine(spec.heads) +
                ") and 'num_key_value_heads' (" + Twine(spec.kvHeads) +
                ") contradict each other: the first must be a multiple");

  std::optional<int64_t> headDim = config.optionalInteger("head_dim", limits::count);
  if (!headDim && spec.hidden % spec.heads != 0)
    config.fail("keys 'hidden_size' (" + Twine(spec.hidden) + ") and 'num_attention_heads' (" +
                Twine(spec.heads) +
                ") contradict each other: without 'head_dim' the first must be a multiple");
  spec.headDim = headDim.value_or(std::max<int64_t>(1, spec.hidden / spec.heads));
  if (!headDim)
    config.defaulted("head_dim", std::to_string(spec.headDim));
  if (spec.headDim % 2 != 0)
    config.fail("'head_dim' " + Twine(spec.headDim) + " is odd, which RoPE cannot rotate");
}

void readConfig(ConfigReader &config, ModelSpec &spec) {
  spec.vocab = config.integer("vocab_size", 32000, limits::size);
  spec.hidden = config.integer("hidden_size", 4096, limits::size);
  spec.layers = config.integer("num_hidden_layers", 32, limits::layers);
  readHeads(config, spec);
  spec.ffn = config.integer("intermediate_size", 11008, limits::size);
  spec.maxPositions = config.integer("max_position_embeddings", 2048, limits::positions);
  spec.norm = NormForm::Rms;
  spec.normEps = config.number("rms_norm_eps", 1e-6, 0, 1);
  spec.block = BlockForm::Sequential;
  spec.activation = readActivation(config, "hidden_act", "silu");
  spec.gatedMlp = true;
  spec.attentionBias = config.boolean("attention_bias", false);
  spec.mlpBias = config.boolean("mlp_bias", false);
  spec.tiedHead = config.boolean("tie_word_embeddings", false);
  spec.rope = readRope(config, spec.maxPositions);
  config.ignore("activation", "not a key of this family; hidden_act decides");
  readTokenIds(config, spec, 1, 2);
}

void mapLinear(WeightMap &weights, const std::string &symbol,
               std::vector<std::pair<std::string, int64_t>> parts, int64_t cols, bool bias) {
  std::vector<std::pair<std::string, int64_t>> matrices, vectors;
  for (const auto &[key, rows] : parts) {
    matrices.push_back({key + ".weight", rows});
    vectors.push_back({key + ".bias", rows});
  }
  weights.addMatrix(symbol, matrices, cols);
  if (bias)
    weights.addVector(symbols::bias(symbol), vectors);
}

void mapLayer(const ModelSpec &spec, int64_t index, const std::string &key, WeightMap &weights) {
  auto symbol = [&](StringRef name) { return symbols::layer(index, name); };
  std::string attention = key + "self_attn.", mlp = key + "mlp.";
  int64_t queries = spec.queryColumns(), keys = spec.kvColumns();
  weights.addVector(symbol(symbols::attnNorm), {{key + "input_layernorm.weight", spec.hidden}});
  mapLinear(
      weights, symbol(symbols::qkv),
      {{attention + "q_proj", queries}, {attention + "k_proj", keys}, {attention + "v_proj", keys}},
      spec.hidden, spec.attentionBias);
  mapLinear(weights, symbol(symbols::attnOut), {{attention + "o_proj", spec.hidden}}, queries,
            spec.attentionBias);
  weights.addVector(symbol(symbols::mlpNorm),
                    {{key + "post_attention_layernorm.weight", spec.hidden}});
  mapLinear(weights, symbol(symbols::gate), {{mlp + "gate_proj", spec.ffn}}, spec.hidden,
            spec.mlpBias);
  mapLinear(weights, symbol(symbols::up), {{mlp + "up_proj", spec.ffn}}, spec.hidden, spec.mlpBias);
  mapLinear(weights, symbol(symbols::down), {{mlp + "down_proj", spec.hidden}}, spec.ffn,
            spec.mlpBias);
}

Error mapWeights(const Checkpoint &checkpoint, Ledger &ledger, ModelSpec &spec,
                 WeightMap &weights) {
  // A checkpoint of the bare base model lacks the prefix.
  std::string prefix = checkpoint.contains("embed_tokens.weight") ? "" : "model.";
  weights.addEmbedding(prefix + "embed_tokens.weight", "lm_head.weight", spec.vocab, spec.hidden);
  for (int64_t i = 0; i < spec.layers; ++i)
    mapLayer(spec, i, prefix + "layers." + std::to_string(i) + ".", weights);
  weights.addVector(symbols::finalNorm.str(), {{prefix + "norm.weight", spec.hidden}});
  return Error::success();
}

} // namespace

const Family &llamaFamily() {
  static const Family family{"llama",
                             {"llama"},
                             {"LlamaForCausalLM", "LlamaModel"},
                             "Llama (Falcon3; model_type llama)",
                             readConfig,
                             mapWeights};
  return family;
}

} // namespace stoop::importer

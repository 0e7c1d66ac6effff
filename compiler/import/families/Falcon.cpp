//===- Falcon.cpp - Falcon: RW, 7B, 40B, 180B, 11B, legacy RefinedWeb --------===//
//
// One description for all variants: they differ in the position scheme, the grouping of KV heads,
// the block form and biases, in any mix. The fused query-key-value rows have one layout for all:
// per KV group its queries, its key, its value (multi-head: one query a group; multi-query: one
// group).
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Family.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace stoop::importer {

namespace {

/// The custom code that came before the architecture entered transformers: other defaults.
bool isLegacy(ConfigReader &config) {
  auto is = [&](StringRef key, StringRef value) {
    return config.peek(key).is_string() && config.peek(key).get_ref<const std::string &>() == value;
  };
  if (is("model_type", "RefinedWeb") || is("model_type", "RefinedWebModel"))
    return true;
  return !config.hasValue("model_type"); // detected by an architecture of that code
}

/// The canonical key or its legacy alias; both may be given if they agree.
int64_t aliased(ConfigReader &config, StringRef key, StringRef alias,
                std::optional<int64_t> fallback, Limits limits) {
  if (config.hasValue(key) && config.hasValue(alias) && config.peek(key) != config.peek(alias))
    config.fail("keys '" + key + "' (" + brief(config.peek(key)) + ") and '" + alias + "' (" +
                brief(config.peek(alias)) + ") contradict each other");
  if (config.hasValue(alias)) {
    config.use(key);
    return config.requiredInteger(alias, limits);
  }
  config.use(alias);
  return fallback ? config.integer(key, *fallback, limits) : config.requiredInteger(key, limits);
}

int64_t readHidden(ConfigReader &config, bool legacy) {
  std::optional<int64_t> override = config.optionalInteger("n_embed", limits::size);
  if (override) {
    if (config.hasValue("hidden_size") && config.peek("hidden_size") != config.peek("n_embed"))
      config.warn("'n_embed' " + brief(config.peek("n_embed")) + " overrides 'hidden_size' " +
                  brief(config.peek("hidden_size")));
    config.ignore("hidden_size", "n_embed overrides it");
    return *override;
  }
  return legacy ? config.requiredInteger("hidden_size", limits::size)
                : config.integer("hidden_size", 4544, limits::size);
}

/// n_head_kv or num_kv_heads; none if both are absent or null.
std::optional<int64_t> readKvHeads(ConfigReader &config) {
  std::optional<int64_t> kvHeads = config.optionalInteger("num_kv_heads", limits::count);
  std::optional<int64_t> legacyHeads = config.optionalInteger("n_head_kv", limits::count);
  if (kvHeads && legacyHeads && *kvHeads != *legacyHeads)
    config.fail("keys 'num_kv_heads' (" + Twine(*kvHeads) + ") and 'n_head_kv' (" +
                Twine(*legacyHeads) + ") contradict each other");
  return kvHeads ? kvHeads : legacyHeads;
}

/// Sets the effective number of KV heads; 0 if only the weights can tell.
void readGrouping(ConfigReader &config, ModelSpec &spec, bool legacy, bool grouped) {
  std::optional<int64_t> given = readKvHeads(config);
  if (grouped) {
    config.ignore("multi_query", "new_decoder_architecture decides");
    spec.kvHeads = given.value_or(spec.heads);
    if (!given)
      config.defaulted("num_kv_heads", std::to_string(spec.heads));
    if (spec.heads % spec.kvHeads != 0)
      config.fail("keys 'num_attention_heads' (" + Twine(spec.heads) + ") and 'num_kv_heads' (" +
                  Twine(spec.kvHeads) + ") contradict each other: the first must be a multiple");
    return;
  }
  if (legacy && !config.has("multi_query")) {
    spec.kvHeads = 0;
    config.ignore("num_kv_heads", "the fused weight's shape decides");
    return;
  }
  if (config.boolean("multi_query", true)) {
    config.ignore("num_kv_heads", "multi_query means one KV head");
    config.ignore("n_head_kv", "multi_query means one KV head");
    spec.kvHeads = 1;
    return;
  }
  spec.kvHeads = spec.heads;
  if (given && *given != spec.heads)
    config.fail("keys 'multi_query' (false) and 'num_kv_heads' (" + Twine(*given) +
                ") contradict each other: without multi_query and new_decoder_architecture there "
                "are as many KV heads as heads (" +
                Twine(spec.heads) + ")");
}

void readBlockForm(ConfigReader &config, ModelSpec &spec, bool legacy, bool grouped) {
  bool parallel = config.boolean("parallel_attn", legacy ? grouped : true);
  std::optional<int64_t> norms = config.optionalInteger("num_ln_in_parallel_attn", {1, 2});
  if (!parallel) {
    config.ignore("num_ln_in_parallel_attn", "the block is sequential");
    spec.block = BlockForm::Sequential;
    if (grouped)
      config.fail("keys 'new_decoder_architecture' (true) and 'parallel_attn' (false) contradict "
                  "each other: that block form has never run");
    return;
  }
  if (!grouped && norms == 2)
    config.fail("keys 'num_ln_in_parallel_attn' (2) and 'new_decoder_architecture' (false) "
                "contradict each other: two norms exist in the new architecture only");
  int64_t count = norms.value_or(grouped ? 2 : 1);
  if (!norms)
    config.defaulted("num_ln_in_parallel_attn", std::to_string(count));
  spec.block = count == 2 ? BlockForm::ParallelTwoNorms : BlockForm::ParallelOneNorm;
}

void readShape(ConfigReader &config, ModelSpec &spec, bool legacy) {
  auto fallback = [&](int64_t modern) {
    return legacy ? std::optional<int64_t>() : std::optional<int64_t>(modern);
  };
  spec.vocab = config.integer("vocab_size", legacy ? 250880 : 65024, limits::size);
  spec.hidden = readHidden(config, legacy);
  spec.layers = aliased(config, "num_hidden_layers", "n_layer", fallback(32), limits::layers);
  spec.heads = aliased(config, "num_attention_heads", "n_head", fallback(71), limits::count);
  if (spec.hidden % spec.heads != 0)
    config.fail("keys 'hidden_size' (" + Twine(spec.hidden) + ") and 'num_attention_heads' (" +
                Twine(spec.heads) + ") contradict each other: the first must be a multiple");
  spec.headDim = std::max<int64_t>(1, spec.hidden / spec.heads);
  spec.ffn = config.optionalInteger("ffn_hidden_size", limits::size).value_or(4 * spec.hidden);
  if (!config.hasValue("ffn_hidden_size"))
    config.defaulted("ffn_hidden_size", std::to_string(spec.ffn));
  spec.maxPositions = config.integer("max_position_embeddings", 2048, limits::positions);
}

void readConfig(ConfigReader &config, ModelSpec &spec) {
  bool legacy = isLegacy(config);
  readShape(config, spec, legacy);
  bool grouped = config.hasValue("n_head_kv");
  if (config.has("new_decoder_architecture"))
    grouped = config.boolean("new_decoder_architecture", false);
  else
    config.defaulted("new_decoder_architecture", grouped ? "true (n_head_kv is given)" : "false");
  readGrouping(config, spec, legacy, grouped);
  readBlockForm(config, spec, legacy, grouped);

  spec.norm = NormForm::Layer;
  spec.normEps = config.number("layer_norm_epsilon", 1e-5, 0, 1);
  spec.activation = readActivation(config, "activation", "gelu");
  spec.attentionBias = spec.mlpBias = config.boolean("bias", false);
  spec.tiedHead = config.boolean("tie_word_embeddings", true);
  spec.alibi = config.boolean("alibi", false);
  if (spec.alibi)
    ignoreRope(config);
  else
    spec.rope = readRope(config, spec.maxPositions);
  if (!spec.alibi && spec.headDim % 2 != 0)
    config.fail("head dim " + Twine(spec.headDim) +
                " ('hidden_size' / 'num_attention_heads') is "
                "odd, which RoPE cannot rotate");
  readTokenIds(config, spec, legacy ? 1 : 11, legacy ? 2 : 11);
}

/// Compares the fused weight's rows with what the heads need; infers the KV heads if the config
/// leaves them open.
Error settleKvHeads(const Checkpoint &checkpoint, Ledger &ledger, const std::string &key,
                    ModelSpec &spec) {
  TensorRef fused = checkpoint.find(key);
  if (!fused || fused.info->shape.size() != 2) {
    if (spec.kvHeads == 0) { // with weights any value will do: the map reports the tensor
      spec.kvHeads = 1;
      ledger.defaulted("config", "multi_query", "true (no weights tell)");
    }
    return Error::success();
  }
  int64_t rows = fused.info->shape[0];
  int64_t multiHead = 3 * spec.heads * spec.headDim;
  int64_t multiQuery = (spec.heads + 2) * spec.headDim;
  if (spec.kvHeads == 0 && (rows == multiHead || rows == multiQuery)) {
    bool single = rows == multiQuery;
    spec.kvHeads = single ? 1 : spec.heads;
    ledger.defaulted("config", "multi_query",
                     std::string(single ? "true" : "false") + " (from the shape of " + key + ")");
    return Error::success();
  }
  if (spec.kvHeads != 0 && rows == spec.qkvColumns())
    return Error::success();
  std::string wanted = spec.kvHeads != 0
                           ? "the config's heads need " + std::to_string(spec.qkvColumns())
                           : "the config does not say which layout it has";
  return createStringError(
      std::errc::invalid_argument,
      "%s: tensor '%s' has %lld rows, but %s (%lld heads of %lld: multi-head has %lld rows, "
      "multi-query %lld)",
      fused.file->path().str().c_str(), key.c_str(), (long long)rows, wanted.c_str(),
      (long long)spec.heads, (long long)spec.headDim, (long long)multiHead, (long long)multiQuery);
}

void mapNorm(WeightMap &weights, const std::string &symbol, const std::string &key, int64_t size) {
  weights.addVector(symbol, {{key + ".weight", size}});
  weights.addVector(symbols::bias(symbol), {{key + ".bias", size}});
}

void mapLinear(WeightMap &weights, const std::string &symbol, const std::string &key, int64_t rows,
               int64_t cols, bool bias, bool fusedQkv = false) {
  weights.addMatrix(symbol, {{key + ".weight", rows}}, cols, fusedQkv);
  if (bias)
    weights.addVector(symbols::bias(symbol), {{key + ".bias", rows}}, fusedQkv);
}

void mapLayer(const ModelSpec &spec, int64_t index, const std::string &key, WeightMap &weights) {
  auto symbol = [&](StringRef name) { return symbols::layer(index, name); };
  int64_t hidden = spec.hidden;
  switch (spec.block) {
  case BlockForm::Sequential:
    mapNorm(weights, symbol(symbols::attnNorm), key + "input_layernorm", hidden);
    mapNorm(weights, symbol(symbols::mlpNorm), key + "post_attention_layernorm", hidden);
    break;
  case BlockForm::ParallelOneNorm:
    mapNorm(weights, symbol(symbols::norm), key + "input_layernorm", hidden);
    break;
  case BlockForm::ParallelTwoNorms:
    mapNorm(weights, symbol(symbols::attnNorm), key + "ln_attn", hidden);
    mapNorm(weights, symbol(symbols::mlpNorm), key + "ln_mlp", hidden);
    break;
  }
  bool bias = spec.attentionBias;
  mapLinear(weights, symbol(symbols::qkv), key + "self_attention.query_key_value",
            spec.qkvColumns(), hidden, bias, /*fusedQkv=*/true);
  mapLinear(weights, symbol(symbols::attnOut), key + "self_attention.dense", hidden, hidden, bias);
  mapLinear(weights, symbol(symbols::up), key + "mlp.dense_h_to_4h", spec.ffn, hidden,
            spec.mlpBias);
  mapLinear(weights, symbol(symbols::down), key + "mlp.dense_4h_to_h", hidden, spec.ffn,
            spec.mlpBias);
}

Error mapWeights(const Checkpoint &checkpoint, Ledger &ledger, ModelSpec &spec,
                 WeightMap &weights) {
  // A checkpoint of the bare base model lacks the prefix.
  std::string prefix = checkpoint.contains("word_embeddings.weight") ? "" : "transformer.";
  std::string fused = prefix + "h.0.self_attention.query_key_value.weight";
  if (Error error = settleKvHeads(checkpoint, ledger, fused, spec))
    return error;
  weights.addEmbedding(prefix + "word_embeddings.weight", "lm_head.weight", spec.vocab,
                       spec.hidden);
  for (int64_t i = 0; i < spec.layers; ++i)
    mapLayer(spec, i, prefix + "h." + std::to_string(i) + ".", weights);
  mapNorm(weights, symbols::finalNorm.str(), prefix + "ln_f", spec.hidden);
  return Error::success();
}

} // namespace

const Family &falconFamily() {
  static const Family family{
      "falcon",
      {"falcon", "RefinedWeb", "RefinedWebModel"},
      {"FalconForCausalLM", "RWForCausalLM", "FalconModel", "RWModel"},
      "Falcon (RW, 7B, 40B, 180B, 11B; model_type falcon, RefinedWeb, RefinedWebModel)",
      readConfig,
      mapWeights};
  return family;
}

} // namespace stoop::importer

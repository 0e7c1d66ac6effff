//===- TestCheckpoint.cpp - Small random checkpoints for tests ---------------===//
#include "TestCheckpoint.h"

#include "llvm/Support/FileSystem.h"
#include <cstring>
#include <fstream>
#include <stdexcept>

using namespace llvm;
using nlohmann::json;

namespace stoop::test {

std::string safetensorsBytes(StringRef header, StringRef data) {
  std::string bytes(8, '\0');
  uint64_t length = header.size();
  for (int i = 0; i < 8; ++i)
    bytes[i] = static_cast<char>(length >> (8 * i));
  return bytes + header.str() + data.str();
}

std::string safetensorsBytes(const std::vector<std::pair<std::string, RawTensor>> &tensors) {
  json header = json::object();
  header["__metadata__"] = {{"format", "pt"}};
  std::string data;
  for (const auto &[name, tensor] : tensors) {
    uint64_t begin = data.size();
    data += tensor.data;
    header[name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  return safetensorsBytes(header.dump(), data);
}

TestDirectory::TestDirectory() {
  SmallString<128> path;
  if (sys::fs::createUniqueDirectory("stoop-import", path))
    throw std::runtime_error("no temporary directory");
  root = std::string(path);
}

TestDirectory::~TestDirectory() { sys::fs::remove_directories(root); }

void TestDirectory::write(StringRef name, StringRef content) const {
  std::ofstream stream(file(name), std::ios::binary);
  stream.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!stream.flush())
    throw std::runtime_error("cannot write " + file(name));
}

void TestCheckpoint::add(const std::string &name, std::vector<uint64_t> shape) {
  uint64_t count = 1;
  for (uint64_t size : shape)
    count *= size;
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::string data(count * sizeof(float), '\0');
  for (uint64_t i = 0; i < count; ++i) {
    float value = uniform(random);
    std::memcpy(&data[i * sizeof(float)], &value, sizeof(float));
  }
  tensors[name] = {"F32", std::move(shape), std::move(data)};
}

void TestCheckpoint::save(const TestDirectory &directory) const {
  directory.write("config.json", config.dump(2));
  directory.write("model.safetensors", safetensorsBytes({tensors.begin(), tensors.end()}));
}

TestCheckpoint TestCheckpoint::falcon(const json &config, uint32_t seed) {
  TestCheckpoint result;
  result.config = config;
  result.random.seed(seed);
  auto get = [&](const char *key, auto fallback) {
    return config.contains(key) && !config[key].is_null() ? config[key].get<decltype(fallback)>()
                                                          : fallback;
  };
  uint64_t hidden = get("hidden_size", uint64_t(4544)),
           heads = get("num_attention_heads", uint64_t(71));
  uint64_t dim = hidden / heads, ffn = get("ffn_hidden_size", 4 * hidden);
  bool grouped = get("new_decoder_architecture", false), single = get("multi_query", true);
  bool parallel = get("parallel_attn", true), bias = get("bias", false);
  uint64_t kv = grouped ? get("num_kv_heads", heads) : single ? 1 : heads;
  uint64_t norms = parallel && grouped ? get("num_ln_in_parallel_attn", uint64_t(2)) : 1;

  auto norm = [&](const std::string &name) {
    result.add(name + ".weight", {hidden});
    result.add(name + ".bias", {hidden});
  };
  auto linear = [&](const std::string &name, uint64_t rows, uint64_t cols) {
    result.add(name + ".weight", {rows, cols});
    if (bias)
      result.add(name + ".bias", {rows});
  };
  result.add("transformer.word_embeddings.weight", {get("vocab_size", uint64_t(65024)), hidden});
  for (uint64_t i = 0; i < get("num_hidden_layers", uint64_t(32)); ++i) {
    std::string block = "transformer.h." + std::to_string(i) + ".";
    if (norms == 2) {
      norm(block + "ln_attn");
      norm(block + "ln_mlp");
    } else {
      norm(block + "input_layernorm");
    }
    if (!parallel)
      norm(block + "post_attention_layernorm");
    linear(block + "self_attention.query_key_value", (heads + 2 * kv) * dim, hidden);
    linear(block + "self_attention.dense", hidden, hidden);
    linear(block + "mlp.dense_h_to_4h", ffn, hidden);
    linear(block + "mlp.dense_4h_to_h", hidden, ffn);
  }
  norm("transformer.ln_f");
  if (!get("tie_word_embeddings", true))
    result.add("lm_head.weight", {get("vocab_size", uint64_t(65024)), hidden});
  return result;
}

TestCheckpoint TestCheckpoint::llama(const json &config, uint32_t seed) {
  TestCheckpoint result;
  result.config = config;
  result.random.seed(seed);
  uint64_t hidden = config["hidden_size"], heads = config["num_attention_heads"];
  uint64_t kv = config.value("num_key_value_heads", heads),
           dim = config.value("head_dim", hidden / heads);
  uint64_t ffn = config["intermediate_size"], vocab = config["vocab_size"];
  auto linear = [&](const std::string &name, uint64_t rows, uint64_t cols, bool bias) {
    result.add(name + ".weight", {rows, cols});
    if (bias)
      result.add(name + ".bias", {rows});
  };
  bool attentionBias = config.value("attention_bias", false),
       mlpBias = config.value("mlp_bias", false);
  result.add("model.embed_tokens.weight", {vocab, hidden});
  for (uint64_t i = 0; i < config["num_hidden_layers"].get<uint64_t>(); ++i) {
    std::string block = "model.layers." + std::to_string(i) + ".";
    result.add(block + "input_layernorm.weight", {hidden});
    result.add(block + "post_attention_layernorm.weight", {hidden});
    linear(block + "self_attn.q_proj", heads * dim, hidden, attentionBias);
    linear(block + "self_attn.k_proj", kv * dim, hidden, attentionBias);
    linear(block + "self_attn.v_proj", kv * dim, hidden, attentionBias);
    linear(block + "self_attn.o_proj", hidden, heads * dim, attentionBias);
    linear(block + "mlp.gate_proj", ffn, hidden, mlpBias);
    linear(block + "mlp.up_proj", ffn, hidden, mlpBias);
    linear(block + "mlp.down_proj", hidden, ffn, mlpBias);
  }
  result.add("model.norm.weight", {hidden});
  if (!config.value("tie_word_embeddings", false))
    result.add("lm_head.weight", {vocab, hidden});
  return result;
}

} // namespace stoop::test

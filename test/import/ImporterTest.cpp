//===- ImporterTest.cpp - Whole checkpoints to verified lm modules ------------===//
//
// Recorded checkpoints and random ones of every mix must import and verify, with the sizes, layouts
// and metadata that their configs imply; wrong ones must be refused with a message that names what
// is wrong.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Importer.h"
#include "TestCheckpoint.h"
#include "ir/lm/LmOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <fstream>
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::importer;
using namespace stoop::test;
using nlohmann::json;

namespace {

class ImporterTest : public testing::Test {
protected:
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  ImportOptions options;

  /// Imports and verifies; null with a test failure if either fails.
  mlir::OwningOpRef<mlir::ModuleOp> import(const std::string &directory) {
    options.checkpointDir = directory;
    auto module = importCheckpoint(context, options);
    if (!module) {
      ADD_FAILURE() << directory << ": " << llvm::toString(module.takeError());
      return {};
    }
    EXPECT_TRUE(mlir::succeeded(mlir::verify(**module))) << directory;
    return std::move(*module);
  }

  /// The error of an import that must fail.
  std::string refusal(const std::string &directory) {
    options.checkpointDir = directory;
    auto module = importCheckpoint(context, options);
    if (module) {
      ADD_FAILURE() << directory << " was imported";
      return "";
    }
    return llvm::toString(module.takeError());
  }
};

lm::ModelOp modelOf(mlir::ModuleOp module) { return *module.getOps<lm::ModelOp>().begin(); }

lm::WeightOp weightOf(lm::ModelOp model, llvm::StringRef name) {
  for (lm::WeightOp weight : model.getBody().front().getOps<lm::WeightOp>())
    if (weight.getSymName() == name)
      return weight;
  return {};
}

template <typename OpTy> std::vector<OpTy> opsOf(lm::ModelOp model) {
  std::vector<OpTy> ops;
  model.walk([&](OpTy op) { ops.push_back(op); });
  return ops;
}

template <typename AttrTy> AttrTy metadata(lm::ModelOp model, llvm::StringRef key) {
  return llvm::dyn_cast_or_null<AttrTy>(model.getMetadata().get(key));
}

std::vector<int64_t> eosOf(lm::ModelOp model) {
  std::vector<int64_t> ids;
  for (mlir::Attribute id : metadata<mlir::ArrayAttr>(model, "eos"))
    ids.push_back(llvm::cast<mlir::IntegerAttr>(id).getInt());
  return ids;
}

std::vector<std::string> warningsOf(lm::ModelOp model) {
  std::vector<std::string> texts;
  for (mlir::Attribute text : metadata<mlir::ArrayAttr>(model, "warnings"))
    texts.push_back(llvm::cast<mlir::StringAttr>(text).getValue().str());
  return texts;
}

std::vector<std::string> recordedCheckpoints() {
  std::vector<std::string> found = {STOOP_SOURCE_DIR "/examples/falcon-tiny/model"};
  std::error_code code;
  for (llvm::sys::fs::directory_iterator it(STOOP_SOURCE_DIR "/test/checkpoints", code), end;
       it != end && !code; it.increment(code))
    if (llvm::sys::fs::exists(it->path() + "/config.json"))
      found.push_back(it->path());
  return found;
}

json smallFalcon() {
  return {{"model_type", "falcon"}, {"architectures", {"FalconForCausalLM"}},
          {"vocab_size", 37},       {"hidden_size", 24},
          {"num_hidden_layers", 2}, {"num_attention_heads", 6},
          {"eos_token_id", 11},     {"bos_token_id", 11}};
}

json smallLlama() {
  return {{"model_type", "llama"},   {"vocab_size", 37},         {"hidden_size", 24},
          {"num_hidden_layers", 2},  {"num_attention_heads", 6}, {"num_key_value_heads", 2},
          {"intermediate_size", 40}, {"head_dim", 10},           {"eos_token_id", 11}};
}

//===----------------------------------------------------------------------===//
// What imports
//===----------------------------------------------------------------------===//

TEST_F(ImporterTest, RecordedCheckpoints) {
  std::vector<std::string> directories = recordedCheckpoints();
  ASSERT_EQ(directories.size(), 13u);
  for (const std::string &directory : directories)
    for (const char *dtype : {"auto", "f32", "bf16", "f16"}) {
      options.dtype = dtype;
      options.maxSeqLen = 2048;
      auto module = import(directory);
      ASSERT_TRUE(module);
      lm::ModelOp model = modelOf(*module);
      EXPECT_EQ(model.getMaxPositions(), 2048u) << directory;
      EXPECT_EQ(opsOf<lm::AttentionOp>(model).size(), model.getLayers()) << directory;
    }
}

/// Every mix of the flags that shape a Falcon block.
TEST_F(ImporterTest, EveryMixOfFalconFlags) {
  int imported = 0;
  for (int bits = 0; bits < 64; ++bits) {
    bool alibi = bits & 1, bias = bits & 2, parallel = bits & 4, single = bits & 8,
         grouped = bits & 16, tied = bits & 32;
    if (grouped && !parallel)
      continue; // refused: see Contradictions
    for (int64_t kv : grouped ? std::vector<int64_t>{1, 2, 3, 6} : std::vector<int64_t>{0})
      for (int64_t norms : grouped ? std::vector<int64_t>{1, 2} : std::vector<int64_t>{0}) {
        json config = smallFalcon();
        config.update({{"alibi", alibi},
                       {"bias", bias},
                       {"parallel_attn", parallel},
                       {"multi_query", single},
                       {"new_decoder_architecture", grouped},
                       {"tie_word_embeddings", tied},
                       {"ffn_hidden_size", 20 + bits}});
        if (kv)
          config["num_kv_heads"] = kv;
        if (norms)
          config["num_ln_in_parallel_attn"] = norms;
        TestDirectory directory;
        TestCheckpoint::falcon(config, bits).save(directory);
        auto module = import(directory.path());
        ASSERT_TRUE(module) << config.dump();
        lm::ModelOp model = modelOf(*module);
        int64_t kvHeads = grouped ? kv : single ? 1 : 6;
        EXPECT_EQ(model.getKvHeads(), uint64_t(kvHeads)) << config.dump();
        EXPECT_EQ(weightOf(model, "layers.1.attn.qkv").getTensorType().getDimSize(0),
                  (6 + 2 * kvHeads) * 4);
        auto layout = weightOf(model, "layers.1.attn.qkv").getLayout();
        ASSERT_TRUE(layout.has_value());
        EXPECT_EQ(layout->getGroups(), kvHeads);
        EXPECT_EQ(layout->getQueries(), 6 / kvHeads);
        EXPECT_EQ(bool(weightOf(model, "layers.0.attn.qkv.bias")), bias);
        EXPECT_EQ(bool(weightOf(model, "head")), !tied);
        EXPECT_EQ(opsOf<lm::RopeOp>(model).size(), alibi ? 0u : 4u);
        EXPECT_EQ(opsOf<lm::NormOp>(model).size(), parallel && norms != 2 ? 3u : 5u);
        EXPECT_EQ(opsOf<lm::BiasOp>(model).size(), bias ? 8u : 0u);
        ++imported;
      }
  }
  EXPECT_EQ(imported, 32 + 16 * 4 * 2); // without and with new_decoder_architecture
}

TEST_F(ImporterTest, EveryMixOfLlamaFlags) {
  for (int bits = 0; bits < 16; ++bits) {
    json config = smallLlama();
    config.update({{"attention_bias", bool(bits & 1)},
                   {"mlp_bias", bool(bits & 2)},
                   {"tie_word_embeddings", bool(bits & 4)}});
    if (bits & 8)
      config.erase("head_dim");
    TestDirectory directory;
    TestCheckpoint::llama(config, bits).save(directory);
    auto module = import(directory.path());
    ASSERT_TRUE(module) << config.dump();
    lm::ModelOp model = modelOf(*module);
    lm::WeightOp qkv = weightOf(model, "layers.0.attn.qkv");
    EXPECT_FALSE(qkv.getLayout().has_value());
    EXPECT_EQ(qkv.getSources()->size(), 3u);
    EXPECT_EQ(qkv.getTensorType().getDimSize(0), (6 + 4) * (bits & 8 ? 4 : 10));
    EXPECT_EQ(weightOf(model, "layers.1.mlp.gate").getTensorType().getDimSize(0), 40);
    EXPECT_EQ(weightOf(model, "layers.1.mlp.up").getTensorType().getDimSize(0), 40);
    EXPECT_EQ(bool(weightOf(model, "layers.1.attn.out.bias")), bool(bits & 1));
    EXPECT_EQ(bool(weightOf(model, "layers.1.mlp.down.bias")), bool(bits & 2));
    EXPECT_EQ(bool(weightOf(model, "head")), !(bits & 4));
    EXPECT_TRUE(opsOf<lm::NormOp>(model)[0].getKind() == lm::NormKind::Rms);
  }
}

/// Rows of the stored fused weight hold 10000 h + 100 t + d: query (t = 0) h, key (1), value (2) of
/// KV head h. Through the layout, Q | K | V must come out in order.
TEST_F(ImporterTest, QkvLayoutOrdersRows) {
  struct Case {
    bool grouped, single;
    int64_t kv;
  };
  for (Case c : {Case{false, false, 6}, Case{false, true, 1}, Case{true, true, 2},
                 Case{true, false, 3}, Case{true, true, 6}, Case{true, true, 1}}) {
    json config = smallFalcon();
    config.update(
        {{"multi_query", c.single}, {"new_decoder_architecture", c.grouped}, {"bias", true}});
    if (c.grouped)
      config["num_kv_heads"] = c.kv;
    TestCheckpoint checkpoint = TestCheckpoint::falcon(config, 1);
    int64_t dim = 4, heads = 6, queries = heads / c.kv;
    // The three layouts as the original code writes them, row by row.
    std::vector<float> rows;
    auto put = [&](int64_t h, int64_t t) {
      for (int64_t d = 0; d < dim; ++d)
        rows.push_back(float(10000 * h + 100 * t + d));
    };
    if (!c.grouped && c.single) {
      for (int64_t h = 0; h < heads; ++h)
        put(h, 0);
      put(0, 1);
      put(0, 2);
    } else if (!c.grouped) {
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t t = 0; t < 3; ++t)
          put(h, t);
    } else {
      for (int64_t g = 0; g < c.kv; ++g) {
        for (int64_t s = 0; s < queries; ++s)
          put(g * queries + s, 0);
        put(g, 1);
        put(g, 2);
      }
    }
    RawTensor &bias = checkpoint.tensors["transformer.h.1.self_attention.query_key_value.bias"];
    ASSERT_EQ(bias.data.size(), rows.size() * sizeof(float));
    bias.data.assign(reinterpret_cast<const char *>(rows.data()), bias.data.size());
    TestDirectory directory;
    checkpoint.save(directory);
    auto module = import(directory.path());
    ASSERT_TRUE(module);
    lm::WeightOp weight = weightOf(modelOf(*module), "layers.1.attn.qkv.bias");
    auto source = llvm::cast<lm::SourceAttr>((*weight.getSources())[0]);
    std::ifstream file(source.getFile().str(), std::ios::binary);
    file.seekg(source.getOffset());
    std::vector<float> stored(rows.size());
    ASSERT_TRUE(file.read(reinterpret_cast<char *>(stored.data()), stored.size() * sizeof(float)));
    int64_t row = 0;
    auto expect = [&](int64_t h, int64_t t) {
      for (int64_t d = 0; d < dim; ++d, ++row)
        EXPECT_EQ(stored[weight.getLayout()->storedRow(row)], float(10000 * h + 100 * t + d))
            << "row " << row << " of " << config.dump();
    };
    for (int64_t h = 0; h < heads; ++h)
      expect(h, 0);
    for (int64_t t : {1, 2})
      for (int64_t g = 0; g < c.kv; ++g)
        expect(g, t);
  }
}

TEST_F(ImporterTest, WithoutPrefix) {
  TestCheckpoint checkpoint = TestCheckpoint::falcon(smallFalcon(), 3), bare;
  bare.config = checkpoint.config;
  bare.config["architectures"] = {"FalconModel"};
  for (auto &[name, tensor] : checkpoint.tensors)
    bare.tensors[llvm::StringRef(name).drop_front(strlen("transformer.")).str()] = tensor;
  TestDirectory directory;
  bare.save(directory);
  EXPECT_TRUE(import(directory.path()));
}

TEST_F(ImporterTest, ComputeTypes) {
  TestDirectory directory;
  json config = smallFalcon();
  config["bias"] = true;
  TestCheckpoint::falcon(config, 4).save(directory);
  auto typeOf = [&](llvm::StringRef name) {
    auto module = import(directory.path());
    lm::WeightOp weight = weightOf(modelOf(*module), name);
    std::string text;
    llvm::raw_string_ostream(text) << weight.getTensorType().getElementType() << " "
                                   << (weight.getRound() ? *weight.getRound() : mlir::Type());
    return text;
  };
  EXPECT_EQ(typeOf("embed"), "f32 <<NULL TYPE>>");
  options.dtype = "bf16";
  EXPECT_EQ(typeOf("embed"), "bf16 <<NULL TYPE>>");
  EXPECT_EQ(typeOf("final_norm"), "f32 bf16");
  EXPECT_EQ(typeOf("layers.0.attn.qkv.bias"), "f32 bf16");
  options.dtype = "f16";
  EXPECT_EQ(typeOf("layers.1.mlp.up"), "f16 <<NULL TYPE>>");
  options.dtype = "int8";
  EXPECT_EQ(refusal(directory.path()), "--dtype: 'int8' is not one of auto, f32, bf16, f16");
}

TEST_F(ImporterTest, ModelPathsAreLocations) {
  TestDirectory directory;
  TestCheckpoint::falcon(smallFalcon(), 5).save(directory);
  auto module = import(directory.path());
  ASSERT_TRUE(module);
  modelOf(*module).walk([](mlir::Operation *op) {
    if (llvm::isa<lm::ModelOp>(op))
      return;
    EXPECT_TRUE(llvm::isa<mlir::NameLoc>(op->getLoc())) << op->getName().getStringRef().str();
  });
  auto linear = opsOf<lm::LinearOp>(modelOf(*module))[0];
  EXPECT_EQ(llvm::cast<mlir::NameLoc>(linear.getLoc()).getName().getValue(), "layers.0.attn.qkv");
}

/// Printed and parsed again, a module is the same: phases may be resumed from text.
TEST_F(ImporterTest, RoundTripsThroughText) {
  for (const std::string &directory : recordedCheckpoints()) {
    auto module = import(directory);
    ASSERT_TRUE(module);
    auto print = [](mlir::ModuleOp op) {
      std::string text;
      llvm::raw_string_ostream stream(text);
      op.print(stream, mlir::OpPrintingFlags().enableDebugInfo());
      return text;
    };
    std::string text = print(*module);
    auto parsed = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(parsed) << directory;
    EXPECT_EQ(print(*parsed), text) << directory;
    // Attributes are unique in a context: equal ones are the same, down to the last bit.
    lm::ModelOp before = modelOf(*module), after = modelOf(*parsed);
    auto tableOf = [](lm::ModelOp model) {
      lm::WeightOp table = weightOf(model, "rope");
      return table ? table.getGeneratorAttr() : lm::RopeTableAttr();
    };
    EXPECT_TRUE(tableOf(before) == tableOf(after)) << directory;
    EXPECT_TRUE(opsOf<lm::AttentionOp>(before)[0].getSlopesAttr() ==
                opsOf<lm::AttentionOp>(after)[0].getSlopesAttr())
        << directory;
  }
}

//===----------------------------------------------------------------------===//
// Head and token ids
//===----------------------------------------------------------------------===//

TEST_F(ImporterTest, HeadTying) {
  auto headOf = [&](TestCheckpoint &checkpoint, std::vector<std::string> &warnings) {
    TestDirectory directory;
    checkpoint.save(directory);
    auto module = import(directory.path());
    lm::ModelOp model = modelOf(*module);
    warnings = warningsOf(model);
    return bool(weightOf(model, "head"));
  };
  std::vector<std::string> warnings;
  TestCheckpoint tied = TestCheckpoint::falcon(smallFalcon(), 6);
  EXPECT_FALSE(headOf(tied, warnings));

  TestCheckpoint equal = tied;
  equal.tensors["lm_head.weight"] = equal.tensors["transformer.word_embeddings.weight"];
  EXPECT_FALSE(headOf(equal, warnings));
  EXPECT_TRUE(warnings.empty());

  TestCheckpoint different = equal;
  different.tensors["lm_head.weight"].data[5] ^= 1;
  EXPECT_TRUE(headOf(different, warnings));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("'lm_head.weight' differs"), std::string::npos) << warnings[0];
  options.forceTie = true;
  EXPECT_FALSE(headOf(different, warnings));
  options.forceTie = false;

  TestCheckpoint headOnly = equal;
  headOnly.tensors.erase("transformer.word_embeddings.weight");
  EXPECT_FALSE(headOf(headOnly, warnings));

  TestCheckpoint untied = tied;
  untied.config["tie_word_embeddings"] = false;
  TestDirectory directory;
  untied.save(directory);
  EXPECT_NE(refusal(directory.path()).find("1 tensor is missing: 'lm_head.weight'"),
            std::string::npos);
}

TEST_F(ImporterTest, StopSet) {
  json config = smallFalcon();
  config["eos_token_id"] = {3, 4};
  TestDirectory directory;
  TestCheckpoint::falcon(config, 7).save(directory);
  directory.write(
      "generation_config.json",
      R"({"eos_token_id": 2, "bos_token_id": 5, "do_sample": true, "temperature": 0.5, "top_p": 0.9})");
  options.tokenizerEos = 9;
  options.numTokenIds = 30;
  auto module = import(directory.path());
  ASSERT_TRUE(module);
  lm::ModelOp model = modelOf(*module);
  EXPECT_EQ(eosOf(model), (std::vector<int64_t>{2, 3, 4, 9}));
  ASSERT_EQ(warningsOf(model).size(), 1u);
  EXPECT_EQ(
      warningsOf(model)[0],
      "end-of-text ids disagree (generation_config.json 2, config.json 3, 4, tokenizer 9): each "
      "of them stops generation; --eos-id sets others");
  EXPECT_EQ(metadata<mlir::IntegerAttr>(model, "bos").getInt(), 5);
  EXPECT_EQ(metadata<mlir::IntegerAttr>(model, "num_token_ids").getInt(), 30);
  EXPECT_EQ(metadata<mlir::FloatAttr>(model, "temperature").getValueAsDouble(), 0.5);
  EXPECT_EQ(metadata<mlir::FloatAttr>(model, "top_p").getValueAsDouble(), 0.9);
  EXPECT_EQ(metadata<mlir::IntegerAttr>(model, "top_k").getInt(), 50);

  options.eosIds = std::vector<int64_t>{1};
  module = import(directory.path());
  EXPECT_EQ(eosOf(modelOf(*module)), (std::vector<int64_t>{1}));
  options.eosIds = std::vector<int64_t>{37};
  EXPECT_EQ(refusal(directory.path()), "--eos-id 37 is not an id of the model (0 to 36)");
}

TEST_F(ImporterTest, GreedyWithoutDoSample) {
  TestDirectory directory;
  TestCheckpoint::falcon(smallFalcon(), 8).save(directory);
  directory.write("generation_config.json", R"({"temperature": 0.5, "eos_token_id": [11]})");
  auto module = import(directory.path());
  ASSERT_TRUE(module);
  EXPECT_EQ(metadata<mlir::FloatAttr>(modelOf(*module), "temperature").getValueAsDouble(), 0.0);
  EXPECT_EQ(metadata<mlir::IntegerAttr>(modelOf(*module), "top_k").getInt(), 0);
  EXPECT_TRUE(warningsOf(modelOf(*module)).empty());
}

TEST_F(ImporterTest, TokenizerBeyondVocabulary) {
  TestDirectory directory;
  TestCheckpoint::falcon(smallFalcon(), 13).save(directory);
  options.numTokenIds = 40;
  auto module = import(directory.path());
  ASSERT_TRUE(module);
  EXPECT_EQ(metadata<mlir::IntegerAttr>(modelOf(*module), "num_token_ids").getInt(), 37);
  EXPECT_EQ(warningsOf(modelOf(*module)),
            (std::vector<std::string>{
                "the tokenizer has ids up to 39, the model's vocabulary ends at 36: "
                "texts that need larger ids cannot be processed"}));
}

TEST_F(ImporterTest, BeginIdBeyondVocabulary) {
  TestDirectory directory;
  json config = smallFalcon();
  config["bos_token_id"] = 37;
  TestCheckpoint::falcon(config, 13).save(directory);
  auto module = import(directory.path());
  ASSERT_TRUE(module);
  EXPECT_EQ(metadata<mlir::IntegerAttr>(modelOf(*module), "bos").getInt(), -1);
  EXPECT_EQ(warningsOf(modelOf(*module)),
            (std::vector<std::string>{"config.json: begin-of-text id 37 is not an id of the model "
                                      "(0 to 36); dropped"}));
}

/// The demo model's config has wrong ids, as the published rw-1b has.
TEST_F(ImporterTest, TokenizerIdAlwaysStops) {
  options.tokenizerEos = 4001;
  options.numTokenIds = 4002;
  auto module = import(STOOP_SOURCE_DIR "/examples/falcon-tiny/model");
  ASSERT_TRUE(module);
  EXPECT_EQ(eosOf(modelOf(*module)), (std::vector<int64_t>{2, 4001}));
  EXPECT_EQ(warningsOf(modelOf(*module)).size(), 1u);
}

//===----------------------------------------------------------------------===//
// What is refused
//===----------------------------------------------------------------------===//

TEST_F(ImporterTest, ExtraKeysAndTensors) {
  TestCheckpoint checkpoint = TestCheckpoint::falcon(smallFalcon(), 9);
  checkpoint.config["frobnicate"] = 3;
  checkpoint.config["use_moe"] = true;
  checkpoint.add("transformer.h.0.mlp.dense_h_to_4h.bias", {96});
  checkpoint.add("transformer.h.0.self_attention.rotary_emb.inv_freq", {2});
  TestDirectory directory;
  checkpoint.save(directory);
  directory.write("generation_config.json", R"({"num_beams": 1, "watermark": true})");
  std::string path = directory.path();
  EXPECT_EQ(
      refusal(path),
      path + "/config.json: 2 keys that this model does not use: 'frobnicate', 'use_moe'\n" + path +
          "/generation_config.json: 1 key that this model does not use: 'watermark'\n" + path +
          "/model.safetensors: 1 tensor that this model does not use: "
          "'transformer.h.0.mlp.dense_h_to_4h.bias'\n--allow-extra ignores them with a warning");
  options.allowExtra = true;
  auto module = import(path);
  ASSERT_TRUE(module);
  EXPECT_EQ(warningsOf(modelOf(*module)).size(), 3u);
}

TEST_F(ImporterTest, MissingAndMisshapenTensors) {
  TestCheckpoint checkpoint = TestCheckpoint::falcon(smallFalcon(), 10);
  checkpoint.tensors.erase("transformer.h.1.mlp.dense_4h_to_h.weight");
  checkpoint.tensors.erase("transformer.ln_f.bias");
  checkpoint.add("transformer.word_embeddings.weight", {36, 24});
  checkpoint.tensors["transformer.ln_f.weight"] = {"I64", {24}, std::string(24 * 8, 1)};
  TestDirectory directory;
  checkpoint.save(directory);
  std::string text = refusal(directory.path());
  for (const char *part :
       {"2 tensors are missing: 'transformer.h.1.mlp.dense_4h_to_h.weight', "
        "'transformer.ln_f.bias'",
        "tensor 'transformer.word_embeddings.weight' has shape [36, 24], the config asks for [37, "
        "24]",
        "tensor 'transformer.ln_f.weight' has dtype I64; F32, F16 and BF16 are supported"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST_F(ImporterTest, FusedRowsContradictConfig) {
  TestCheckpoint checkpoint = TestCheckpoint::falcon(smallFalcon(), 11);
  checkpoint.config["multi_query"] = false;
  TestDirectory directory;
  checkpoint.save(directory);
  EXPECT_EQ(
      refusal(directory.path()),
      directory.file("model.safetensors") +
          ": tensor 'transformer.h.0.self_attention.query_key_value.weight' has 32 rows, but the "
          "config's heads need 72 (6 heads of 4: multi-head has 72 rows, multi-query 32)");
}

/// A legacy config that omits multi_query: the shape of the fused weight tells.
TEST_F(ImporterTest, LegacyInfersKvHeads) {
  for (bool single : {false, true}) {
    json config = smallFalcon();
    config["multi_query"] = single;
    config["parallel_attn"] = false;
    TestCheckpoint checkpoint = TestCheckpoint::falcon(config, 12);
    checkpoint.config.erase("multi_query");
    checkpoint.config["model_type"] = "RefinedWebModel";
    checkpoint.config["architectures"] = {"RWForCausalLM"};
    TestDirectory directory;
    checkpoint.save(directory);
    auto module = import(directory.path());
    ASSERT_TRUE(module);
    EXPECT_EQ(modelOf(*module).getKvHeads(), single ? 1u : 6u);
  }
}

TEST_F(ImporterTest, BadDirectories) {
  TestDirectory directory;
  EXPECT_EQ(refusal(directory.path()), directory.file("config.json") +
                                           ": is missing: not a Hugging Face checkpoint directory");
  EXPECT_EQ(refusal(directory.file("none")),
            directory.file("none") + ": no such checkpoint directory");
  directory.write("config.json", smallFalcon().dump());
  EXPECT_NE(refusal(directory.path()).find("holds neither model.safetensors nor"),
            std::string::npos);
  directory.write("pytorch_model.bin", "x");
  EXPECT_NE(refusal(directory.path()).find("pickled weights only (pytorch_model.bin)"),
            std::string::npos);
  EXPECT_NE(refusal(directory.path()).find("save_pretrained"), std::string::npos);
}

} // namespace

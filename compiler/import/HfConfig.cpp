//===- HfConfig.cpp - config.json and generation_config.json ---------------===//
//
// Family detection, the keys all families share, and generation_config.json. What is special to a
// family is in families/.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/HfConfig.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"

using namespace llvm;
using nlohmann::json;

namespace stoop::importer {

std::vector<const Family *> allFamilies() {
  return {
#define STOOP_FAMILY(name) &name##Family(),
#include "compiler/import/Families.def"
  };
}

//===----------------------------------------------------------------------===//
// Shared keys
//===----------------------------------------------------------------------===//

/// Token ids without the negative ones, which stand for none.
static std::vector<int64_t> realIds(const std::vector<int64_t> &ids) {
  std::vector<int64_t> kept;
  copy_if(ids, std::back_inserter(kept), [](int64_t id) { return id >= 0; });
  return kept;
}

void readTokenIds(ConfigReader &config, ModelSpec &spec, int64_t bosDefault, int64_t eosDefault) {
  if (config.has("eos_token_id")) {
    spec.eos = realIds(
        config.optionalIntegers("eos_token_id", limits::tokenId).value_or(std::vector<int64_t>()));
  } else {
    spec.eos = {eosDefault};
    config.defaulted("eos_token_id", std::to_string(eosDefault));
  }
  std::optional<int64_t> bos;
  if (config.has("bos_token_id")) {
    bos = config.optionalInteger("bos_token_id", limits::tokenId);
  } else {
    bos = bosDefault;
    config.defaulted("bos_token_id", std::to_string(bosDefault));
  }
  if (bos && *bos >= 0)
    spec.bos = bos;
}

std::string readActivation(ConfigReader &config, StringRef key, StringRef fallback) {
  std::string name = config.string(key, fallback);
  StringRef keyword = StringSwitch<StringRef>(name)
                          .Cases({"gelu", "gelu_python"}, "gelu")
                          .Cases({"gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh"}, "gelu_tanh")
                          .Case("gelu_fast", "gelu_fast")
                          .Case("quick_gelu", "quick_gelu")
                          .Case("relu", "relu")
                          .Cases({"silu", "swish"}, "silu")
                          .Default("");
  if (keyword.empty())
    config.failKey(key, "activation '" + name +
                            "' is not supported (gelu, gelu_python, gelu_new, gelu_pytorch_tanh, "
                            "gelu_python_tanh, gelu_fast, quick_gelu, relu, silu, swish are)");
  return keyword.str();
}

/// Whether `value` is one of the JSON values in `list` ("false|null"); "" admits any.
static bool isListed(const json &value, StringRef list) {
  if (list.empty())
    return true;
  SmallVector<StringRef, 4> allowed;
  list.split(allowed, '|');
  return any_of(allowed, [&](StringRef text) {
    return value == json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  });
}

/// Enters the keys of IgnoredKeys.def that no one has read.
static void ignoreCommonKeys(ConfigReader &reader) {
  auto ignoreKey = [&](StringRef section, StringRef key, StringRef values, StringRef reason) {
    if (section != reader.section() || !reader.has(key))
      return;
    const auto &entries = reader.ledger().sections().at(section.str()).entries;
    if (entries.at(key.str()).fate != Ledger::Fate::Found)
      return; // the family has a use for it
    reader.ignore(key, reason);
    if (!isListed(reader.peek(key), values))
      reader.failKey(key, "value " + brief(reader.peek(key)) + " is not supported (only " +
                              join(split(values, '|'), " or ") + ")");
  };
#define STOOP_IGNORED_KEY(section, key, values, reason) ignoreKey(#section, key, values, reason);
#include "compiler/import/IgnoredKeys.def"
}

//===----------------------------------------------------------------------===//
// Family
//===----------------------------------------------------------------------===//

static std::string supportedText() {
  std::string text = "supported are: ";
  for (const Family *family : allFamilies())
    text += (family == allFamilies().front() ? "" : "; ") + family->description.str();
  return text;
}

/// "a state-space model (Mamba)" for a type or architecture that is known and refused, else "".
static StringRef unsupportedKind(StringRef modelType, StringRef architecture) {
#define STOOP_UNSUPPORTED(type, arch, what)                                                        \
  if (modelType == type || architecture == arch)                                                   \
    return what;
#include "compiler/import/Families.def"
  return "";
}

/// architectures[0], or "".
static std::string firstArchitecture(ConfigReader &config) {
  config.use("architectures");
  const json &list = config.peek("architectures");
  if (list.is_null() || (list.is_array() && list.empty()))
    return "";
  if (list.is_array() && list[0].is_string())
    return list[0].get<std::string>();
  config.failKey("architectures", "expects a list of names, found " + brief(list));
  return "";
}

/// compression_config stores weights in forms of its own.
static Error checkCompression(ConfigReader &config) {
  const json &value = config.peek("compression_config");
  if (value.is_null())
    return Error::success();
  return fileError(config.file(), "'compression_config': compressed checkpoints are not supported; "
                                  "give one with F32, F16 or BF16 weights, or one of gptq or awq");
}

/// Decides on model_type, and on architectures if that is absent.
static Expected<const Family *> detectFamily(ConfigReader &config) {
  std::string type = config.has("model_type") ? config.string("model_type", "") : "";
  if (config.has("model_type") && config.peek("model_type") == "")
    config.failKey("model_type", "is empty; " + supportedText());
  std::string architecture = firstArchitecture(config);
  if (Error error = config.takeError())
    return error;
  if (StringRef kind = unsupportedKind(type, architecture); !kind.empty())
    return fileError(config.file(), "'" + (type.empty() ? architecture : type) + "' is " + kind +
                                        ", which is not supported; " + supportedText());
  if (Error error = checkCompression(config))
    return error;
  if (type.empty() && architecture.empty())
    return fileError(config.file(),
                     "neither 'model_type' nor 'architectures' is given; " + supportedText());
  for (const Family *family : allFamilies()) {
    bool known = architecture.empty() || is_contained(family->architectures, architecture);
    if (type.empty() ? !known : !is_contained(family->modelTypes, type))
      continue;
    if (known)
      return family;
    return fileError(config.file(), "architecture '" + architecture + "' of model_type '" + type +
                                        "' is not supported (" + join(family->architectures, ", ") +
                                        " are)");
  }
  return fileError(config.file(),
                   (type.empty() ? "architecture '" + architecture : "model_type '" + type) +
                       "' is not supported; " + supportedText());
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

static Expected<GenerationConfig> parseGeneration(const ConfigText &source, Ledger &ledger) {
  ledger.open("generation_config", source.path);
  Expected<json> object = parseJsonObject(source.text, source.path);
  if (!object)
    return object.takeError();
  ConfigReader reader(*object, source.path, "generation_config", ledger);
  GenerationConfig result;
  result.eos = realIds(
      reader.optionalIntegers("eos_token_id", limits::tokenId).value_or(std::vector<int64_t>()));
  if (std::optional<int64_t> bos = reader.optionalInteger("bos_token_id", limits::tokenId);
      bos && *bos >= 0)
    result.bos = bos;
  bool sample = reader.optionalBoolean("do_sample").value_or(false);
  std::optional<double> temperature = reader.optionalNumber("temperature", 0, 1e6);
  std::optional<int64_t> topK = reader.optionalInteger("top_k", {0, INT32_MAX});
  if (sample) {
    // Without these keys Hugging Face samples at temperature 1 from the best 50.
    if (!temperature)
      reader.defaulted("temperature", "1");
    if (!topK)
      reader.defaulted("top_k", "50");
    result.temperature = temperature.value_or(1.0);
  } else {
    reader.ignore("temperature", "do_sample is not true: greedy");
  }
  result.topK = topK.value_or(sample ? 50 : 0);
  result.topP = reader.optionalNumber("top_p", 0, 1).value_or(1.0);
  result.minP = reader.optionalNumber("min_p", 0, 1).value_or(0.0);
  result.repetitionPenalty = reader.optionalNumber("repetition_penalty", 1e-6, 1e6).value_or(1.0);
  ignoreCommonKeys(reader);
  if (Error error = reader.takeError())
    return error;
  return result;
}

Expected<HfConfig> parseHfConfig(const ConfigText &config,
                                 const std::optional<ConfigText> &generation, Ledger &ledger) {
  ledger.open("config", config.path);
  Expected<json> object = parseJsonObject(config.text, config.path);
  if (!object)
    return object.takeError();
  ConfigReader reader(*object, config.path, "config", ledger);
  Expected<const Family *> family = detectFamily(reader);
  if (!family)
    return family.takeError();

  HfConfig result;
  result.family = *family;
  result.spec.family = (*family)->name.str();
  (*family)->readConfig(reader, result.spec);
  for (StringRef key : {"torch_dtype", "dtype"})
    if (result.torchDtype.empty() && reader.peek(key).is_string()) {
      result.torchDtype = reader.peek(key).get<std::string>();
      result.torchDtypeKey = key.str();
    }
  auto quantization = readQuantization(reader);
  if (!quantization)
    return quantization.takeError();
  result.quantization = std::move(*quantization);
  ignoreCommonKeys(reader);
  if (Error error = reader.takeError())
    return error;
  auto digest = SHA256::hash(arrayRefFromStringRef(config.text));
  result.sha256 = toHex(digest, /*LowerCase=*/true);

  if (generation) {
    Expected<GenerationConfig> parsed = parseGeneration(*generation, ledger);
    if (!parsed)
      return parsed.takeError();
    result.generation = std::move(*parsed);
  }
  return result;
}

static std::string pathIn(StringRef directory, StringRef name) {
  SmallString<128> path(directory);
  sys::path::append(path, name);
  return std::string(path);
}

Expected<HfConfig> loadHfConfig(StringRef directory, Ledger &ledger) {
  if (!sys::fs::exists(directory))
    return fileError(directory, "no such checkpoint directory");
  bool isFile = sys::fs::is_regular_file(directory);
  ConfigText config{isFile ? directory.str() : pathIn(directory, "config.json"), ""};
  if (!sys::fs::exists(config.path))
    return fileError(config.path, "is missing: not a Hugging Face checkpoint directory");
  Expected<std::string> text = readTextFile(config.path);
  if (!text)
    return text.takeError();
  config.text = std::move(*text);

  std::optional<ConfigText> generation;
  std::string generationPath = pathIn(directory, "generation_config.json");
  if (!isFile && sys::fs::exists(generationPath)) {
    Expected<std::string> generationText = readTextFile(generationPath);
    if (!generationText)
      return generationText.takeError();
    generation = ConfigText{generationPath, std::move(*generationText)};
  }
  return parseHfConfig(config, generation, ledger);
}

} // namespace stoop::importer

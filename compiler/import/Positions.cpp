//===- Positions.cpp - RoPE frequencies and ALiBi slopes -------------------===//
//
// Every `float` below is one rounding of the original; widening a step changes tables in the last
// bit. Scalars that Python computes in double stay double.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Positions.h"

#include "compiler/import/ConfigReader.h"
#include <algorithm>
#include <cmath>
#include <numbers>

using namespace llvm;
using nlohmann::json;

namespace stoop::importer {

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

static constexpr double maxTheta = 1e15, maxFactor = 1e9;

/// The dictionary that decides, and its key; {null, ""} if neither has content.
static std::pair<const json *, StringRef> ropeDictionary(ConfigReader &config) {
  for (StringRef key : {"rope_scaling", "rope_parameters"}) {
    config.use(key);
    const json &value = config.peek(key);
    if (!value.is_null() && !value.is_object())
      config.failKey(key, "expects an object or null, found " + brief(value));
  }
  const json &scaling = config.peek("rope_scaling");
  if (scaling.is_object() && !scaling.empty()) {
    config.ignore("rope_parameters", "rope_scaling replaces it");
    return {&scaling, "rope_scaling"};
  }
  const json &parameters = config.peek("rope_parameters");
  if (parameters.is_object() && !parameters.empty())
    return {&parameters, "rope_parameters"};
  return {nullptr, ""};
}

/// rope_type beats type; absent or null is default.
static std::string ropeTypeName(ConfigReader &dict) {
  for (StringRef key : {"rope_type", "type"}) {
    if (!dict.hasValue(key))
      continue;
    std::string type = dict.string(key, "default");
    if (key == "rope_type")
      dict.ignore("type", "rope_type wins");
    return type;
  }
  dict.use("rope_type");
  dict.use("type");
  return "default";
}

static void checkFullRotation(ConfigReader &config) {
  std::optional<double> part = config.optionalNumber("partial_rotary_factor", 0, 1);
  if (part && *part != 1.0)
    config.failKey("partial_rotary_factor",
                   "only 1 is supported, found " + brief(config.peek("partial_rotary_factor")));
}

static void readYarn(ConfigReader &dict, RopeSpec &rope) {
  rope.originalPositions = dict.optionalInteger("original_max_position_embeddings", {1, 1 << 30})
                               .value_or(rope.trainedPositions);
  if (!dict.has("factor"))
    dict.fail("yarn scaling needs the key 'factor'");
  rope.factor = dict.optionalNumber("factor", 1e-3, maxFactor)
                    .value_or(double(rope.trainedPositions) / double(rope.originalPositions));
  rope.betaFast = dict.optionalNumber("beta_fast", 1e-6, 1e9).value_or(32.0);
  rope.betaSlow = dict.optionalNumber("beta_slow", 1e-6, 1e9).value_or(1.0);
  rope.truncate = dict.optionalBoolean("truncate").value_or(true);
  if (rope.theta <= 1.0)
    dict.fail("yarn scaling needs a rope_theta above 1");

  auto magnitude = [&](double scale) {
    return rope.factor <= 1.0 ? 1.0 : 0.1 * scale * std::log(rope.factor) + 1.0;
  };
  double mscale = dict.optionalNumber("mscale", 0, 1e6).value_or(0);
  double mscaleAllDim = dict.optionalNumber("mscale_all_dim", 0, 1e6).value_or(0);
  bool ratio = mscale != 0 && mscaleAllDim != 0;
  if (!ratio)
    for (StringRef key : {"mscale", "mscale_all_dim"})
      dict.ignore(key, "without effect unless mscale and mscale_all_dim are both given");
  double byDefault = ratio ? magnitude(mscale) / magnitude(mscaleAllDim) : magnitude(1.0);
  rope.attentionFactor = dict.optionalNumber("attention_factor", 1e-6, 1e6).value_or(byDefault);
}

static void readLlama3(ConfigReader &dict, RopeSpec &rope) {
  rope.factor = dict.number("factor", 1.0, 1e-3, maxFactor);
  rope.originalPositions = dict.requiredInteger("original_max_position_embeddings", {1, 1 << 30});
  rope.lowFreqFactor = dict.number("low_freq_factor", 1.0, 1e-6, 1e6);
  rope.highFreqFactor = dict.number("high_freq_factor", 4.0, 1e-6, 1e6);
  for (StringRef key : {"factor", "low_freq_factor", "high_freq_factor"})
    if (!dict.has(key))
      dict.fail("llama3 scaling needs the key '" + key + "'");
  if (rope.highFreqFactor <= rope.lowFreqFactor)
    dict.fail("keys 'high_freq_factor' (" + brief(dict.peek("high_freq_factor")) +
              ") and 'low_freq_factor' (" + brief(dict.peek("low_freq_factor")) +
              ") contradict each other: the first must be larger");
}

static void readRopeType(ConfigReader &dict, RopeSpec &rope) {
  std::string type = ropeTypeName(dict);
  if (type == "default")
    return;
  if (type == "linear" || type == "dynamic") {
    rope.kind = type == "linear" ? RopeSpec::Kind::Linear : RopeSpec::Kind::Dynamic;
    if (!dict.has("factor"))
      dict.fail(type + " scaling needs the key 'factor'");
    rope.factor = dict.number("factor", 1.0, 1e-3, maxFactor);
  } else if (type == "llama3") {
    rope.kind = RopeSpec::Kind::Llama3;
    readLlama3(dict, rope);
  } else if (type == "yarn") {
    rope.kind = RopeSpec::Kind::Yarn;
    readYarn(dict, rope);
  } else {
    dict.failKey("rope_type",
                 "'" + type + "' is not supported (default, linear, dynamic, llama3, yarn are)");
  }
}

/// Problems of a nested dictionary become problems of the config around it.
static void passProblems(ConfigReader &from, ConfigReader &to) {
  if (Error error = from.takeError()) {
    std::string text = toString(std::move(error));
    to.fail(StringRef(text).drop_front(from.file().size() + 2)); // without "FILE: "
  }
}

RopeSpec readRope(ConfigReader &config, int64_t maxPositions) {
  RopeSpec rope;
  rope.trainedPositions = rope.originalPositions = maxPositions;
  checkFullRotation(config);
  auto [dictionary, name] = ropeDictionary(config);
  if (!dictionary) {
    rope.theta = config.number("rope_theta", 10000.0, 1.0, maxTheta);
    return rope;
  }
  ConfigReader dict(*dictionary, config.file(), config.section(), config.ledger(),
                    (name + ".").str());
  checkFullRotation(dict);
  if (dict.hasValue("rope_theta")) {
    rope.theta = dict.number("rope_theta", 10000.0, 1.0, maxTheta);
    config.ignore("rope_theta", (name + ".rope_theta wins").str());
    if (config.hasValue("rope_theta") && config.peek("rope_theta") != dict.peek("rope_theta"))
      config.warn("'rope_theta' " + brief(config.peek("rope_theta")) + " is overridden by '" +
                  name + ".rope_theta' " + brief(dict.peek("rope_theta")));
  } else {
    dict.use("rope_theta");
    rope.theta = config.number("rope_theta", 10000.0, 1.0, maxTheta);
  }
  readRopeType(dict, rope);
  passProblems(dict, config);
  return rope;
}

void ignoreRope(ConfigReader &config) {
  auto [dictionary, name] = ropeDictionary(config);
  static constexpr StringLiteral reason = "no effect with alibi";
  config.ignore("rope_theta", reason);
  config.ignore("rope_scaling", reason);
  config.ignore("rope_parameters", reason);
  if (!dictionary)
    return;
  ConfigReader dict(*dictionary, config.file(), config.section(), config.ledger(),
                    (name + ".").str());
  std::string type = ropeTypeName(dict);
  if (type != "default")
    config.fail("keys 'alibi' (true) and '" + name + "' (rope_type '" + type +
                "') contradict each other");
  for (const auto &[key, value] : dictionary->items())
    dict.ignore(key, reason);
  passProblems(dict, config);
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

/// θ^(2j/D), the reciprocal of the unscaled frequency.
static std::vector<float> basePowers(double theta, int64_t headDim) {
  std::vector<float> powers(headDim / 2);
  for (size_t j = 0; j < powers.size(); ++j)
    powers[j] = std::pow(float(theta), float(2 * j) / float(headDim));
  return powers;
}

static std::vector<float> plainFrequencies(double theta, int64_t headDim) {
  std::vector<float> values = basePowers(theta, headDim);
  for (float &value : values)
    value = 1.0f / value;
  return values;
}

static void scaleLlama3(const RopeSpec &rope, std::vector<float> &values) {
  float original = float(rope.originalPositions), factor = float(rope.factor);
  float low = float(rope.lowFreqFactor), high = float(rope.highFreqFactor);
  float longest = float(double(rope.originalPositions) / rope.lowFreqFactor);
  float shortest = float(double(rope.originalPositions) / rope.highFreqFactor);
  for (float &value : values) {
    float wavelength = float(2.0 * std::numbers::pi) / value;
    if (wavelength < shortest)
      continue;
    if (wavelength > longest) {
      value = value / factor;
      continue;
    }
    float smooth = (original / wavelength - low) / float(double(high) - double(low));
    value = (1.0f - smooth) * value / factor + smooth * value;
  }
}

static std::vector<float> yarnFrequencies(const RopeSpec &rope, int64_t headDim) {
  auto dimensionOf = [&](double rotations) {
    return headDim * std::log(rope.originalPositions / (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(rope.theta));
  };
  double low = dimensionOf(rope.betaFast), high = dimensionOf(rope.betaSlow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, double(headDim - 1));
  if (low == high)
    high += 0.001;

  std::vector<float> values = basePowers(rope.theta, headDim);
  for (size_t j = 0; j < values.size(); ++j) {
    float ramp = std::clamp((float(j) - float(low)) / float(high - low), 0.0f, 1.0f);
    float keep = 1.0f - ramp;
    float interpolated = 1.0f / (float(rope.factor) * values[j]);
    float extrapolated = 1.0f / values[j];
    values[j] = interpolated * (1.0f - keep) + extrapolated * keep;
  }
  return values;
}

/// θ of dynamic scaling for a sequence of `positions` tokens; unchanged up to the trained length.
static double dynamicTheta(const RopeSpec &rope, int64_t headDim, int64_t positions) {
  if (positions <= rope.trainedPositions)
    return rope.theta;
  double growth =
      rope.factor * double(positions) / double(rope.trainedPositions) - (rope.factor - 1);
  return rope.theta * std::pow(growth, double(headDim) / double(headDim - 2));
}

Expected<std::vector<float>> ropeFrequencies(const RopeSpec &rope, int64_t headDim,
                                             int64_t positions) {
  std::vector<float> values;
  switch (rope.kind) {
  case RopeSpec::Kind::Default:
    values = plainFrequencies(rope.theta, headDim);
    break;
  case RopeSpec::Kind::Linear:
    values = plainFrequencies(rope.theta, headDim);
    for (float &value : values)
      value /= float(rope.factor);
    break;
  case RopeSpec::Kind::Dynamic:
    values = plainFrequencies(dynamicTheta(rope, headDim, positions), headDim);
    break;
  case RopeSpec::Kind::Llama3:
    values = plainFrequencies(rope.theta, headDim);
    scaleLlama3(rope, values);
    break;
  case RopeSpec::Kind::Yarn:
    values = yarnFrequencies(rope, headDim);
    break;
  }
  for (size_t j = 0; j < values.size(); ++j)
    if (!std::isfinite(values[j]) || values[j] <= 0)
      return createStringError(std::errc::invalid_argument,
                               "the rope parameters give no finite positive frequency %zu for head "
                               "dim %lld",
                               j, static_cast<long long>(headDim));
  return values;
}

std::vector<float> alibiSlopes(int64_t heads) {
  int64_t power = 1;
  while (power * 2 <= heads)
    power *= 2;
  double exponent = std::log2(double(power));
  auto baseFor = [](double log2n) { return float(std::exp2(-std::exp2(-(log2n - 3)))); };

  std::vector<float> slopes;
  float base = baseFor(exponent);
  for (int64_t h = 1; h <= power; ++h)
    slopes.push_back(std::pow(base, float(h)));
  float extraBase = baseFor(exponent + 1);
  for (int64_t odd = 1; int64_t(slopes.size()) < heads; odd += 2)
    slopes.push_back(std::pow(extraBase, float(odd)));
  return slopes;
}

} // namespace stoop::importer

//===- PositionsTest.cpp - RoPE frequencies and ALiBi slopes ------------------===//
//
// Published check values, values of an independent double-precision evaluation of each scaling
// rule, and the order in which configs of transformers 4 and 5 are read.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/HfConfig.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace stoop::importer;
using nlohmann::json;

namespace {

/// Parses a small Falcon config with these keys added; `error` gets the problem.
RopeSpec readSpec(const json &more, std::string *error = nullptr, Ledger *book = nullptr) {
  json config = {{"model_type", "falcon"}, {"hidden_size", 64}, {"num_attention_heads", 1}};
  config.update(more);
  Ledger local;
  Ledger &ledger = book ? *book : local;
  auto parsed = parseHfConfig({"c.json", config.dump()}, std::nullopt, ledger);
  if (!parsed) {
    std::string text = llvm::toString(parsed.takeError());
    if (error)
      *error = text;
    else
      ADD_FAILURE() << text;
    return {};
  }
  return parsed->spec.rope;
}

std::vector<float> frequencies(const json &more, int64_t headDim, int64_t positions = 2048) {
  auto values = ropeFrequencies(readSpec(more), headDim, positions);
  if (!values) {
    ADD_FAILURE() << llvm::toString(values.takeError());
    return {};
  }
  EXPECT_EQ(values->size(), size_t(headDim / 2));
  return *values;
}

void expectValues(const std::vector<float> &values,
                  const std::vector<std::pair<size_t, double>> &expected) {
  for (auto [index, value] : expected) {
    ASSERT_LT(index, values.size());
    EXPECT_NEAR(values[index] / value, 1.0, 4e-7)
        << "frequency " << index << " is " << values[index];
  }
}

TEST(Rope, PublishedCheckValues) {
  expectValues(frequencies(json::object(), 64),
               {{0, 1}, {1, 0.749894202}, {2, 0.562341332}, {3, 0.421696514}, {31, 1.3335215e-4}});
  expectValues(frequencies({{"rope_theta", 500042.0}}, 128),
               {{0, 1}, {1, 0.814616203}, {2, 0.663599551}, {63, 2.45493788e-6}});
  expectValues(frequencies({{"rope_theta", 1000042}}, 256),
               {{0, 1}, {1, 0.897686839}, {2, 0.805841684}, {127, 1.1139274e-6}});
}

TEST(Rope, Linear) {
  std::vector<float> plain = frequencies(json::object(), 64);
  std::vector<float> scaled =
      frequencies({{"rope_scaling", {{"type", "linear"}, {"factor", 4}}}}, 64);
  for (size_t j = 0; j < plain.size(); ++j)
    EXPECT_EQ(scaled[j], plain[j] / 4.0f);
}

TEST(Rope, DynamicIsSpecialisedForTheContext) {
  json config = {{"rope_scaling", {{"type", "dynamic"}, {"factor", 2.0}}}};
  EXPECT_EQ(frequencies(config, 64, 2048), frequencies(json::object(), 64));
  EXPECT_EQ(frequencies(config, 64, 100), frequencies(json::object(), 64));
  expectValues(frequencies(config, 64, 8192),
               {{0, 1}, {1, 0.704269325}, {16, 0.0036628604}, {31, 1.90503062e-05}});
}

TEST(Rope, Llama3) {
  json config = {{"rope_theta", 500000.0},
                 {"rope_scaling",
                  {{"rope_type", "llama3"},
                   {"factor", 8.0},
                   {"low_freq_factor", 1.0},
                   {"high_freq_factor", 4.0},
                   {"original_max_position_embeddings", 8192}}}};
  expectValues(frequencies(config, 128), {{0, 1},
                                          {20, 0.0165604401},
                                          {28, 0.00321144599},
                                          {30, 0.00137189357},
                                          {32, 0.000524846161},
                                          {34, 0.000178507813},
                                          {40, 3.4281022e-05},
                                          {63, 3.06892599e-07}});
}

TEST(Rope, Yarn) {
  json config = {{"max_position_embeddings", 512},
                 {"rope_parameters",
                  {{"rope_type", "yarn"},
                   {"rope_theta", 20000.0},
                   {"factor", 8.0},
                   {"original_max_position_embeddings", 128}}}};
  expectValues(frequencies(config, 64), {{0, 1},
                                         {1, 0.66961579},
                                         {4, 0.188488391},
                                         {8, 0.0252268925},
                                         {9, 0.0131127641},
                                         {12, 0.00304806178},
                                         {31, 8.51701093e-06}});
  EXPECT_NEAR(readSpec(config).attentionFactor, 1.2079441541679836, 1e-15);

  config["rope_parameters"] = {{"rope_type", "yarn"},
                               {"rope_theta", 10000.0},
                               {"factor", 4.0},
                               {"original_max_position_embeddings", 2048},
                               {"truncate", false}};
  expectValues(frequencies(config, 64), {{0, 1},
                                         {8, 0.1},
                                         {12, 0.0238701923},
                                         {16, 0.00505697152},
                                         {20, 0.000811290382},
                                         {31, 3.33380358e-05}});
}

TEST(Rope, YarnFactors) {
  auto yarn = [](json more) {
    more.update({{"rope_type", "yarn"}, {"original_max_position_embeddings", 512}});
    return readSpec({{"rope_scaling", more}});
  };
  EXPECT_EQ(yarn({{"factor", nullptr}}).factor, 4.0) << "2048 / 512";
  EXPECT_EQ(yarn({{"factor", 1.0}}).attentionFactor, 1.0);
  EXPECT_EQ(yarn({{"factor", 0.5}}).attentionFactor, 1.0);
  EXPECT_EQ(yarn({{"factor", 4.0}, {"attention_factor", 1.5}}).attentionFactor, 1.5);
  double ln4 = std::log(4.0);
  EXPECT_NEAR(yarn({{"factor", 4.0}, {"mscale", 0.5}, {"mscale_all_dim", 2.0}}).attentionFactor,
              (0.05 * ln4 + 1) / (0.2 * ln4 + 1), 1e-15);
  EXPECT_NEAR(yarn({{"factor", 4.0}, {"mscale", 0.5}}).attentionFactor, 0.1 * ln4 + 1, 1e-15)
      << "one of the two alone has no effect";
}

TEST(Rope, ReadingOrder) {
  json linear = {{"type", "linear"}, {"factor", 2.0}};
  json parameters = {{"rope_type", "default"}, {"rope_theta", 700.0}};
  RopeSpec rope =
      readSpec({{"rope_scaling", linear}, {"rope_parameters", parameters}, {"rope_theta", 900.0}});
  EXPECT_EQ(rope.kind, RopeSpec::Kind::Linear) << "rope_scaling replaces rope_parameters wholly";
  EXPECT_EQ(rope.theta, 900.0);
  rope = readSpec({{"rope_scaling", linear}, {"rope_parameters", parameters}});
  EXPECT_EQ(rope.theta, 10000.0);
  rope = readSpec(
      {{"rope_scaling", json::object()}, {"rope_parameters", parameters}, {"rope_theta", 900.0}});
  EXPECT_EQ(rope.theta, 700.0) << "the dictionary's theta wins";
  rope = readSpec({{"rope_parameters", {{"rope_type", "default"}}}, {"rope_theta", 900.0}});
  EXPECT_EQ(rope.theta, 900.0);
  rope = readSpec({{"rope_scaling", {{"rope_type", "linear"}, {"type", "yarn"}, {"factor", 2}}}});
  EXPECT_EQ(rope.kind, RopeSpec::Kind::Linear) << "rope_type beats type";
  EXPECT_EQ(readSpec({{"rope_scaling", nullptr}}).kind, RopeSpec::Kind::Default);
  EXPECT_EQ(readSpec({{"rope_scaling", {{"rope_type", nullptr}}}}).kind, RopeSpec::Kind::Default);

  Ledger ledger;
  readSpec({{"rope_parameters", parameters}, {"rope_theta", 900.0}}, nullptr, &ledger);
  ASSERT_EQ(ledger.warnings().size(), 1u);
  EXPECT_EQ(ledger.warnings()[0],
            "c.json: 'rope_theta' 900.0 is overridden by 'rope_parameters.rope_theta' 700.0");
  EXPECT_FALSE(bool(ledger.close(false)));
}

TEST(Rope, Refused) {
  auto refusal = [](const json &more) {
    std::string error;
    readSpec(more, &error);
    return error;
  };
  auto scaling = [&](const json &dict) { return refusal({{"rope_scaling", dict}}); };
  EXPECT_EQ(scaling({{"type", "longrope"}}), "c.json: key 'rope_scaling.rope_type': 'longrope' is "
                                             "not supported (default, linear, dynamic, "
                                             "llama3, yarn are)");
  EXPECT_EQ(scaling({{"type", "linear"}}), "c.json: linear scaling needs the key 'factor'");
  EXPECT_EQ(scaling({{"type", "yarn"}}), "c.json: yarn scaling needs the key 'factor'");
  EXPECT_EQ(
      scaling({{"type", "linear"}, {"factor", 0}}),
      "c.json: key 'rope_scaling.factor': expects a number from 0.001 to 1000000000, found 0");
  EXPECT_EQ(scaling({{"type", 3}}), "c.json: key 'rope_scaling.type': expects a string, found 3");
  EXPECT_EQ(refusal({{"rope_scaling", 3}}),
            "c.json: key 'rope_scaling': expects an object or null, found 3");
  EXPECT_EQ(refusal({{"rope_theta", 0.0}}),
            "c.json: key 'rope_theta': expects a number from 1 to 1e+15, found 0.0");
  EXPECT_EQ(refusal({{"partial_rotary_factor", 0.5}}),
            "c.json: key 'partial_rotary_factor': only 1 is supported, found 0.5");
  EXPECT_NE(scaling({{"type", "llama3"},
                     {"factor", 8},
                     {"low_freq_factor", 4},
                     {"high_freq_factor", 4},
                     {"original_max_position_embeddings", 64}})
                .find("'high_freq_factor' (4) and 'low_freq_factor' (4) contradict"),
            std::string::npos);
  Ledger ledger;
  readSpec({{"rope_parameters", {{"rope_type", "default"}, {"full_attention", 1}}}}, nullptr,
           &ledger);
  EXPECT_NE(llvm::toString(ledger.close(false)).find("'rope_parameters.full_attention'"),
            std::string::npos);
}

TEST(Rope, NoFiniteFrequency) {
  RopeSpec rope;
  rope.kind = RopeSpec::Kind::Dynamic;
  rope.factor = 2;
  rope.trainedPositions = 10;
  auto values = ropeFrequencies(rope, 2, 100); // the exponent is 2 / 0
  ASSERT_TRUE(bool(values)) << "one frequency, theta^0";
  rope.theta = 1e15;
  rope.factor = 1e9;
  values = ropeFrequencies(rope, 4, 1 << 24);
  ASSERT_FALSE(bool(values)) << "theta is beyond float32";
  EXPECT_EQ(llvm::toString(values.takeError()),
            "the rope parameters give no finite positive frequency 1 for head dim 4");
}

//===----------------------------------------------------------------------===//
// ALiBi
//===----------------------------------------------------------------------===//

uint16_t toBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

TEST(Alibi, SlopesFollowTheFormula) {
  for (int64_t heads : {1, 2, 3, 12, 32, 64, 71, 112}) {
    std::vector<float> slopes = alibiSlopes(heads);
    ASSERT_EQ(slopes.size(), size_t(heads));
    int64_t power = int64_t(1) << int64_t(std::log2(double(heads)));
    for (int64_t h = 0; h < heads; ++h) {
      double exponent = h < power ? -8.0 / power * (h + 1) : -4.0 / power * (2 * (h - power) + 1);
      EXPECT_NEAR(slopes[h] / std::exp2(exponent), 1.0, 64 * 6e-8) << heads << " heads, head " << h;
    }
  }
}

TEST(Alibi, PublishedCheckValues) {
  std::vector<float> slopes = alibiSlopes(32);
  EXPECT_EQ(slopes[0], 0.840896428f);
  EXPECT_EQ(slopes[1], 0.707106829f);
  EXPECT_EQ(slopes[4], 0.420448244f);
  EXPECT_EQ(slopes[31], 0.00390625186f) << "powers of the rounded base";
  EXPECT_EQ(toBf16(slopes[0]), 0x3f57);
  EXPECT_EQ(toBf16(slopes[31]), 0x3b80);

  slopes = alibiSlopes(12);
  EXPECT_EQ(slopes[0], 0.5f);
  EXPECT_EQ(slopes[5], 0.015625f);
  EXPECT_EQ(slopes[11], 0.0883883387f);
  EXPECT_EQ(toBf16(slopes[11]), 0x3db5);

  slopes = alibiSlopes(71);
  const float first[] = {0.917004049f, 0.840896428f, 0.771105409f,
                         0.707106769f, 0.648419797f, 0.594603598f};
  for (int h = 0; h < 6; ++h)
    EXPECT_NEAR(slopes[h], first[h], 6e-8f) << h;
  EXPECT_NEAR(slopes[70], 0.56939429f, 6e-8f);
  EXPECT_EQ(toBf16(slopes[70]), 0x3f12);
  EXPECT_EQ(alibiSlopes(1), (std::vector<float>{0.00390625f}));
  EXPECT_EQ(alibiSlopes(3), (std::vector<float>{0.0625f, 0.00390625f, 0.25f}));
}

} // namespace

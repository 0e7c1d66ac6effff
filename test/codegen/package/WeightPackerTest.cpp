//===- WeightPackerTest.cpp - Packed layouts against naive permutations ----===//
//
// Every expected arena is computed element by element from the layout's
// definition, independently of granules and units.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/WeightPacker.h"

#include "PackageTestSupport.h"
#include "codegen/package/Crc32c.h"
#include "codegen/quant/Anticipate.h"
#include "codegen/quant/Panel.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace stoop::codegen;
using stoop::test::TestDirectory;

namespace {

uint32_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }

/// A stored matrix and where it lies.
struct Stored {
  TensorSource source;
  std::vector<float> values; ///< exact in the stored type
};

class WeightPackerTest : public ::testing::Test {
protected:
  /// Random numbers, representable in `element`, appended to the weights file.
  Stored store(const std::string &key, ElementType element, uint64_t rows, uint64_t cols) {
    Stored stored{{key, directory / "w.bin", content.size(), element, rows, cols}, {}};
    std::uniform_real_distribution<float> uniform(-2, 2);
    for (uint64_t i = 0; i < rows * cols; ++i)
      append(stored, uniform(random));
    content += "x"; // the next tensor is unaligned
    return stored;
  }

  void append(Stored &stored, float value) {
    uint16_t half =
        stored.source.element == ElementType::F16 ? f16FromFloat(value) : bf16FromFloat(value);
    if (stored.source.element == ElementType::F32)
      content.append(reinterpret_cast<char *>(&value), 4);
    else
      content.append(reinterpret_cast<char *>(&half), 2);
    if (stored.source.element == ElementType::F16)
      value = floatFromF16(half);
    if (stored.source.element == ElementType::BF16)
      value = floatFromBf16(half);
    stored.values.push_back(value);
  }

  std::vector<uint8_t> pack(const std::vector<WeightPack> &packs, uint64_t arenaBytes,
                            unsigned threads = 2) {
    stoop::test::writeFile(directory / "w.bin", content);
    std::vector<uint8_t> arena(arenaBytes, 0xee);
    auto sink = [&](const void *data, uint64_t size, uint64_t offset) {
      EXPECT_LE(offset + size, arena.size());
      std::memcpy(&arena[offset], data, size);
      return llvm::Error::success();
    };
    auto result = packWeights(packs, arenaBytes, 1 << 20, threads, sink, nullptr);
    if (!result) {
      message = llvm::toString(result.takeError());
      return {};
    }
    summary = std::move(*result);
    return arena;
  }

  TestDirectory directory;
  std::string content, message;
  PackSummary summary;
  std::mt19937 random{20240607};
};

WeightPack matrix(PackKind kind, ElementType element, const Stored &stored, uint64_t offset) {
  WeightPack pack;
  pack.name = stored.source.key;
  pack.kind = kind;
  pack.element = element;
  pack.rows = stored.source.rows;
  pack.cols = stored.source.cols;
  pack.origin.sources = {stored.source};
  pack.offset = offset;
  pack.bytes = pack.packedBytes();
  return pack;
}

float element(const uint8_t *at, ElementType type) {
  uint32_t word = 0;
  std::memcpy(&word, at, byteWidth(type));
  if (type == ElementType::F32)
    return std::bit_cast<float>(word);
  return type == ElementType::F16 ? floatFromF16(uint16_t(word)) : floatFromBf16(uint16_t(word));
}

float rounded(float value, ElementType type) {
  if (type == ElementType::F16)
    return floatFromF16(f16FromFloat(value));
  return type == ElementType::BF16 ? floatFromBf16(bf16FromFloat(value)) : value;
}

/// Place of element (row, col) in a panel16 layout, in elements; written from its definition.
uint64_t panelIndex(ElementType type, uint64_t row, uint64_t col, uint64_t cols) {
  if (type == ElementType::BF16)
    return ((row / 16) * ((cols + 1) / 2) + col / 2) * 32 + (row % 16) * 2 + col % 2;
  return ((row / 16) * cols + col) * 16 + row % 16;
}

TEST_F(WeightPackerTest, QuantizedPanelsHoldTheQuantizersIntegers) {
  for (const char *name : {"int8", "int4-g32", "int4-g128"})
    for (ElementType type : {ElementType::F32, ElementType::F16, ElementType::BF16}) {
      Stored stored = store(std::string(name) + elementName(type), type, 37, 301);
      WeightPack pack = matrix(PackKind::Panel16, ElementType::F32, stored, 0);
      pack.scheme = stoop::QuantScheme::parse(name);
      pack.bytes = pack.packedBytes();
      ASSERT_EQ(pack.bytes, uint64_t(pack.scheme->packedBytes(37, 301)));
      uint64_t arenaBytes = (pack.bytes + (1 << 20) - 1) >> 20 << 20;
      std::vector<uint8_t> arena = this->pack({pack}, arenaBytes);
      ASSERT_FALSE(arena.empty()) << message;
      for (int64_t r = 0; r < 48; ++r) {
        stoop::quant::Row expected, found;
        const float *row = &stored.values[size_t(r < 37 ? r : 0) * 301];
        stoop::quant::quantizeRow(*pack.scheme, row, 301, stoop::quant::Rounding::Search, expected);
        stoop::quant::unpackRow(*pack.scheme, &arena[size_t(r / 16 * pack.scheme->panelBytes(301))],
                                r % 16, 301, found);
        if (r >= 37) { // rows that pad the last panel stand for zeros
          EXPECT_EQ(found.scales, std::vector<float>(expected.scales.size())) << name << r;
          continue;
        }
        EXPECT_EQ(found.scales, expected.scales) << name << ", row " << r;
        EXPECT_EQ(found.zeros, expected.zeros) << name << ", row " << r;
        EXPECT_EQ(found.codes, expected.codes) << name << ", row " << r;
      }
    }
}

/// Embedding, scale and bias of a norm, a matrix behind it, and one in integers behind its gelu.
TEST_F(WeightPackerTest, QuantizedPanelsAreRoundedAgainstWhatEntersThem) {
  constexpr uint64_t hidden = 45, inner = 70, rows = 21;
  Stored scale = store("scale", ElementType::F32, hidden, 1), bias = store("bias", ElementType::BF16, hidden, 1),
         up = store("up", ElementType::BF16, inner + 6, hidden), down = store("down", ElementType::F16, rows, inner),
         table = store("table", ElementType::BF16, 200, hidden);
  std::vector<WeightPack> packs;
  uint64_t offset = 0;
  for (auto [kind, stored] : {std::pair<PackKind, Stored *>{PackKind::Panel16, &down}, {PackKind::Vector, &scale},
                              {PackKind::Vector, &bias}, {PackKind::Panel16, &up}, {PackKind::Panel16, &table}}) {
    packs.push_back(matrix(kind, ElementType::F32, *stored, offset));
    offset = (offset + packs.back().bytes + 63) & ~uint64_t(63);
  }
  const uint64_t arenaBytes = (offset + (1 << 20) - 1) >> 20 << 20;
  packs[0].scheme = stoop::QuantScheme::parse("int4-g32");
  packs[0].bytes = packs[0].packedBytes();
  InputsSource source{.table = 4, .scale = 1, .bias = 2, .matrix = 3};
  source.formula.first = 6;
  source.formula.rows = inner;
  source.formula.activation = stoop::quant::Activation::Gelu;
  packs[0].inputs = source;
  std::vector<uint8_t> arena = pack(packs, arenaBytes);
  ASSERT_FALSE(arena.empty()) << message;

  stoop::quant::InputsFormula formula = source.formula;
  formula.tableRows = 200;
  formula.scale = scale.values;
  formula.bias = bias.values;
  auto rowsOf = [](const Stored &stored) {
    return [&stored](int64_t row, float *out) {
      std::copy_n(&stored.values[row * hidden], hidden, out);
      return llvm::Error::success();
    };
  };
  auto samples = stoop::quant::drawInputs(formula, rowsOf(table), rowsOf(up), rowsOf(up));
  ASSERT_TRUE(bool(samples));
  std::vector<stoop::quant::Row> expected(rows);
  stoop::quant::Anticipation(*samples).quantizeRows(*packs[0].scheme, down.values.data(), rows, expected.data());
  unsigned moved = 0;
  for (int64_t r = 0; r < int64_t(rows); ++r) {
    stoop::quant::Row nearest, found;
    stoop::quant::quantizeRow(*packs[0].scheme, &down.values[size_t(r) * inner], inner,
                              stoop::quant::Rounding::Search, nearest);
    stoop::quant::unpackRow(*packs[0].scheme, &arena[size_t(r / 16 * packs[0].scheme->panelBytes(inner))], r % 16,
                            inner, found);
    EXPECT_EQ(found.codes, expected[size_t(r)].codes) << "row " << r;
    EXPECT_EQ(found.scales, expected[size_t(r)].scales) << "row " << r;
    moved += nearest.codes != found.codes;
  }
  EXPECT_GT(moved, rows / 2);

  packs[0].inputs->formula.rows = inner - 1;
  EXPECT_TRUE(pack(packs, arenaBytes).empty());
  EXPECT_EQ(message, "weight 'down' has 70 columns, its inputs have 69");
}

/// Walks the tiles as lanes of a warp read them.
TEST_F(WeightPackerTest, TilesHoldFragmentsAndZeroPadding) {
  for (ElementType from : {ElementType::F32, ElementType::F16, ElementType::BF16})
    for (ElementType to : {ElementType::F16, ElementType::BF16})
      for (auto [rows, cols] : {std::pair<uint64_t, uint64_t>{1, 1}, {16, 32}, {37, 51}, {64, 130}}) {
        content = "pad";
        Stored stored = store("w", from, rows, cols);
        WeightPack one = matrix(PackKind::Tiles, to, stored, 64);
        uint64_t strips = (rows + 15) / 16, tiles = (cols + 31) / 32;
        ASSERT_EQ(one.bytes, strips * tiles * 1024);
        std::vector<uint8_t> arena = pack({one}, 64 + one.bytes);
        ASSERT_FALSE(arena.empty()) << message;
        const uint8_t *at = &arena[64];
        for (uint64_t strip = 0; strip < strips; ++strip)
          for (uint64_t tile = 0; tile < tiles; ++tile)
            for (uint64_t fragment = 0; fragment < 2; ++fragment)
              for (uint64_t lane = 0; lane < 32; ++lane)
                for (uint64_t word = 0; word < 4; ++word)
                  for (uint64_t half = 0; half < 2; ++half, at += 2) {
                    uint64_t row = strip * 16 + lane / 4 + word % 2 * 8;
                    uint64_t col = tile * 32 + lane % 4 * 8 + fragment * 4 + word / 2 * 2 + half;
                    bool isPadding = row >= rows || col >= cols;
                    EXPECT_EQ(element(at, to), isPadding ? 0.0f : rounded(stored.values[row * cols + col], to))
                        << "row " << row << ", column " << col;
                  }
      }
}

TEST_F(WeightPackerTest, PanelsHoldEveryElementAndZeroPadding) {
  for (ElementType from : {ElementType::F32, ElementType::F16, ElementType::BF16})
    for (ElementType to : {ElementType::F32, ElementType::F16, ElementType::BF16})
      for (auto [rows, cols] :
           {std::pair<uint64_t, uint64_t>{1, 1}, {16, 16}, {37, 51}, {64, 130}}) {
        content.clear();
        content += "pad";
        Stored stored = store("w", from, rows, cols);
        WeightPack one = matrix(PackKind::Panel16, to, stored, 64);
        uint64_t padded =
            (rows + 15) / 16 * 16 * (to == ElementType::BF16 ? (cols + 1) / 2 * 2 : cols);
        ASSERT_EQ(one.bytes, padded * byteWidth(to));
        std::vector<uint8_t> arena = pack({one}, 64 + one.bytes);
        ASSERT_FALSE(arena.empty()) << message;
        std::vector<float> expected(padded, 0.0f);
        for (uint64_t row = 0; row < rows; ++row)
          for (uint64_t col = 0; col < cols; ++col)
            expected[panelIndex(to, row, col, cols)] = rounded(stored.values[row * cols + col], to);
        for (uint64_t i = 0; i < padded; ++i)
          ASSERT_EQ(bitsOf(element(&arena[64 + i * byteWidth(to)], to)), bitsOf(expected[i]))
              << elementName(from) << " to " << elementName(to) << " at " << i;
      }
}

TEST_F(WeightPackerTest, QkvRowsBecomeQueriesThenKeysThenValues) {
  for (auto [groups, queries, headDim] :
       {std::array<uint64_t, 3>{4, 1, 8}, {1, 5, 6}, {3, 4, 10}}) {
    content.clear();
    QkvLayout layout{groups, queries, headDim};
    // Values encode (group, slot, d): stored row (g*(queries+2)+s)*D + d, as falcon-spec section 5.
    Stored stored{{"qkv", directory / "w.bin", 0, ElementType::F32, layout.rows(), 1}, {}};
    for (uint64_t g = 0; g < groups; ++g)
      for (uint64_t s = 0; s < queries + 2; ++s)
        for (uint64_t d = 0; d < headDim; ++d)
          append(stored, float(g * 10000 + s * 100 + d));
    WeightPack one = matrix(PackKind::Rows, ElementType::F32, stored, 0);
    one.origin.layout = layout;
    std::vector<uint8_t> arena = pack({one}, one.bytes);
    ASSERT_FALSE(arena.empty()) << message;
    const float *got = reinterpret_cast<const float *>(arena.data());
    for (uint64_t h = 0; h < groups * queries; ++h)
      for (uint64_t d = 0; d < headDim; ++d)
        ASSERT_EQ(*got++, float((h / queries) * 10000 + (h % queries) * 100 + d));
    for (uint64_t s = queries; s < queries + 2; ++s)
      for (uint64_t g = 0; g < groups; ++g)
        for (uint64_t d = 0; d < headDim; ++d)
          ASSERT_EQ(*got++, float(g * 10000 + s * 100 + d));
  }
}

TEST_F(WeightPackerTest, SourcesAreConcatenatedByRows) {
  Stored a = store("q", ElementType::BF16, 20, 12), b = store("k", ElementType::BF16, 7, 12);
  WeightPack one = matrix(PackKind::Rows, ElementType::F32, a, 0);
  one.rows = 27;
  one.origin.sources.push_back(b.source);
  one.bytes = one.packedBytes();
  std::vector<uint8_t> arena = pack({one}, one.bytes);
  ASSERT_FALSE(arena.empty()) << message;
  std::vector<float> expected = a.values;
  expected.insert(expected.end(), b.values.begin(), b.values.end());
  ASSERT_EQ(std::memcmp(arena.data(), expected.data(), expected.size() * 4), 0);
}

TEST_F(WeightPackerTest, VectorsAreFloatsRoundedToTheModelsType) {
  Stored stored = store("gamma", ElementType::F32, 1000, 1);
  for (ElementType rounding : {ElementType::F32, ElementType::F16, ElementType::BF16}) {
    WeightPack one = matrix(PackKind::Vector, ElementType::F32, stored, 0);
    one.rows = 1;
    one.cols = 1000;
    one.rounding = rounding;
    std::vector<uint8_t> arena = pack({one}, one.packedBytes());
    ASSERT_FALSE(arena.empty()) << message;
    for (uint64_t i = 0; i < 1000; ++i)
      ASSERT_EQ(element(&arena[i * 4], ElementType::F32), rounded(stored.values[i], rounding));
  }
}

TEST_F(WeightPackerTest, RopeTableHoldsCosinesThenSines) {
  WeightPack one;
  one.name = "rope";
  one.kind = PackKind::Table;
  one.rows = 300;
  one.cols = 8;
  one.rope = RopeTable{{1.0f, 0.1f, 0.01f, 0.001f}, 1.25f, 300, ElementType::F32};
  one.bytes = one.packedBytes();
  std::vector<uint8_t> arena = pack({one}, one.bytes);
  ASSERT_FALSE(arena.empty()) << message;
  for (uint64_t p = 0; p < 300; ++p)
    for (uint64_t j = 0; j < 4; ++j) {
      double angle = float(p) * one.rope->inverseFrequencies[j];
      ASSERT_NEAR(element(&arena[(p * 8 + j) * 4], ElementType::F32), 1.25 * std::cos(angle), 2e-7);
      ASSERT_NEAR(element(&arena[(p * 8 + 4 + j) * 4], ElementType::F32), 1.25 * std::sin(angle),
                  2e-7);
    }
}

TEST_F(WeightPackerTest, UnitsJoinSeamlesslyWhateverTheThreads) {
  // Three weights over several 16 MiB units, with borders inside granules and gaps between weights.
  Stored a = store("a", ElementType::BF16, 3000, 2500), b = store("b", ElementType::F32, 900, 7001);
  WeightPack first = matrix(PackKind::Panel16, ElementType::BF16, a, 4096);
  WeightPack second = matrix(PackKind::Panel16, ElementType::F32, b, 4096 + first.bytes + 12345);
  uint64_t bytes = second.offset + second.bytes + 777;
  std::vector<uint8_t> arena = pack({second, first}, bytes, 1);
  ASSERT_FALSE(arena.empty()) << message;
  PackSummary once = summary;
  std::vector<uint8_t> expected(bytes, 0);
  for (uint64_t row = 0; row < 3000; ++row)
    for (uint64_t col = 0; col < 2500; ++col) {
      uint16_t bits = bf16FromFloat(a.values[row * 2500 + col]);
      std::memcpy(&expected[4096 + panelIndex(ElementType::BF16, row, col, 2500) * 2], &bits, 2);
    }
  for (uint64_t row = 0; row < 900; ++row)
    for (uint64_t col = 0; col < 7001; ++col)
      std::memcpy(&expected[second.offset + panelIndex(ElementType::F32, row, col, 7001) * 4],
                  &b.values[row * 7001 + col], 4);
  ASSERT_TRUE(arena == expected);
  ASSERT_EQ(summary.checksums.size(), bytes >> 20);
  for (uint64_t block = 0; block < summary.checksums.size(); ++block)
    ASSERT_EQ(summary.checksums[block], crc32c(&expected[block << 20], 1 << 20));
  ASSERT_TRUE(pack({second, first}, bytes, 3) == expected);
  for (size_t i = 0; i < summary.tensors.size(); ++i)
    ASSERT_EQ(summary.tensors[i].hash, once.tensors[i].hash);
}

TEST_F(WeightPackerTest, HashSeesAnyByteAndSwappedRows) {
  Stored stored = store("w", ElementType::F32, 40, 8);
  WeightPack one = matrix(PackKind::Rows, ElementType::F32, stored, 0);
  pack({one}, one.bytes);
  uint64_t before = summary.tensors[0].hash;
  content[5 * 32 + 3] ^= 1;
  pack({one}, one.bytes);
  EXPECT_NE(summary.tensors[0].hash, before);
  content[5 * 32 + 3] ^= 1;
  std::swap_ranges(&content[0], &content[32], &content[32]);
  pack({one}, one.bytes);
  EXPECT_NE(summary.tensors[0].hash, before);
}

TEST_F(WeightPackerTest, NamesTheTensorThatIsNotFiniteOrOverflows) {
  Stored fine = store("fine", ElementType::BF16, 5, 6);
  Stored nan{{"nan", directory / "w.bin", content.size(), ElementType::BF16, 1, 6}, {}};
  for (int i = 0; i < 6; ++i)
    append(nan, i == 4 ? std::nanf("") : 1.0f);
  Stored big{{"big", directory / "w.bin", content.size(), ElementType::BF16, 1, 6}, {}};
  for (int i = 0; i < 6; ++i)
    append(big, i == 2 ? 1e6f : 1.0f);
  WeightPack one = matrix(PackKind::Panel16, ElementType::F16, fine, 0);
  one.rows = 7;
  one.origin.sources = {fine.source, nan.source, big.source};
  one.bytes = one.packedBytes();
  ASSERT_FALSE(pack({one}, one.bytes).empty()) << message;
  ASSERT_EQ(summary.tensors.size(), 3u);
  EXPECT_FALSE(summary.tensors[0].notFinite || summary.tensors[0].overflowed);
  EXPECT_TRUE(summary.tensors[1].notFinite);
  EXPECT_FALSE(summary.tensors[1].overflowed);
  EXPECT_TRUE(summary.tensors[2].overflowed);
  EXPECT_FALSE(summary.tensors[2].notFinite);
}

TEST_F(WeightPackerTest, RefusesWhatDoesNotFit) {
  Stored stored = store("w", ElementType::F32, 20, 8);
  WeightPack one = matrix(PackKind::Panel16, ElementType::F32, stored, 0), other = one;
  EXPECT_TRUE(pack({one}, one.bytes - 1).empty());
  EXPECT_NE(message.find("needs 1024 bytes"), std::string::npos) << message;
  other.name = "v";
  other.offset = one.bytes - 4;
  EXPECT_TRUE(pack({one, other}, 4096).empty());
  EXPECT_NE(message.find("overlap"), std::string::npos) << message;
  other = one;
  other.rows = 21;
  other.bytes = other.packedBytes();
  EXPECT_TRUE(pack({other}, 4096).empty());
  EXPECT_NE(message.find("21 rows, its sources have 20"), std::string::npos) << message;
  content.resize(600);
  EXPECT_TRUE(pack({one}, one.bytes).empty());
  EXPECT_NE(message.find("cut off: tensor 'w' ends at byte 640, the file has 600"),
            std::string::npos)
      << message;
}

TEST(FloatConversionTest, HalvesRoundTripAndRoundToEven) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float value = floatFromF16(uint16_t(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(floatFromF16(f16FromFloat(value))));
      continue;
    }
    ASSERT_EQ(f16FromFloat(value), bits);
    ASSERT_EQ(bitsOf(floatFromBf16(bf16FromFloat(floatFromBf16(uint16_t(bits))))) << 16,
              bitsOf(floatFromBf16(uint16_t(bits))) << 16);
  }
  // Between neighbouring finite halves: nearest wins, the middle goes to the even one.
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    float low = floatFromF16(uint16_t(bits)), high = floatFromF16(uint16_t(bits + 1));
    float middle = low + (high - low) / 2;
    ASSERT_EQ(f16FromFloat(middle), bits + (bits & 1));
    ASSERT_EQ(f16FromFloat(std::nextafter(middle, 0.0f)), bits);
    ASSERT_EQ(f16FromFloat(std::nextafter(middle, 1e9f)), bits + 1);
    ASSERT_EQ(f16FromFloat(-middle), 0x8000 | (bits + (bits & 1)));
  }
  EXPECT_EQ(f16FromFloat(65519.99f), 0x7bff);
  EXPECT_EQ(f16FromFloat(65520.0f), 0x7c00);
  EXPECT_EQ(bf16FromFloat(std::bit_cast<float>(0x3f808000u)), 0x3f80);
  EXPECT_EQ(bf16FromFloat(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_TRUE(std::isnan(floatFromBf16(bf16FromFloat(std::bit_cast<float>(0x7fffffffu)))));
}

TEST(Crc32cTest, KnownValues) {
  EXPECT_EQ(crc32c("123456789", 9), 0xe3069283u);
  EXPECT_EQ(crc32c("", 0), 0u);
  EXPECT_EQ(crc32c(std::string(32, '\0').data(), 32), 0x8a9136aau);
}

} // namespace

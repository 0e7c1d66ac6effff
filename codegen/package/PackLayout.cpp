//===- PackLayout.cpp - Layouts of packed weights -------------------------===//
//
// Conversion of rows, then the interleaving of 16 rows into a panel. A panel's
// padding rows and columns are zero, so kernels may read them.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/PackLayout.h"

#include "codegen/quant/Panel.h"
#include "codegen/quant/Strip.h"
#include "ir/support/TileOrder.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace stoop::codegen {

static constexpr uint64_t panelRows = 16;
static constexpr uint64_t vectorStretch = 16384;

static uint64_t paddedCols(const WeightPack &pack) {
  if (pack.kind == PackKind::Tiles)
    return uint64_t(TileForm().tiles(int64_t(pack.cols)) * kTileColumns);
  bool paired = pack.kind == PackKind::Panel16 && pack.element == ElementType::BF16;
  return paired ? (pack.cols + 1) & ~uint64_t(1) : pack.cols;
}

/// Vectors are matrices with one column here, whatever shape the plan writes them in.
static uint64_t countRows(const WeightPack &pack) {
  return pack.kind == PackKind::Vector ? pack.rows * pack.cols : pack.rows;
}

static uint64_t packedRowBytes(const WeightPack &pack) {
  switch (pack.kind) {
  case PackKind::Vector:
    return 4;
  case PackKind::Table:
    return pack.cols * 4;
  case PackKind::Rows:
  case PackKind::Panel16:
  case PackKind::Tiles:
    break;
  }
  return paddedCols(pack) * byteWidth(pack.element);
}

uint64_t granuleRows(const WeightPack &pack) {
  return pack.kind == PackKind::Vector ? vectorStretch : panelRows;
}

uint64_t granuleBytes(const WeightPack &pack) {
  if (pack.kind == PackKind::Tiles)
    return static_cast<uint64_t>(TileForm::of(pack.scheme).stripBytes(int64_t(pack.cols)));
  return pack.scheme ? static_cast<uint64_t>(pack.scheme->panelBytes(int64_t(pack.cols)))
                     : granuleRows(pack) * packedRowBytes(pack);
}

uint64_t numGranules(const WeightPack &pack) {
  return (countRows(pack) + granuleRows(pack) - 1) / granuleRows(pack);
}

uint64_t WeightPack::packedBytes() const {
  if (kind == PackKind::Panel16 || kind == PackKind::Tiles)
    return numGranules(*this) * granuleBytes(*this);
  return countRows(*this) * packedRowBytes(*this);
}

template <ElementType type>
using Bits = std::conditional_t<type == ElementType::F32, uint32_t, uint16_t>;

template <ElementType type> static float widen(Bits<type> bits) {
  if constexpr (type == ElementType::F32)
    return std::bit_cast<float>(bits);
  else if constexpr (type == ElementType::F16)
    return floatFromF16(bits);
  else
    return floatFromBf16(bits);
}

template <ElementType type> static Bits<type> narrow(float value) {
  if constexpr (type == ElementType::F32)
    return std::bit_cast<uint32_t>(value);
  else if constexpr (type == ElementType::F16)
    return f16FromFloat(value);
  else
    return bf16FromFloat(value);
}

static bool isInfiniteOrNaN(float value) {
  return (std::bit_cast<uint32_t>(value) & 0x7f800000) == 0x7f800000;
}

template <ElementType from, ElementType to>
static GranuleFindings convertElements(const void *source, void *target, uint64_t count) {
  const auto *in = static_cast<const Bits<from> *>(source);
  auto *out = static_cast<Bits<to> *>(target);
  unsigned notFinite = 0, infinite = 0;
  for (uint64_t i = 0; i < count; ++i) {
    float value = widen<from>(in[i]);
    Bits<to> bits = narrow<to>(value);
    out[i] = bits;
    notFinite |= isInfiniteOrNaN(value);
    infinite |= isInfiniteOrNaN(widen<to>(bits)) & !isInfiniteOrNaN(value);
  }
  return {notFinite != 0, infinite != 0};
}

static GranuleFindings convert(ElementType from, ElementType to, const void *source, void *target,
                               uint64_t count) {
  using E = ElementType;
  using Function = GranuleFindings (*)(const void *, void *, uint64_t);
  static constexpr Function table[3][3] = {
      {convertElements<E::F32, E::F32>, convertElements<E::F32, E::F16>,
       convertElements<E::F32, E::BF16>},
      {convertElements<E::F16, E::F32>, convertElements<E::F16, E::F16>,
       convertElements<E::F16, E::BF16>},
      {convertElements<E::BF16, E::F32>, convertElements<E::BF16, E::F16>,
       convertElements<E::BF16, E::BF16>}};
  return table[unsigned(from)][unsigned(to)](source, target, count);
}

GranuleFindings inspectElements(ElementType from, ElementType to, const void *stored,
                                uint64_t count) {
  std::vector<uint32_t> target(count);
  return convert(from, to, stored, target.data(), count);
}

/// out[word][row] = in[row][word] for 16 rows. Sixteen words (a cache line of each row) at a time:
/// whole columns would fetch each line once per word when rows lie a power of two apart.
template <typename Word> static void interleave(const Word *in, uint64_t words, Word *out) {
  for (uint64_t first = 0; first < words; first += 16) {
    uint64_t count = std::min<uint64_t>(16, words - first);
    for (uint64_t row = 0; row < panelRows; ++row)
      for (uint64_t word = first; word < first + count; ++word)
        out[word * panelRows + row] = in[row * words + word];
  }
}

static GranuleFindings producePanel(const WeightPack &pack, uint64_t rows, GranuleScratch &scratch,
                                    uint8_t *out) {
  uint64_t storedRowBytes = pack.cols * byteWidth(pack.origin.element());
  uint64_t rowBytes = packedRowBytes(pack);
  scratch.converted.assign(panelRows * rowBytes, 0);
  GranuleFindings all;
  for (uint64_t row = 0; row < rows; ++row) {
    all |= convert(pack.origin.element(), pack.element, &scratch.stored[row * storedRowBytes],
                   &scratch.converted[row * rowBytes], pack.cols);
  }
  const void *rowsBegin = scratch.converted.data();
  if (pack.element == ElementType::F16) // else a word is one float or a pair of bfloats
    interleave(static_cast<const uint16_t *>(rowsBegin), rowBytes / 2,
               reinterpret_cast<uint16_t *>(out));
  else
    interleave(static_cast<const uint32_t *>(rowsBegin), rowBytes / 4,
               reinterpret_cast<uint32_t *>(out));
  return all;
}

/// 16 rows as tiles.
static GranuleFindings produceTiles(const WeightPack &pack, uint64_t rows, GranuleScratch &scratch,
                                    uint8_t *out) {
  scratch.converted.resize(rows * pack.cols * sizeof(uint16_t));
  GranuleFindings all = convert(pack.origin.element(), pack.element, scratch.stored.data(),
                                scratch.converted.data(), rows * pack.cols);
  std::fill_n(out, granuleBytes(pack), uint8_t(0));
  const auto *from = reinterpret_cast<const uint16_t *>(scratch.converted.data());
  auto *to = reinterpret_cast<uint16_t *>(out);
  // Columns lie in pairs. Places repeat with each tile.
  int64_t tile[kTileStrip][kTileColumns / 2];
  for (int64_t row = 0; row < kTileStrip; ++row)
    for (int64_t pair = 0; pair < kTileColumns / 2; ++pair)
      tile[row][pair] = tiledPlace(row, 2 * pair, kTileColumns);
  for (uint64_t row = 0; row < rows; ++row)
    for (uint64_t col = 0; col < pack.cols; col += 2)
      std::memcpy(to + col / kTileColumns * kTileStrip * kTileColumns + tile[row][col % kTileColumns / 2],
                  from + row * pack.cols + col, std::min<uint64_t>(2, pack.cols - col) * sizeof *to);
  return all;
}

/// Writes a quantised row into its granule.
static void packRow(const WeightPack &pack, const quant::Row &row, uint64_t lane, uint8_t *out) {
  auto pack16 = pack.kind == PackKind::Tiles ? quant::packTileRow : quant::packRow;
  pack16(*pack.scheme, row, static_cast<int64_t>(lane), static_cast<int64_t>(pack.cols), out);
}

/// 16 rows in codes, from the stored values.
static GranuleFindings produceQuantized(const WeightPack &pack, uint64_t rows,
                                        GranuleScratch &scratch, uint8_t *out) {
  int64_t cols = static_cast<int64_t>(pack.cols);
  scratch.converted.resize(rows * pack.cols * sizeof(float));
  const float *values = reinterpret_cast<const float *>(scratch.converted.data());
  GranuleFindings all = convert(pack.origin.element(), ElementType::F32, scratch.stored.data(),
                                scratch.converted.data(), rows * pack.cols);
  quant::Row quantized[panelRows];
  if (scratch.inputs)
    scratch.inputs->quantizeRows(*pack.scheme, values, static_cast<int64_t>(rows), quantized);
  std::fill_n(out, granuleBytes(pack), uint8_t(0));
  for (uint64_t lane = 0; lane < rows; ++lane) {
    quant::Row &row = quantized[lane];
    if (!scratch.inputs)
      quant::quantizeRow(*pack.scheme, values + lane * pack.cols, cols, quant::Rounding::Search, row);
    all.overflowed |= std::any_of(row.scales.begin(), row.scales.end(),
                                  [](float scale) { return std::isinf(scale); });
    packRow(pack, row, lane, out);
  }
  return all;
}

/// The stored row that becomes row `row` of the weight: its matrix and its row there.
static std::pair<const StoredSource *, uint64_t> locateStored(const WeightPack &pack,
                                                              uint64_t row) {
  if (pack.origin.layout)
    row = pack.origin.layout->storedRow(row);
  const StoredSource *source = pack.stored.data();
  for (; row >= source->scales.cols; ++source)
    row -= source->scales.cols;
  return {source, row};
}

/// 16 rows of integers as the checkpoint has them.
static GranuleFindings produceStored(const WeightPack &pack, const WeightReader &reader,
                                     uint64_t first, uint64_t rows, uint8_t *out) {
  std::fill_n(out, granuleBytes(pack), uint8_t(0));
  GranuleFindings all;
  quant::Row row;
  for (uint64_t lane = 0; lane < rows; ++lane) {
    auto [source, index] = locateStored(pack, first + lane);
    auto bytes = [&](const StoredTensor &tensor) {
      return reader.mapped(tensor.file, tensor.offset, tensor.bytes());
    };
    quant::StoredMatrix matrix{pack.storedForm,
                               bytes(source->codes),
                               bytes(source->zeros),
                               bytes(source->scales),
                               static_cast<int64_t>(source->scales.cols),
                               static_cast<int64_t>(pack.cols),
                               static_cast<int64_t>(source->scales.rows)};
    quant::readStoredRow(matrix, *pack.scheme, static_cast<int64_t>(index), row);
    all.notFinite |= std::any_of(row.scales.begin(), row.scales.end(), isInfiniteOrNaN);
    packRow(pack, row, lane, out);
  }
  return all;
}

static GranuleFindings produceVector(const WeightPack &pack, uint64_t count,
                                     GranuleScratch &scratch, uint8_t *out) {
  if (pack.rounding == ElementType::F32)
    return convert(pack.origin.element(), ElementType::F32, scratch.stored.data(), out, count);
  scratch.converted.resize(count * 2);
  GranuleFindings findings = convert(pack.origin.element(), pack.rounding, scratch.stored.data(),
                                     scratch.converted.data(), count);
  convert(pack.rounding, ElementType::F32, scratch.converted.data(), out, count);
  return findings;
}

static float roundTo(ElementType type, float value) {
  switch (type) {
  case ElementType::F16:
    return floatFromF16(f16FromFloat(value));
  case ElementType::BF16:
    return floatFromBf16(bf16FromFloat(value));
  case ElementType::F32:
    break;
  }
  return value;
}

static void produceRope(const RopeTable &rope, uint64_t first, uint64_t rows, float *out) {
  uint64_t half = rope.inverseFrequencies.size();
  for (uint64_t position = first; position < first + rows; ++position, out += 2 * half)
    for (uint64_t j = 0; j < half; ++j) {
      // The product is float32; cosine and sine of it are correctly rounded by way of double.
      double angle = static_cast<float>(position) * rope.inverseFrequencies[j];
      out[j] = roundTo(rope.rounding, static_cast<float>(std::cos(angle)) * rope.factor);
      out[half + j] = roundTo(rope.rounding, static_cast<float>(std::sin(angle)) * rope.factor);
    }
}

llvm::Error readFloats(const WeightOrigin &origin, const WeightReader &reader, uint64_t first,
                       uint64_t count, float *out) {
  uint64_t elements = count * origin.cols();
  std::vector<uint8_t> stored(elements * byteWidth(origin.element()));
  if (llvm::Error failed = reader.readRows(origin, first, count, stored.data()))
    return failed;
  convert(origin.element(), ElementType::F32, stored.data(), out, elements);
  return llvm::Error::success();
}

llvm::Expected<GranuleFindings> produceGranule(const WeightPack &pack, const WeightReader &reader,
                                               uint64_t index, GranuleScratch &scratch,
                                               uint8_t *out) {
  uint64_t first = index * granuleRows(pack);
  uint64_t rows = std::min(granuleRows(pack), countRows(pack) - first);
  if (pack.rope) {
    produceRope(*pack.rope, first, rows, reinterpret_cast<float *>(out));
    return GranuleFindings{};
  }
  if (!pack.stored.empty())
    return produceStored(pack, reader, first, rows, out);
  uint64_t elements = rows * pack.origin.cols();
  scratch.stored.resize(elements * byteWidth(pack.origin.element()));
  if (llvm::Error failed = reader.readRows(pack.origin, first, rows, scratch.stored.data()))
    return failed;
  switch (pack.kind) {
  case PackKind::Panel16:
    return pack.scheme ? produceQuantized(pack, rows, scratch, out)
                       : producePanel(pack, rows, scratch, out);
  case PackKind::Tiles:
    return pack.scheme ? produceQuantized(pack, rows, scratch, out) : produceTiles(pack, rows, scratch, out);
  case PackKind::Vector:
    return produceVector(pack, rows, scratch, out);
  case PackKind::Rows:
    return convert(pack.origin.element(), pack.element, scratch.stored.data(), out, elements);
  case PackKind::Table:
    break;
  }
  return convert(pack.origin.element(), ElementType::F32, scratch.stored.data(), out, elements);
}

} // namespace stoop::codegen

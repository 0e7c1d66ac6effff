//===- WeightPacker.cpp - Checkpoint weights to the weights arena ---------===//
//
// The arena is cut into units of 16 MiB that threads take in order. A unit is
// filled granule by granule, checksummed and written with one call; a granule on
// a border is made by both units but accounted for by the one where it starts.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/WeightPacker.h"

#include "codegen/package/Crc32c.h"
#include "codegen/package/PackLayout.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/xxhash.h"
#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

namespace stoop::codegen {

static constexpr uint64_t unitBytes = 16 << 20;

namespace {

/// What matrices are rounded against: computed by the first thread that needs it, kept while one does.
class AnticipationCache {
public:
  AnticipationCache(const std::vector<WeightPack> &packs, const WeightReader &reader)
      : packs(packs), reader(reader), entries(packs.size()) {}

  /// Null if nothing is known of what enters.
  llvm::Expected<std::shared_ptr<const quant::Anticipation>> get(size_t pack);

private:
  llvm::Error readVector(std::optional<size_t> pack, std::vector<float> &out) const;
  llvm::Expected<quant::InputSamples> draw(const InputsSource &source) const;

  struct Entry {
    std::mutex mutex;
    std::weak_ptr<const quant::Anticipation> inputs;
  };
  const std::vector<WeightPack> &packs;
  const WeightReader &reader;
  std::vector<Entry> entries;
};

/// One run of packWeights: shared state of its threads.
class Packing {
public:
  Packing(const std::vector<WeightPack> &packs, uint64_t arenaBytes, uint64_t blockBytes,
          const ArenaSink &sink, const PackProgress &progress)
      : packs(packs), arenaBytes(arenaBytes), blockBytes(blockBytes), sink(sink),
        progress(progress), anticipations(packs, reader) {}

  llvm::Error prepare();
  llvm::Error addStored(const StoredTensor &tensor);
  llvm::Expected<PackSummary> run(unsigned numThreads);

private:
  void work();
  llvm::Error packUnit(uint64_t first, uint64_t size, uint8_t *buffer, GranuleScratch &scratch,
                       std::vector<uint8_t> &border);
  llvm::Error packInto(size_t packIndex, uint64_t first, uint64_t size, uint8_t *buffer,
                       GranuleScratch &scratch, std::vector<uint8_t> &border);
  void account(size_t packIndex, uint64_t granule, const GranuleFindings &findings,
               const GranuleScratch &scratch);
  void fail(llvm::Error error);

  const std::vector<WeightPack> &packs;
  const uint64_t arenaBytes, blockBytes;
  const ArenaSink &sink;
  const PackProgress &progress;
  WeightReader reader;
  AnticipationCache anticipations;
  std::vector<size_t> byOffset;    ///< indices of packs, by place in the arena
  std::vector<size_t> firstTensor; ///< per pack: index of its first source in summary.tensors
  PackSummary summary;
  std::atomic<uint64_t> nextUnit = 0, doneBytes = 0;
  std::atomic<bool> stop = false;
  std::mutex mutex; ///< guards summary.tensors and firstError
  std::optional<std::string> firstError;
};

} // namespace

llvm::Error AnticipationCache::readVector(std::optional<size_t> pack,
                                          std::vector<float> &out) const {
  if (!pack)
    return llvm::Error::success();
  const WeightOrigin &origin = packs[*pack].origin;
  out.resize(origin.rows() * origin.cols());
  return readFloats(origin, reader, 0, origin.rows(), out.data());
}

llvm::Expected<quant::InputSamples> AnticipationCache::draw(const InputsSource &source) const {
  quant::InputsFormula formula = source.formula;
  formula.tableRows = static_cast<int64_t>(packs[source.table].origin.rows());
  for (auto [pack, vector] : {std::pair{std::optional(source.scale), &formula.scale},
                              {source.bias, &formula.bias},
                              {source.offset, &formula.offset}})
    if (llvm::Error failed = readVector(pack, *vector))
      return failed;
  auto rowsOf = [&](std::optional<size_t> pack) {
    return [this, pack](int64_t row, float *out) {
      return readFloats(packs[*pack].origin, reader, static_cast<uint64_t>(row), 1, out);
    };
  };
  return quant::drawInputs(formula, rowsOf(source.table), rowsOf(source.matrix), rowsOf(source.factor));
}

llvm::Expected<std::shared_ptr<const quant::Anticipation>> AnticipationCache::get(size_t pack) {
  if (!packs[pack].inputs)
    return nullptr;
  std::lock_guard<std::mutex> lock(entries[pack].mutex);
  std::shared_ptr<const quant::Anticipation> inputs = entries[pack].inputs.lock();
  if (inputs)
    return inputs;
  llvm::Expected<quant::InputSamples> samples = draw(*packs[pack].inputs);
  if (!samples)
    return samples.takeError();
  if (samples->columns() != static_cast<int64_t>(packs[pack].cols))
    return llvm::createStringError("weight '" + packs[pack].name + "' has " +
                                   std::to_string(packs[pack].cols) + " columns, its inputs have " +
                                   std::to_string(samples->columns()));
  inputs = std::make_shared<const quant::Anticipation>(*samples);
  entries[pack].inputs = inputs;
  return inputs;
}

/// A vector stored as [1, n] or [n] is n rows of one element.
static llvm::Error checkSources(const WeightPack &pack) {
  if (!pack.stored.empty())
    return llvm::Error::success(); // the rows of lm.weight are verified
  if (pack.rope || pack.origin.sources.empty()) {
    if (pack.rope && pack.cols == 2 * pack.rope->inverseFrequencies.size())
      return llvm::Error::success();
    return llvm::createStringError("weight '" + pack.name +
                                   "' has neither sources nor a fitting generator");
  }
  uint64_t rows = pack.kind == PackKind::Vector ? pack.rows * pack.cols : pack.rows;
  uint64_t cols = pack.kind == PackKind::Vector ? 1 : pack.cols;
  for (const TensorSource &source : pack.origin.sources)
    if (source.cols != cols || source.element != pack.origin.element())
      return llvm::createStringError("weight '" + pack.name + "': source '" + source.key +
                                     "' differs from the others in columns or element type");
  if (pack.origin.rows() != rows || (pack.origin.layout && pack.origin.layout->rows() != rows))
    return llvm::createStringError("weight '" + pack.name + "' has " + std::to_string(rows) +
                                   " rows, its sources have " + std::to_string(pack.origin.rows()));
  return llvm::Error::success();
}

llvm::Error Packing::addStored(const StoredTensor &tensor) {
  if (llvm::Error bad = reader.map(tensor.file))
    return bad;
  const char *bytes = reader.mapped(tensor.file, tensor.offset, tensor.bytes());
  if (!bytes)
    return llvm::createStringError("tensor '" + tensor.key + "' lies beyond the end of '" +
                                   tensor.file + "'");
  uint64_t hash = llvm::xxh3_64bits(
      llvm::ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(bytes), tensor.bytes()));
  summary.tensors.push_back({tensor.key, tensor.file, ElementType::F32, tensor.rows, tensor.cols,
                             hash, tensor.dtype});
  return llvm::Error::success();
}

llvm::Error Packing::prepare() {
  summary.checksums.assign(arenaBytes / blockBytes, 0);
  for (size_t i = 0; i < packs.size(); ++i) {
    const WeightPack &pack = packs[i];
    byOffset.push_back(i);
    firstTensor.push_back(summary.tensors.size());
    if (llvm::Error bad = checkSources(pack))
      return bad;
    if (pack.bytes < pack.packedBytes() || pack.offset + pack.bytes > arenaBytes)
      return llvm::createStringError(
          "weight '" + pack.name + "' needs " + std::to_string(pack.packedBytes()) +
          " bytes; the plan gives it " + std::to_string(pack.bytes) + " at " +
          std::to_string(pack.offset) + " of " + std::to_string(arenaBytes));
    if (llvm::Error bad = reader.open(pack.origin))
      return bad;
    for (const TensorSource &source : pack.origin.sources)
      summary.tensors.push_back(
          {source.key, source.file, source.element, source.rows, source.cols, 0, ""});
    for (const StoredSource &source : pack.stored)
      for (const StoredTensor *tensor : {&source.codes, &source.zeros, &source.scales})
        if (llvm::Error bad = addStored(*tensor))
          return bad;
  }
  std::sort(byOffset.begin(), byOffset.end(),
            [&](size_t a, size_t b) { return packs[a].offset < packs[b].offset; });
  for (size_t i = 1; i < byOffset.size(); ++i) {
    const WeightPack &before = packs[byOffset[i - 1]], &after = packs[byOffset[i]];
    if (before.offset + before.bytes > after.offset)
      return llvm::createStringError("weights '" + before.name + "' and '" + after.name +
                                     "' overlap in the plan");
  }
  return llvm::Error::success();
}

void Packing::fail(llvm::Error error) {
  std::lock_guard<std::mutex> lock(mutex);
  std::string message = llvm::toString(std::move(error));
  if (!firstError)
    firstError = std::move(message);
  stop = true;
}

void Packing::account(size_t packIndex, uint64_t granule, const GranuleFindings &findings,
                      const GranuleScratch &scratch) {
  const WeightPack &pack = packs[packIndex];
  if (pack.origin.sources.empty())
    return;
  ElementType stored = pack.origin.element();
  ElementType packed = pack.kind == PackKind::Vector ? pack.rounding : pack.element;
  uint64_t rowBytes = pack.origin.cols() * byteWidth(stored);
  uint64_t first = granule * granuleRows(pack), rows = scratch.stored.size() / rowBytes;
  for (uint64_t row = 0; row < rows;) {
    const TensorSource *source = pack.origin.locate(first + row).first;
    uint64_t hash = 0;
    GranuleFindings own;
    for (; row < rows; ++row) {
      auto [rowSource, storedRow] = pack.origin.locate(first + row);
      if (rowSource != source)
        break;
      const uint8_t *bytes = &scratch.stored[row * rowBytes];
      hash += (llvm::xxh3_64bits(llvm::ArrayRef<uint8_t>(bytes, rowBytes)) ^ storedRow) *
              0x9e3779b97f4a7c15u;
      if (findings.any()) // rare: find out which of the granule's tensors it was
        own |= inspectElements(stored, packed, bytes, pack.origin.cols());
    }
    std::lock_guard<std::mutex> lock(mutex);
    TensorSummary &tensor =
        summary.tensors[firstTensor[packIndex] + (source - pack.origin.sources.data())];
    tensor.hash += hash;
    tensor.notFinite |= own.notFinite;
    tensor.overflowed |= own.overflowed;
  }
}

llvm::Error Packing::packInto(size_t packIndex, uint64_t first, uint64_t size, uint8_t *buffer,
                              GranuleScratch &scratch, std::vector<uint8_t> &border) {
  const WeightPack &pack = packs[packIndex];
  auto inputs = anticipations.get(packIndex);
  if (!inputs)
    return inputs.takeError();
  scratch.inputs = std::move(*inputs);
  uint64_t step = granuleBytes(pack), total = pack.packedBytes(), last = first + size;
  uint64_t granule = first > pack.offset ? (first - pack.offset) / step : 0;
  for (; granule * step < total; ++granule) {
    uint64_t begin = pack.offset + granule * step;
    uint64_t end = std::min(begin + step, pack.offset + total);
    if (begin >= last)
      break;
    bool inside = begin >= first && end <= last;
    if (!inside)
      border.resize(step);
    uint8_t *target = inside ? buffer + (begin - first) : border.data();
    llvm::Expected<GranuleFindings> findings =
        produceGranule(pack, reader, granule, scratch, target);
    if (!findings)
      return findings.takeError();
    if (begin >= first)
      account(packIndex, granule, *findings, scratch);
    if (inside)
      continue;
    uint64_t from = std::max(begin, first), to = std::min(end, last);
    if (from < to)
      std::memcpy(buffer + (from - first), border.data() + (from - begin), to - from);
  }
  return llvm::Error::success();
}

llvm::Error Packing::packUnit(uint64_t first, uint64_t size, uint8_t *buffer,
                              GranuleScratch &scratch, std::vector<uint8_t> &border) {
  std::memset(buffer, 0, size);
  for (size_t index : byOffset) {
    const WeightPack &pack = packs[index];
    if (pack.offset >= first + size)
      break;
    if (pack.offset + pack.bytes <= first)
      continue;
    if (llvm::Error failed = packInto(index, first, size, buffer, scratch, border))
      return failed;
  }
  for (uint64_t block = 0; block + blockBytes <= size; block += blockBytes)
    summary.checksums[(first + block) / blockBytes] = crc32c(buffer + block, blockBytes);
  return sink(buffer, size, first);
}

void Packing::work() {
  std::vector<uint8_t> buffer(std::min(unitBytes, arenaBytes)), border;
  GranuleScratch scratch;
  while (!stop) {
    uint64_t first = nextUnit++ * unitBytes;
    if (first >= arenaBytes)
      return;
    uint64_t size = std::min(unitBytes, arenaBytes - first);
    if (llvm::Error failed = packUnit(first, size, buffer.data(), scratch, border))
      return fail(std::move(failed));
    doneBytes += size;
    if (progress)
      progress(doneBytes, arenaBytes);
  }
}

llvm::Expected<PackSummary> Packing::run(unsigned numThreads) {
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < numThreads; ++i)
    threads.emplace_back([this] { work(); });
  work();
  for (std::thread &thread : threads)
    thread.join();
  if (firstError)
    return llvm::createStringError(*firstError);
  return std::move(summary);
}

llvm::Expected<PackSummary> packWeights(const std::vector<WeightPack> &packs, uint64_t arenaBytes,
                                        uint64_t blockBytes, unsigned numThreads,
                                        const ArenaSink &sink, const PackProgress &progress) {
  Packing packing(packs, arenaBytes, blockBytes, sink, progress);
  if (llvm::Error bad = packing.prepare())
    return bad;
  return packing.run(numThreads);
}

} // namespace stoop::codegen

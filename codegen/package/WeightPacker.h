//===- WeightPacker.h - Checkpoint weights to the weights arena -*- C++ -*-===//
//
// Executes the packing that the plan prescribes: reads each weight once, converts
// its elements, lays them out as the kernels read them and writes the weights
// arena front to back in units of a few MiB. Memory use does not grow with the
// model. Nothing is decided here: offsets, layouts and types come from the plan.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_PACKAGE_WEIGHTPACKER_H
#define STOOP_CODEGEN_PACKAGE_WEIGHTPACKER_H

#include "codegen/package/WeightReader.h"
#include "codegen/quant/Samples.h"
#include "codegen/quant/Stored.h"
#include "ir/support/QuantScheme.h"
#include <functional>

namespace stoop::codegen {

/// Layouts of packed weights.
enum class PackKind : uint8_t {
  Rows,    ///< [rows][cols]
  Vector,  ///< f32 [elements], rounded to `rounding` first
  Table,   ///< f32 [rows][cols]
  Panel16, ///< f32, f16: [rows/16][cols][16]; bf16: [rows/16][cols/2][16][2]; padded with zeros
  Tiles,   ///< f16, bf16 or codes: strips of tiles of ir/support/TileOrder.h; padded with zeros
};

/// Rotary table: row p holds cos(p * f_j) for j < D/2, then sin(p * f_j); both times `factor`,
/// then rounded to `rounding`. p * f_j is one float32 product.
struct RopeTable {
  std::vector<float> inverseFrequencies; ///< D/2 of them
  float factor = 1.0f;
  uint64_t positions = 0;
  ElementType rounding = ElementType::F32;
};

/// One tensor of a matrix that the checkpoint stores as integers.
struct StoredTensor {
  std::string key, file, dtype; ///< dtype: "i32" or "f16"
  uint64_t offset = 0, rows = 0, cols = 0;

  uint64_t bytes() const { return rows * cols * (dtype == "i32" ? 4 : 2); }
};

/// The tensors of one such matrix.
struct StoredSource {
  StoredTensor codes, zeros, scales;
};

/// What enters a matrix (quant::InputsFormula), by places of other weights in the list of packs.
struct InputsSource {
  size_t table = 0, scale = 0;
  std::optional<size_t> bias = {}, matrix = {}, offset = {}, factor = {};
  quant::InputsFormula formula = {}; ///< without vectors
};

/// One weight of the plan.
struct WeightPack {
  std::string name;
  uint64_t offset = 0, bytes = 0; ///< in the weights arena
  PackKind kind = PackKind::Rows;
  ElementType element = ElementType::F32;  ///< of the packed copy
  ElementType rounding = ElementType::F32; ///< vectors: the model's arithmetic type
  uint64_t rows = 0, cols = 0;             ///< logical shape, without padding
  std::optional<QuantScheme> scheme;       ///< panel16 or tiles of codes instead of elements
  WeightOrigin origin;                     ///< empty sources when `rope` or `stored` is set
  quant::StoredForm storedForm = quant::StoredForm::Gptq;
  std::vector<StoredSource> stored; ///< matrices of integers, stacked in order; else empty
  std::optional<RopeTable> rope;
  std::optional<InputsSource> inputs; ///< of a matrix in integers: what it is rounded against

  /// Bytes that layout, type and shape come to, with padding.
  uint64_t packedBytes() const;
};

/// What became of one stored tensor; for warnings and the manifest.
struct TensorSummary {
  std::string key, file;
  ElementType element = ElementType::F32;
  uint64_t rows = 0, cols = 0;
  uint64_t hash = 0;       ///< sum over rows of a 64-bit hash of (row's bytes, row number)
  std::string storedType;  ///< of integers' tensors, instead of `element`; their hash is of all bytes
  bool notFinite = false;  ///< holds NaN or infinity
  bool overflowed = false; ///< a finite value became infinite in the packed type
};

/// Everything that packing finds out.
struct PackSummary {
  std::vector<TensorSummary> tensors; ///< in the order of the packs
  std::vector<uint32_t> checksums;    ///< CRC-32C of each whole block of the arena
};

/// Writes `size` bytes at byte `offset` of the arena; called from several threads.
using ArenaSink = std::function<llvm::Error(const void *data, uint64_t size, uint64_t offset)>;
/// Bytes done so far and in all; called from several threads.
using PackProgress = std::function<void(uint64_t done, uint64_t total)>;

/// Packs all of `packs` into an arena of `arenaBytes`. Gaps are zeros. Checksums cover whole blocks
/// of `blockBytes` (a divisor of 16 MiB). Errors: overlap, a size that disagrees with the layout, a
/// source whose shape disagrees, unreadable or cut off files, whatever `sink` returns.
llvm::Expected<PackSummary> packWeights(const std::vector<WeightPack> &packs, uint64_t arenaBytes,
                                        uint64_t blockBytes, unsigned numThreads,
                                        const ArenaSink &sink, const PackProgress &progress);

} // namespace stoop::codegen

#endif

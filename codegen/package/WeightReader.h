//===- WeightReader.h - Rows of checkpoint tensors --------------*- C++ -*-===//
//
// Reads rows of a weight in the order in which the program wants them: sources
// concatenated, fused query/key/value rows regrouped. Reads with pread, so that
// memory stays bounded and a file cut off meanwhile is an error, not a signal.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_PACKAGE_WEIGHTREADER_H
#define STOOP_CODEGEN_PACKAGE_WEIGHTREADER_H

#include "codegen/package/FloatConversion.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace stoop::codegen {

/// One stored tensor [rows, cols], row-major, little-endian, at byte `offset` of `file`.
struct TensorSource {
  std::string key;  ///< name in the checkpoint
  std::string file; ///< path that can be opened from the working directory
  uint64_t offset = 0;
  ElementType element = ElementType::F32;
  uint64_t rows = 0, cols = 0;
};

/// Stored rows (g, s, d) of a fused projection, s < queries: query head g*queries + s; then the
/// group's key and value. Read as all queries, then all keys, then all values.
struct QkvLayout {
  uint64_t groups = 0, queries = 0, headDim = 0;

  uint64_t rows() const { return groups * (queries + 2) * headDim; }
  /// Stored row of the row that comes `row`-th when read.
  uint64_t storedRow(uint64_t row) const;
};

/// A weight as a matrix [rows, cols] assembled from stored tensors with equal columns and element.
struct WeightOrigin {
  std::vector<TensorSource> sources;
  std::optional<QkvLayout> layout;

  uint64_t rows() const;
  uint64_t cols() const { return sources.front().cols; }
  ElementType element() const { return sources.front().element; }
  /// The stored tensor and its row that hold row `row` of the weight.
  std::pair<const TensorSource *, uint64_t> locate(uint64_t row) const;
};

/// Open checkpoint files, shared by all threads.
class WeightReader {
public:
  WeightReader() = default;
  ~WeightReader();
  WeightReader(const WeightReader &) = delete;
  WeightReader &operator=(const WeightReader &) = delete;

  /// Opens every file of `origin` and checks that it holds each source's whole range.
  llvm::Error open(const WeightOrigin &origin);
  /// Reads rows [first, first + count) of an opened weight into `out`, count * cols stored
  /// elements.
  llvm::Error readRows(const WeightOrigin &origin, uint64_t first, uint64_t count, void *out) const;

  /// Maps a whole file; further calls for it do nothing.
  llvm::Error map(const std::string &file);
  /// Byte `offset` of a mapped file, which has at least `size` bytes from there on; else null.
  const char *mapped(const std::string &file, uint64_t offset, uint64_t size) const;

private:
  std::map<std::string, std::unique_ptr<llvm::MemoryBuffer>> mappings;
  struct File {
    int descriptor;
    uint64_t bytes;
  };
  std::map<std::string, File> files;
};

} // namespace stoop::codegen

#endif

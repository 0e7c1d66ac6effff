//===- Quantization.h - checkpoints that store integers ---------*- C++ -*-===//
//
// What `quantization_config` says about matrices that GPTQ or AWQ tools have quantised, and the
// tensors that hold one of them. Published formulas: value = scale * (code - zero), where
//   gptq     qweight [K/8, N] holds codes of 8 columns k in a word, from bit 0 on; qzeros [G, N/8]
//            holds zero - 1 of 8 rows n in a word (format gptq_v2: zero itself)
//   awq      qweight [K, N/8] and qzeros [G, N/8] hold rows 0 2 4 6 1 3 5 7 in a word
// scales are float16 [G, N]; N are the rows, K the columns of the matrix, group g has columns
// [g * group_size, (g + 1) * group_size).
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_QUANTIZATION_H
#define STOOP_COMPILER_IMPORT_QUANTIZATION_H

#include "compiler/import/Checkpoint.h"
#include "compiler/import/ConfigReader.h"

namespace stoop::importer {

struct StoredQuantization {
  std::string form;      ///< "gptq", "gptq_v2" or "awq"
  int64_t group = 0;     ///< columns that share a scale; 0: all
  bool symmetric = false; ///< every zero is 8

  /// Name of the scheme that holds such matrices.
  std::string scheme() const;
  /// Columns of a group of a matrix with `cols` columns.
  int64_t groupColumns(int64_t cols) const { return group ? group : cols; }
};

/// The tensors of one matrix.
struct StoredMatrix {
  TensorRef codes, zeros, scales;
  explicit operator bool() const { return static_cast<bool>(codes); }
};

/// Reads the key `quantization_config`; none when it is absent or null. Refuses, by name, methods
/// and settings that have no packed form, and contradictions.
llvm::Expected<std::optional<StoredQuantization>> readQuantization(ConfigReader &config);

/// Finds the tensors of the matrix `key` ("….weight") of rows x cols and enters them in the ledger.
/// Without codes the result is empty. Problems (shapes, types, a column order, zeros that
/// contradict the config) are appended.
StoredMatrix findStoredMatrix(const Checkpoint &checkpoint, const StoredQuantization &quantization,
                              llvm::StringRef key, int64_t rows, int64_t cols, Ledger &ledger,
                              std::vector<std::string> &problems);

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_QUANTIZATION_H

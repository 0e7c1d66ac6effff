//===- Stored.h - matrices that a checkpoint stores as integers --*- C++ -*-===//
//
// Reads rows of matrices quantised by GPTQ or AWQ tools. value = scale * (code - zero), N rows (out
// features), K columns (in features), G groups of columns:
//   gptq     codes [K/8, N]: word [k/8][n] holds column k at bit 4 (k % 8)
//            zeros [G, N/8]: word [g][n/8] holds zero - 1 of row n at bit 4 (n % 8), modulo 16
//   gptq_v2  as gptq, with the zero itself
//   awq      codes [K, N/8], zeros [G, N/8]: a word holds rows 0 2 4 6 1 3 5 7 from bit 0 on
// Scales are float16 [G, N]. Words are 32-bit, little-endian; K/8 and N/8 are rounded up.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_QUANT_STORED_H
#define STOOP_CODEGEN_QUANT_STORED_H

#include "codegen/quant/Quantize.h"
#include "llvm/ADT/ArrayRef.h"

namespace stoop::quant {

enum class StoredForm : uint8_t { Gptq, GptqV2, Awq };

/// The form of that name; nullopt for any other.
std::optional<StoredForm> parseStoredForm(llvm::StringRef name);

/// One matrix, in memory.
struct StoredMatrix {
  StoredForm form = StoredForm::Gptq;
  const char *codes = nullptr, *zeros = nullptr, *scales = nullptr;
  int64_t rows = 0, cols = 0, groups = 0;

  /// Columns of a group, for a scheme whose groups are not larger: groups of the scheme, doubled as
  /// often as the number of groups asks for.
  int64_t groupColumns(const QuantScheme &scheme) const;
};

/// The bytes of a matrix in form gptq_v2, for a file.
struct StoredBytes {
  std::vector<uint32_t> codes, zeros;
  std::vector<uint16_t> scales;

  /// Writes down rows of an int4 scheme.
  StoredBytes(const QuantScheme &scheme, llvm::ArrayRef<Row> rows, int64_t cols);
};

/// Row `index` in the scheme; groups that the scheme cuts keep their scale and zero.
void readStoredRow(const StoredMatrix &matrix, const QuantScheme &scheme, int64_t index, Row &row);

} // namespace stoop::quant

#endif // STOOP_CODEGEN_QUANT_STORED_H

//===- Stored.cpp - matrices that a checkpoint stores as integers ---------===//
#include "codegen/quant/Stored.h"

#include "codegen/package/FloatConversion.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Endian.h"

using namespace stoop;
using namespace stoop::quant;

std::optional<StoredForm> quant::parseStoredForm(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<StoredForm>>(name)
      .Case("gptq", StoredForm::Gptq)
      .Case("gptq_v2", StoredForm::GptqV2)
      .Case("awq", StoredForm::Awq)
      .Default(std::nullopt);
}

int64_t StoredMatrix::groupColumns(const QuantScheme &scheme) const {
  int64_t group = scheme.group;
  while ((cols + group - 1) / group > groups)
    group *= 2;
  return group;
}

StoredBytes::StoredBytes(const QuantScheme &scheme, llvm::ArrayRef<Row> rows, int64_t cols) {
  int64_t count = static_cast<int64_t>(rows.size()), rowWords = (count + 7) / 8;
  int64_t groups = scheme.numGroups(cols);
  codes.assign((cols + 7) / 8 * count, 0);
  zeros.assign(groups * rowWords, 0);
  scales.resize(groups * count);
  for (int64_t n = 0; n < count; ++n) {
    for (int64_t k = 0; k < cols; ++k)
      codes[k / 8 * count + n] |= uint32_t(rows[n].codes[k]) << (4 * (k % 8));
    for (int64_t g = 0; g < groups; ++g) {
      zeros[g * rowWords + n / 8] |= uint32_t(rows[n].zeros[g]) << (4 * (n % 8));
      scales[g * count + n] = codegen::f16FromFloat(rows[n].scales[g]);
    }
  }
}

/// Four bits of word `index`.
static unsigned nibble(const char *words, int64_t index, unsigned place) {
  return llvm::support::endian::read32le(words + index * 4) >> (4 * place) & 15;
}

/// Place of row `row` within a word of 8 rows.
static unsigned placeInWord(StoredForm form, int64_t row) {
  static constexpr unsigned awq[] = {0, 4, 1, 5, 2, 6, 3, 7};
  return form == StoredForm::Awq ? awq[row % 8] : unsigned(row % 8);
}

void quant::readStoredRow(const StoredMatrix &matrix, const QuantScheme &scheme, int64_t index,
                          Row &row) {
  int64_t group = matrix.groupColumns(scheme), rowWords = (matrix.rows + 7) / 8;
  unsigned place = placeInWord(matrix.form, index);
  row.codes.resize(matrix.cols);
  for (int64_t k = 0; k < matrix.cols; ++k)
    row.codes[k] =
        int8_t(matrix.form == StoredForm::Awq
                   ? nibble(matrix.codes, k * rowWords + index / 8, place)
                   : nibble(matrix.codes, k / 8 * matrix.rows + index, unsigned(k % 8)));
  row.scales.resize(scheme.numGroups(matrix.cols));
  row.zeros.resize(row.scales.size());
  for (int64_t g = 0; g < int64_t(row.scales.size()); ++g) {
    int64_t from = g * scheme.group / group;
    unsigned zero = nibble(matrix.zeros, from * rowWords + index / 8, place);
    row.zeros[g] = uint8_t((zero + (matrix.form == StoredForm::Gptq)) & 15);
    row.scales[g] = codegen::floatFromF16(
        llvm::support::endian::read16le(matrix.scales + (from * matrix.rows + index) * 2));
  }
}

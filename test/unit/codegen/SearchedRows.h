//===- SearchedRows.h - what rounding by the search alone gives --*- C++ -*-===//
//
// The measure of every rounding that knows more: the same rows, each weight to its nearest code.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_TEST_UNIT_CODEGEN_SEARCHEDROWS_H
#define STOOP_TEST_UNIT_CODEGEN_SEARCHEDROWS_H

#include "codegen/quant/Quantize.h"
#include "gtest/gtest.h"

namespace stoop::quant {

inline Row searchedRow(const QuantScheme &scheme, const float *values, int64_t cols) {
  Row row;
  quantizeRow(scheme, values, cols, Rounding::Search, row);
  return row;
}

/// That `found` errs, summed over its rows, at most `share` of what the search does. error(values, row): of one row.
template <class Error>
void expectLessError(const QuantScheme &scheme, const std::vector<float> &values, const std::vector<Row> &found,
                     double share, const std::string &name, Error error) {
  int64_t cols = int64_t(values.size() / found.size());
  double compensated = 0, plain = 0;
  for (size_t r = 0; r < found.size(); ++r) {
    const float *row = values.data() + int64_t(r) * cols;
    compensated += error(row, found[r]);
    plain += error(row, searchedRow(scheme, row, cols));
  }
  EXPECT_GT(compensated, 0) << name;
  EXPECT_LE(compensated, share * plain) << name;
}

} // namespace stoop::quant

#endif // STOOP_TEST_UNIT_CODEGEN_SEARCHEDROWS_H

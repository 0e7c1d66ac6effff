//===- QuantScheme.h - coded forms of weight matrices ------------*- C++ -*-===//
//
// Names and sizes of the schemes in which a weight matrix may be stored. A scheme's name is the
// encoding of a quantised matrix's tensor type (tensor<768x256xf32, "int4-g32">) and of its pack,
// so that both dialects, the evaluator, the packer and the kernels agree by one string.
//
// The value of an element is scale * (code - zero), in float32, where it is exact for 4 bits:
//   int8       code in [-127, 127], zero 0, one float32 scale a row
//   fp8        code an e4m3 (FloatConversion.h), zero 0, one float32 scale a row; GPUs alone
//   int4-gN    code and zero in [0, 15], one float16 scale and one zero for N consecutive columns of
//              a row; the last group of a row may be shorter
//
// GPUs read codes in the order of TileOrder.h (pack kind tiles). For CPUs (panel16) 16 rows are one linear
// stream. int8: 16 scales, then units of 4 columns. int4: for each group 16 scales, 16 zeros (two in a
// byte, the even row in the low half), then units of 8 columns. A unit is a 32-bit word per row with its
// even columns in the low half from bit 0 on, its odd ones in the high half: shifted and masked it is
// pairs of 16-bit integers. What a unit has beyond the row's columns is 0; missing rows have scale 0.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_IR_SUPPORT_QUANTSCHEME_H
#define STOOP_IR_SUPPORT_QUANTSCHEME_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>

namespace stoop {

struct QuantScheme {
  unsigned bits = 8;    ///< 8 or 4
  int64_t group = 0;    ///< columns that share a scale and a zero; 8 bits: 0, the whole row
  bool isFloat = false; ///< codes are e4m3 instead of integers; 8 bits

  /// "int8", "fp8", "int4-g32", "int4-g128", ... (powers of two from 32 to 1024); nullopt for others.
  static std::optional<QuantScheme> parse(llvm::StringRef name);
  std::string name() const;

  /// Columns of group `index` of a row of `cols` columns.
  int64_t groupColumns(int64_t index, int64_t cols) const;
  int64_t numGroups(int64_t cols) const;
  /// Bytes of 16 packed rows.
  int64_t panelBytes(int64_t cols) const;
  /// Bytes of a packed matrix.
  int64_t packedBytes(int64_t rows, int64_t cols) const;

  bool operator==(const QuantScheme &other) const = default;
};

} // namespace stoop

#endif // STOOP_IR_SUPPORT_QUANTSCHEME_H

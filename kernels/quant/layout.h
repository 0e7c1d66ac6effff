// Packed integer weights as kernels read them; ir/support/QuantScheme.h defines the format.
//
// A panel is 16 rows of the matrix and one linear stream of blocks. int8: 16 float32 scales, then
// units of 4 columns. int4: for each group 16 float16 scales and 16 zeros, then units of 8 columns.
// In either, a unit is a 32-bit word per row whose low half holds the even columns from bit 0 on and
// whose high half holds the odd ones, so that shifting by s codes and masking leaves the pair of
// columns 2s, 2s + 1 as two 16-bit integers: an operand of a multiply-add of pairs.
#ifndef STOOP_KERNELS_QUANT_LAYOUT_H
#define STOOP_KERNELS_QUANT_LAYOUT_H

#include "kernels/common/types.h"

namespace stoop::kernels {

typedef int32_t i32x8 __attribute__((ext_vector_type(8)));
typedef int16_t i16x16 __attribute__((ext_vector_type(16)));
typedef int16_t i16x32 __attribute__((ext_vector_type(32)));
typedef uint8_t u8x8 __attribute__((ext_vector_type(8)));
typedef uint8_t u8x16 __attribute__((ext_vector_type(16)));
typedef uint16_t u16x8 __attribute__((ext_vector_type(8)));

constexpr i64 kUnitBytes = 64;
constexpr i64 kInt4Header = 40;  // scales and zeros of a group
constexpr i64 kInt8Header = 64;  // scales of a panel

// The name of quantised weights in ports.
namespace element {
struct quant {};
}  // namespace element

// The scheme of one matrix. group: columns of an int4 group, a power of two from 32 on; 0: int8.
struct QuantLayout {
  i64 group, columns;

  STOOP_INLINE bool is_int4() const { return group > 0; }
  STOOP_INLINE i64 panel_bytes() const {
    return is_int4() ? divide_up(columns, group) * kInt4Header + divide_up(columns, 8) * kUnitBytes
                     : kInt8Header + divide_up(columns, 4) * kUnitBytes;
  }
  // Where the units of a column begin within a panel; the column is the first of a unit.
  STOOP_INLINE i64 unit_offset(i64 column) const {
    return is_int4() ? (column / group + 1) * kInt4Header + column / 8 * kUnitBytes
                     : kInt8Header + column / 4 * kUnitBytes;
  }
  // Where the scales of a column begin.
  STOOP_INLINE i64 scale_offset(i64 column) const {
    return is_int4() ? column / group * (kInt4Header + group / 8 * kUnitBytes) : 0;
  }
};

// Pair s of the columns of a unit, sign-extended from 8 bits or unsigned from 4.
template <bool kInt4>
STOOP_INLINE i32x16 code_pairs(u32x16 unit, int s) {
  if constexpr (kInt4) return (i32x16)((unit >> (4 * s)) & 0x000f000fu);
  const i16x32 halves = (i16x32)unit;
  return (i32x16)((s == 0 ? halves << 8 : halves) >> 8);
}
// Column c of a unit.
template <bool kInt4>
STOOP_INLINE i32x16 code_of_column(u32x16 unit, int c) {
  const int at = c / 2 * (kInt4 ? 4 : 8) + c % 2 * 16;
  return kInt4 ? (i32x16)((unit >> at) & 15u) : (i32x16)(unit << (24 - at)) >> 24;
}
template <bool kInt4>
constexpr int kPairs = kInt4 ? 4 : 2;  // of a unit
template <bool kInt4>
constexpr i64 kUnitWidth = 2 * kPairs<kInt4>;

// The 16 zeros of an int4 group.
STOOP_INLINE i32x16 load_zeros(const uint8_t *p) {
  const u16x8 both = __builtin_convertvector(load_vector<u8x8>(p), u16x8);
  const u16x8 split = (both & 15) | (both >> 4) << 8;
  return __builtin_convertvector((u8x16)split, i32x16);
}

}  // namespace stoop::kernels

#endif

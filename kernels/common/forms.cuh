// Forms of weights in tiles of 1 KiB (ir/support/TileOrder.h): elements of 16 bits as they are; bytes with a scale for each
// row; halves of bytes with a scale and a zero for each group of columns of a row.
// Codes become elements of 16 bits in registers, exactly: integers and e4m3 are values of bf16 and of f16. Scales are applied
// to sums in float32, so that nothing is rounded which the scheme has not rounded. A magic exponent puts bits of a code into a
// float's fraction; one fma takes the magic number off again, and a zero with it.
#pragma once
#include "kernels/common/device.cuh"

namespace stoop::gpu {

constexpr int kTileBytes = 1024, kTileColumns = 32;  // columns: of two fragments
using Fragment = Vector<u32, 4>;

// Codes that are multiplied as elements of type T.
template <class T> struct Int8 {};
template <class T> struct Fp8 {};                 // e4m3
template <class T, int GROUP> struct Int4 {};

// The lane whose registers hold an element, and which of its 16 elements of 32 columns it is.
__device__ inline u32 fragment_lane(u32 row, u32 column) { return row % 8 * 4 + column / 8 % 4; }
__device__ inline u32 fragment_element(u32 row, u32 column) {
  return column / 4 % 2 * 8 + column / 2 % 2 * 4 + row / 8 * 2 + column % 2;
}

// Two elements of T, a * b + c each.
template <class T> __device__ inline u32 fma_pair(u32 a, u32 b, u32 c);
template <>
__device__ inline u32 fma_pair<bf16>(u32 a, u32 b, u32 c) {
  u32 pair;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(pair) : "r"(a), "r"(b), "r"(c));
  return pair;
}
template <>
__device__ inline u32 fma_pair<f16>(u32 a, u32 b, u32 c) {
  u32 pair;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(pair) : "r"(a), "r"(b), "r"(c));
  return pair;
}
__device__ constexpr u32 both(u32 bits) { return bits * 0x10001u; }
// (a & mask) | bits, and (a & mask) | (b & ~mask), in one instruction.
__device__ inline u32 masked(u32 a, u32 mask, u32 bits) {
  u32 result;
  asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(result) : "r"(a), "r"(mask), "r"(bits));
  return result;
}
__device__ inline u32 merged(u32 a, u32 mask, u32 b) {
  u32 result;
  asm("lop3.b32 %0, %1, %2, %3, 0xe2;" : "=r"(result) : "r"(a), "r"(mask), "r"(b));
  return result;
}
template <class T> constexpr bool is_bf16 = false;
template <> constexpr bool is_bf16<bf16> = true;

// Bytes 2 HALF and 2 HALF + 1 of a word, integers of two's complement, as two elements of T.
template <class T>
__device__ inline u32 integers(u32 word, int half) {
  const u32 order = half ? 0x4342 : 0x4140;
  if constexpr (is_bf16<T>) {
    // 128 + the low seven bits, less 128, or less 256 if the sign is set.
    const u32 two = __byte_perm(word, 0, order);
    return fma_pair<bf16>(masked(two, both(0x80), both(0x4300)), both(0xbf80), masked(two, both(0x7f), both(0x4300)));
  } else {
    return fma_pair<f16>(__byte_perm(word ^ 0x80808080u, 0x64646464, order), both(0x3c00), both(0xe480));  // 1024 + 128 + code
  }
}
// The same bytes, e4m3: its fields go where T has its own; a factor makes up for the exponent's other bias, and makes
// subnormal numbers normal ones. Quantisers write no code for NaN: a row with one has a scale that is none.
template <class T>
__device__ inline u32 small_floats(u32 word, int half) {
  const u32 two = __byte_perm(word, 0, half ? 0x3424 : 0x1404);
  if constexpr (is_bf16<T>)
    return fma_pair<bf16>(merged(two, both(0x8000), two >> 4 & both(0x7f0)), both(0x7b80), both(0x8000));  // 2^120
  else
    return fma_pair<f16>(merged(two, both(0x8000), two >> 1 & both(0x3f80)), both(0x5c00), both(0x8000));  // 2^8
}
// Half bytes REGISTER of both halves of a word, less `zero`.
template <class T>
constexpr int kNibblePlace = is_bf16<T> ? 0 : 4;  // in an element with the exponent of kNibbleMagic
template <class T>
constexpr u32 kNibbleMagic = both(is_bf16<T> ? 0x4300 : 0x5400);  // 128, 64
template <class T>
__device__ inline u32 nibbles(u32 word, int reg, u32 minus_zero) {
  const u32 place = kNibblePlace<T>, bits = 4 * reg >= place ? word >> (4 * reg - place) : word << (place - 4 * reg);
  return fma_pair<T>(masked(bits, both(15u << place), kNibbleMagic<T>), both(is_bf16<T> ? 0x3f80 : 0x3c00), minus_zero);
}
// What `nibbles` adds for a zero.
template <class T>
__device__ inline u32 minus_zero(u32 zero) { return (both(zero) << kNibblePlace<T>) | kNibbleMagic<T> | both(0x8000); }

// How weights W lie in a strip of `tiles` tiles. columns: of a tile; groups: of a tile, each with scales and zeros of their own.
template <class W>
struct Form {
  using Element = W;
  static constexpr bool is_coded = false;
  static constexpr int columns = 32, groups = 0;
  static __device__ constexpr int strip_bytes(int tiles) { return tiles * kTileBytes; }
  // Register `reg` of fragment `fragment` of 32 columns, number `part` in a tile; `words`: this lane's 16 bytes of each half.
  static __device__ u32 element_pair(const Fragment (&words)[2], int, int fragment, int reg) {
    const u32 (&all)[4] = words[fragment].at;  // chosen, not indexed: `reg` may be known at run time only
    return reg / 2 ? (reg % 2 ? all[3] : all[2]) : (reg % 2 ? all[1] : all[0]);
  }
  static __device__ float value(const char* strip, int, u32 row, u32 column) {
    const u32 element = fragment_element(row, column);
    return to_float(reinterpret_cast<const W*>(strip)[column / 32 * 512 + element / 8 * 256 + fragment_lane(row, column) * 8 + element % 8]);
  }
};

// Bytes with a float32 scale for each row.
template <class T>
struct ByteForm {
  using Element = T;
  static constexpr bool is_coded = true;
  static constexpr int columns = 64, groups = 0;
  static __device__ constexpr int strip_bytes(int tiles) { return tiles * kTileBytes + 128; }
  static __device__ u32 word_of(const Fragment (&words)[2], int part, int fragment, int reg) {
    return reg / 2 ? words[part].at[fragment * 2 + 1] : words[part].at[fragment * 2];
  }
  static __device__ u32 code(const char* strip, u32 row, u32 column) {
    return static_cast<unsigned char>(
        strip[column / 64 * kTileBytes + column / 32 % 2 * 512 + fragment_lane(row, column) * 16 + fragment_element(row, column)]);
  }
  // Of row `row` of the strip.
  static __device__ float scale(const char* strip, int tiles, int row) {
    return reinterpret_cast<const float*>(strip + tiles * kTileBytes)[row];
  }
};
template <class T>
struct Form<Int8<T>> : ByteForm<T> {
  using Base = ByteForm<T>;
  static __device__ u32 element_pair(const Fragment (&words)[2], int part, int fragment, int reg) {
    return integers<T>(Base::word_of(words, part, fragment, reg), reg % 2);
  }
  static __device__ float value(const char* strip, int tiles, u32 row, u32 column) {
    return Base::scale(strip, tiles, row) * static_cast<float>(static_cast<signed char>(Base::code(strip, row, column)));
  }
};
template <class T>
struct Form<Fp8<T>> : ByteForm<T> {
  using Base = ByteForm<T>;
  static __device__ u32 element_pair(const Fragment (&words)[2], int part, int fragment, int reg) {
    return small_floats<T>(Base::word_of(words, part, fragment, reg), reg % 2);
  }
  static __device__ float value(const char* strip, int tiles, u32 row, u32 column) {
    const u32 pair = small_floats<bf16>(Base::code(strip, row, column), 0);
    return Base::scale(strip, tiles, row) * to_float(bf16{static_cast<u16>(pair)});
  }
};

// Half bytes: words [row % 8][group] of two scales (row, row + 8), then bytes [row % 8][group] of their zeros, for each tile.
template <class T, int GROUP>
struct Form<Int4<T, GROUP>> {
  using Element = T;
  static constexpr bool is_coded = true;
  static constexpr int columns = 128, groups = GROUP >= 128 ? 1 : 128 / GROUP, scale_bytes = 40 * groups;
  static __device__ constexpr int strip_bytes(int tiles) { return tiles * kTileBytes + (tiles * scale_bytes + 127) / 128 * 128; }
  static __device__ u32 element_pair(const Fragment (&words)[2], int part, int fragment, int reg, u32 minus_zero) {
    return nibbles<T>(words[part / 2].at[part % 2 * 2 + fragment], reg, minus_zero);
  }
  // What rows `row` and `row` + 8 have for all groups of a tile whose scales are at `scales`.
  struct Scales {
    Vector<u32, groups> pairs;
    u32 zeros;
    __device__ Scales(const char* scales, int row) : pairs(reinterpret_cast<const Vector<u32, groups>*>(scales)[row]) {
      const char* at = scales + 32 * groups + row * groups;
      if constexpr (groups == 4)
        zeros = *reinterpret_cast<const u32*>(at);
      else if constexpr (groups == 2)
        zeros = *reinterpret_cast<const u16*>(at);
      else
        zeros = static_cast<unsigned char>(*at);
    }
    __device__ float scale(int group, int half) const { return to_float(f16{static_cast<u16>(pairs.at[group] >> 16 * half)}); }
    __device__ void minus_zeros(int group, u32 (&to)[2]) const {
      const u32 two = __byte_perm(zeros, 0, 0x4040 + group * 0x101);  // the group's byte in both elements
      constexpr u32 place = kNibblePlace<T>, magic = kNibbleMagic<T> | both(0x8000);
      to[0] = masked(two << place, both(15u << place), magic);
      to[1] = masked(two >> (4 - place), both(15u << place), magic);
    }
  };
  // Scale of row `row` in group `group` of a tile whose scales are at `scales`.
  static __device__ float scale(const char* scales, int row, int group) {
    return to_float(f16{reinterpret_cast<const u16*>(scales)[(row % 8 * groups + group) * 2 + row / 8]});
  }
  static __device__ u32 zero(const char* scales, int row, int group) {
    return static_cast<unsigned char>(scales[32 * groups + row % 8 * groups + group]) >> row / 8 * 4 & 15;
  }
  static __device__ float value(const char* strip, int tiles, u32 row, u32 column) {
    const u32 element = fragment_element(row, column), tile = column / 128, group = column % 128 * groups / 128;
    const u32 word = reinterpret_cast<const u32*>(strip + tile * kTileBytes + column / 64 % 2 * 512 +
                                                  fragment_lane(row, column) * 16)[column / 32 % 2 * 2 + element / 8];
    const char* scales = strip + tiles * kTileBytes + tile * scale_bytes;
    const int code = word >> (element % 8 / 2 * 4 + element % 2 * 16) & 15;
    return scale(scales, row, group) * static_cast<float>(code - static_cast<int>(zero(scales, row, group)));
  }
};

// Columns of a row of COLUMNS in tiles, as the floats that they stand for; `strip` is where its 16 rows begin.
template <class W, int COLUMNS>
struct TiledRow {
  const char* strip;
  int row;
  __device__ float operator[](int column) const {
    return Form<W>::value(strip, (COLUMNS + Form<W>::columns - 1) / Form<W>::columns, row, column);
  }
};
template <class W, int COLUMNS, class A>
__device__ inline TiledRow<W, COLUMNS> tiled_row(const A& a, int operand, int row) {
  constexpr int tiles = (COLUMNS + Form<W>::columns - 1) / Form<W>::columns;
  return {input<char>(a, operand) + static_cast<long long>(row / 16) * Form<W>::strip_bytes(tiles), row % 16};
}

// The scale of row `row` of a matrix of bytes with K columns.
template <class W, int K, class A>
__device__ inline float row_scale(const A& a, int operand, int row) {
  constexpr int tiles = (K + Form<W>::columns - 1) / Form<W>::columns;
  return Form<W>::scale(tiled_row<W, K>(a, operand, row).strip, tiles, row % 16);
}

}  // namespace stoop::gpu

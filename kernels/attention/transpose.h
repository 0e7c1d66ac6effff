// Transposes a 16 x 16 block of floats held in 16 vectors: four butterfly steps of pairwise
// shuffles.
#ifndef STOOP_KERNELS_ATTENTION_TRANSPOSE_H
#define STOOP_KERNELS_ATTENTION_TRANSPOSE_H

#include "kernels/common/types.h"

namespace stoop::kernels {

// Exchanges the off-diagonal Width x Width blocks of every 2 Width x 2 Width block.
template <int Width>
STOOP_INLINE void exchange_blocks(f32x16 (&t)[16]) {
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; ++i) {
    if (i & Width) continue;
    const f32x16 a = t[i], b = t[i + Width];
    if constexpr (Width == 8) {
      t[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
      t[i + Width] = __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28,
                                             29, 30, 31);
    } else if constexpr (Width == 4) {
      t[i] =
          __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
      t[i + Width] =
          __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
    } else if constexpr (Width == 2) {
      t[i] =
          __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
      t[i + Width] =
          __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    } else {
      t[i] =
          __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
      t[i + Width] =
          __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
    }
  }
}

STOOP_INLINE void transpose16(f32x16 (&t)[16]) {
  exchange_blocks<8>(t);
  exchange_blocks<4>(t);
  exchange_blocks<2>(t);
  exchange_blocks<1>(t);
}

}  // namespace stoop::kernels

#endif

// The epilogue hook: elementwise work that the compiler lowers from a fused region's IR into the
// kernel.
//
// stoop_hook_16 transforms 16 consecutive columns of one row in place, stoop_hook_1 one (the
// columns behind the last whole panel). On entry v holds the anchor's float32 result before
// rounding; on return the values to store. The generated definitions are inlined into the kernel,
// so v never reaches memory. stoop_math_* and the typed loads below are what generated hooks call.
#ifndef STOOP_KERNELS_COMMON_HOOK_H
#define STOOP_KERNELS_COMMON_HOOK_H

#include "kernels/common/math.h"
#include "kernels/common/types.h"

extern "C" {
void stoop_hook_16(float *v, int64_t row, int64_t column, void *const *buffers);
void stoop_hook_1(float *v, int64_t row, int64_t column, void *const *buffers);
}

namespace stoop::kernels {

// Runs the hook on the 16 sums of columns [column, column + 16) and stores those below `columns`.
template <class Y>
STOOP_INLINE void finish(f32x16 sums, typename Y::T *y_row, i64 row, i64 column, i64 columns,
                         void *const *buffers) {
  alignas(64) float v[kLanes];
  store_vector(v, sums);
  // The first test folds at compile time, and the tail with it.
  if (columns % kLanes == 0 || column + kLanes <= columns) {
    stoop_hook_16(v, row, column, buffers);
    Y::store16(y_row + column, load_vector<f32x16>(v));
    return;
  }
  for (i64 i = 0; column + i < columns; ++i) {
    stoop_hook_1(v + i, row, column + i, buffers);
    Y::store1(y_row + column + i, v[i]);
  }
}

}  // namespace stoop::kernels

#endif

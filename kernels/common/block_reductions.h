// Reductions of the columns of one call of the hook, a block: stoop_<reduction>(result, values, valid).
//
// `result` has the block's numbers, side by side; `values` 16 columns, of which `valid` exist. A
// block's columns are combined in a fixed order, so that results do not depend on threads.
#ifndef STOOP_KERNELS_COMMON_BLOCK_REDUCTIONS_H
#define STOOP_KERNELS_COMMON_BLOCK_REDUCTIONS_H

#include "kernels/common/math.h"
#include "kernels/common/types.h"

namespace stoop::kernels {

// The larger lanes; NaN where either is.
template <class V>
STOOP_INLINE V larger_or_nan(V a, V b) {
  return ((a > b) | (a != a)) ? a : b;
}

// A block in which `rest` stands for the columns that do not exist.
STOOP_INLINE f32x16 load_block(const float *values, i64 valid, float rest) {
  const f32x16 v = load_vector<f32x16>(values);
  if (valid >= kLanes) return v;
  const i32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return select16(lane < (int32_t)valid, v, splat(rest));
}

}  // namespace stoop::kernels

// lm.block_max: the largest, NaN if one is.
extern "C" void stoop_block_max(float *result, const float *values, int64_t valid) {
  using namespace stoop::kernels;
  const f32x16 all = load_block(values, valid, -__builtin_inff());
  const auto eight = larger_or_nan(all.lo, all.hi);
  const auto four = larger_or_nan(eight.lo, eight.hi);
  const auto two = larger_or_nan(four.lo, four.hi);
  result[0] = two.x > two.y || two.x != two.x ? two.x : two.y;
}

#endif

// The bias that ALiBi adds to a score, in both roundings that models were trained with.
#pragma once
#include "kernels/common/device.cuh"

namespace stoop::gpu {

enum class Alibi { none, bf16_rounded, exact };

// Bias of a key position for a head of this slope, before the scale.
template <class C>
__device__ inline float alibi_bias(float slope, int position) {
  const float at = static_cast<float>(position);
  if constexpr (C::alibi == Alibi::none) return 0;
  else if constexpr (C::alibi == Alibi::exact) return slope * at;
  else return round_to<bf16>(round_to<bf16>(slope) * round_to<bf16>(at));
}
template <class C>
__device__ inline float alibi_slope(const float* slopes, int head) {
  if constexpr (C::alibi == Alibi::none) return 0;
  else return slopes[head];
}

}  // namespace stoop::gpu

// Launches that follow one another (before sm_90). Included as kernels/common/dependency.cuh.
#pragma once

namespace stoop::gpu {

constexpr bool kLaunchesOverlap = false;

__device__ inline void wait_for_earlier() {}
__device__ inline void let_next_start() {}

}  // namespace stoop::gpu

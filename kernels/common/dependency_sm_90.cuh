// Launches that overlap (sm_90 and newer): a kernel starts while the one in front of it still runs. Included as
// kernels/common/dependency.cuh.
#pragma once

namespace stoop::gpu {

constexpr bool kLaunchesOverlap = true;

// What earlier launches wrote may be read, and what they read may be written, behind this alone. Every thread of every
// kernel calls it, on all paths: the next launch knows of nothing but this one's end.
__device__ inline void wait_for_earlier() { asm volatile("griddepcontrol.wait;" ::: "memory"); }
// The next launch may start once all blocks have called this or ended. It publishes nothing. Never before
// wait_for_earlier(): so whoever starts behind a launch knows all in front of that launch to have ended.
__device__ inline void let_next_start() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

}  // namespace stoop::gpu

// Pairs of kernels: good_X is right, bad_X has one bug that its name tells.
#include "common.cuh"
#define KERNEL extern "C" __global__ void

KERNEL good_bounds(const float *x, float *y, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) y[i] = x[i]; }
KERNEL bad_bounds(const float *x, float *y, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; y[i < n ? i : 0] = x[i]; }
KERNEL good_barrier(const float *x, float *y) { __shared__ float s[128]; int t = threadIdx.x; s[t] = x[t]; __syncthreads(); y[t] = s[127 - t]; }
KERNEL bad_barrier(const float *x, float *y) { __shared__ float s[128]; int t = threadIdx.x; s[t] = x[t]; y[t] = s[127 - t]; }
KERNEL good_reuse(const float *x, float *y) { __shared__ float s[128]; int t = threadIdx.x; for (int i = 0; i < 2; i++) { s[t] = x[t] + i; __syncthreads(); y[i * 128 + t] = s[127 - t]; __syncthreads(); } }
KERNEL bad_reuse(const float *x, float *y) { __shared__ float s[128]; int t = threadIdx.x;
#pragma unroll 1
  for (int i = 0; i < 2; i++) { s[t] = x[t] + i; __syncthreads(); y[i * 128 + t] = s[127 - t]; } }
KERNEL good_warp(const float *x, float *y) { __shared__ volatile float s[32]; int t = threadIdx.x; s[t] = x[t]; __syncwarp(); y[t] = s[31 - t]; }
KERNEL bad_warp(const float *x, float *y) { __shared__ volatile float s[32]; int t = threadIdx.x; s[t] = x[t]; y[t] = s[31 - t]; }
KERNEL good_init(float *y) { __shared__ float s[64]; int t = threadIdx.x; s[t] = t; __syncthreads(); y[t] = s[63 - t]; }
KERNEL bad_init(float *y) { __shared__ float s[64]; int t = threadIdx.x; if (t < 32) s[t] = t; __syncthreads(); y[t] = s[63 - t]; }
KERNEL good_align(const float *x, float *y) { int t = threadIdx.x; float4 v = *(const float4 *)(x + 4 * t); y[t] = v.x + v.y + v.z + v.w; }
KERNEL bad_align(const float *x, float *y) { int t = threadIdx.x; float4 v = *(const float4 *)(x + 1 + 4 * t); y[t] = v.x + v.y + v.z + v.w; }
KERNEL good_copy(const float *x, float *y) { __shared__ __align__(16) float s[128]; int t = threadIdx.x; cp_async16(s + t * 4, x + t * 4); cp_commit(); cp_wait<0>(); y[t] = s[t * 4]; }
KERNEL bad_copy(const float *x, float *y) { __shared__ __align__(16) float s[128]; int t = threadIdx.x; cp_async16(s + t * 4, x + t * 4); cp_commit(); y[t] = s[t * 4]; cp_wait<0>(); }
KERNEL good_copy_shared(const float *x, float *y) { __shared__ __align__(16) float s[512]; int t = threadIdx.x; cp_async16(s + t * 4, x + t * 4); cp_commit(); cp_wait<0>(); __syncthreads(); y[t] = s[511 - t * 4]; }
KERNEL bad_copy_shared(const float *x, float *y) { __shared__ __align__(16) float s[512]; int t = threadIdx.x; cp_async16(s + t * 4, x + t * 4); cp_commit(); __syncthreads(); cp_wait<0>(); y[t] = s[511 - t * 4]; }
KERNEL good_divergent(float *y) { int t = threadIdx.x; if (t < 32) y[t] = 0; __syncthreads(); y[t] = t; }
KERNEL bad_divergent(float *y) { int t = threadIdx.x; if (t < 16) { y[t] = 1; __syncthreads(); y[t] = 2; } else y[t] = t; }
KERNEL good_shuffle(float *y) { int t = threadIdx.x; float v = __shfl_down_sync(0xffffffffu, (float)t, 1); if (t < 16) y[t] = v; }
KERNEL bad_shuffle(float *y) { int t = threadIdx.x; if (t < 16) { float v = __shfl_down_sync(0xffffu, (float)t, 1); y[t] = v + __shfl_sync(0xffffu, v, 20); } }
KERNEL good_blocks(u32 *sum, const u32 *x) { atomicAdd(sum, x[blockIdx.x * blockDim.x + threadIdx.x]); }
KERNEL bad_blocks(u32 *sum, const u32 *x) { *sum += x[blockIdx.x * blockDim.x + threadIdx.x]; }
KERNEL good_message(u32 *flag, u32 *data, u32 *y) { if (threadIdx.x) return; if (blockIdx.x == 0) { *data = 7; __threadfence(); atomicExch(flag, 1u); } else { while (atomicAdd(flag, 0u) == 0) {} __threadfence(); *y = *(volatile u32 *)data; } }
KERNEL bad_release(u32 *flag, u32 *data, u32 *y) { if (threadIdx.x) return; if (blockIdx.x == 0) { *data = 7; atomicExch(flag, 1u); } else { while (atomicAdd(flag, 0u) == 0) {} __threadfence(); *y = *(volatile u32 *)data; } }
KERNEL bad_acquire(u32 *flag, u32 *data, u32 *y) { if (threadIdx.x) return; if (blockIdx.x == 0) { *data = 7; __threadfence(); atomicExch(flag, 1u); } else { while (atomicAdd(flag, 0u) == 0) {} *y = *(volatile u32 *)data; } }
KERNEL produce(float *x, float a) { asm volatile("griddepcontrol.launch_dependents;"); int i = blockIdx.x * blockDim.x + threadIdx.x; x[i] = a * i; }
KERNEL good_dependent(const float *x, float *y) { int i = blockIdx.x * blockDim.x + threadIdx.x; asm volatile("griddepcontrol.wait;" ::: "memory"); y[i] = x[i] + 1.f; }
KERNEL bad_dependent(const float *x, float *y) { int i = blockIdx.x * blockDim.x + threadIdx.x; float v = *(volatile const float *)(x + i); asm volatile("griddepcontrol.wait;" ::: "memory"); y[i] = v + 1.f; }
KERNEL in_slice(const float *x, float *y, int n) { int i = threadIdx.x; if (i < n) y[i] = x[i]; }
KERNEL bad_deadlock(int *y) { if (threadIdx.x >= 32) { while (atomicAdd(y, 0) == 0) {} } __syncthreads(); y[1] = 1; }

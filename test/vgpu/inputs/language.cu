// Language features as the compiler lowers them: calls, local arrays, printf, assert, constants, big parameters, switch.
#include "common.cuh"
#include <cassert>
#include <cstdio>
struct Big { int v[2000]; };
__constant__ float table[4] = {1.f, 2.f, 4.f, 8.f};
__device__ int counter = 5;

extern "C" __global__ void big_params(const __grid_constant__ Big b, int *y) { y[threadIdx.x] = b.v[threadIdx.x * 3]; }
extern "C" __global__ void local_array(int *y, int k) {
  int a[32];
  for (int i = 0; i < 32; i++)
    a[i] = i * k;
  for (int i = 0; i < 32; i++)
    a[(i * k) & 31] += a[i];
  y[threadIdx.x] = a[(threadIdx.x + k) & 31];
}
extern "C" __global__ void say(int *y) {
  if (y[0] == 3)
    printf("hello %d %.3f\n", y[1], (double)y[2]);
  assert(y[3] > 0);
  if (y[4] == 9)
    __trap();
  y[5] = 77;
}
__device__ __noinline__ float callee(float x, const float *p) { return x * sinf(x) + p[threadIdx.x & 3]; }
extern "C" __global__ void calls(float *y, int select) {
  __shared__ float s[32];
  s[threadIdx.x] = y[threadIdx.x];
  __syncthreads();
  const float *p = select ? s : y;
  float v = callee(s[threadIdx.x], p) + table[threadIdx.x & 3];
  __syncthreads();
  y[threadIdx.x] = v;
}
extern "C" __global__ void symbols(int *y) { y[threadIdx.x] = atomicAdd(&counter, 1); }
extern "C" __global__ void votes(const u32 *x, u32 *y) {
  int t = threadIdx.x;
  u32 v = x[t];
  y[t] = __ballot_sync(~0u, v & 1);
  y[32 + t] = __any_sync(~0u, v == 1) + 2 * __all_sync(~0u, v < 100);
  y[64 + t] = __reduce_add_sync(~0u, v);
  y[96 + t] = __match_any_sync(~0u, v & 3);
  y[128 + t] = __syncthreads_count(v & 1);
}
extern "C" __global__ void divergent(const int *x, int *y) {
  int t = threadIdx.x, n = x[t], s = 0;
  for (int i = 0; i < n; i++)
    s += i & 1 ? i * 3 : -i;
  switch (n & 3) {
  case 0: s += 100; break;
  case 1: s ^= 0x55; break;
  case 2: s = -s; break;
  }
  y[t] = s;
}

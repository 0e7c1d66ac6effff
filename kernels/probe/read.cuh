// How fast this GPU reads its memory: 16 bytes at a time, four requests of a thread in flight, each byte once. Decoding
// cannot be faster than this; `bench` compares with it.
#pragma once
#include "kernels/common/device.cuh"

namespace stoop::gpu {

// Reads `count` vectors with the whole grid. One sum of bits in 2^32 writes `sink`: a load whose value went nowhere
// would be taken out.
__device__ inline void read_all(const uint4* data, unsigned long long count, u32* sink) {
  constexpr int kInFlight = 4;
  const unsigned long long stride = static_cast<unsigned long long>(gridDim.x) * blockDim.x;
  u32 mixed = 0;
  for (unsigned long long at = static_cast<unsigned long long>(blockIdx.x) * blockDim.x + threadIdx.x; at < count;
       at += kInFlight * stride) {
    uint4 read[kInFlight];
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) read[i] = data[min(at + i * stride, count - 1)];  // the last one again, from L2
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) mixed ^= read[i].x ^ read[i].y ^ read[i].z ^ read[i].w;
  }
  if (mixed == 0x9e3779b9u) *sink = mixed;
}

}  // namespace stoop::gpu

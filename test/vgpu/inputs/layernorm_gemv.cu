// y[n] = gelu(dot(layernorm(x), W[n, :])): LayerNorm prologue, weights through a cp.async ring, one warp a row.
#include "common.cuh"
constexpr int Threads = 128, Warps = Threads / 32, Stages = 3;

extern "C" __global__ __launch_bounds__(Threads) void layernorm_gemv(const bf16 *x, const bf16 *gamma, const bf16 *beta, const bf16 *w,
                                                                     bf16 *y, int K, int N, float eps) {
  extern __shared__ __align__(16) unsigned char dynamic[];
  float *xs = (float *)dynamic;
  uint4 *ring = (uint4 *)(dynamic + K * 4);
  __shared__ float sums[2][Warps];
  const int t = threadIdx.x, lane = t & 31, warp = t >> 5;
  float s = 0, q = 0;
  for (int i = t; i < K; i += Threads) {
    float v = __bfloat162float(x[i]);
    xs[i] = v;
    s += v;
    q += v * v;
  }
  s = warp_sum(s);
  q = warp_sum(q);
  if (lane == 0) {
    sums[0][warp] = s;
    sums[1][warp] = q;
  }
  __syncthreads();
  s = q = 0;
#pragma unroll
  for (int i = 0; i < Warps; i++) {
    s += sums[0][i];
    q += sums[1][i];
  }
  const float mean = s / K, rstd = rsqrtf(q / K - mean * mean + eps);
  for (int i = t; i < K; i += Threads)
    xs[i] = (xs[i] - mean) * rstd * __bfloat162float(gamma[i]) + __bfloat162float(beta[i]);
  __syncthreads();
  uint4 *mine = ring + warp * Stages * 32;
  const int chunks = (K + 255) / 256;
  for (int n = blockIdx.x * Warps + warp; n < N; n += gridDim.x * Warps) {
    const bf16 *row = w + (long)n * K;
    float acc = 0;
    for (int c = 0; c < Stages - 1; c++) {
      int k = c * 256 + lane * 8;
      if (k < K)
        cp_async16(mine + c * 32 + lane, row + k);
      cp_commit();
    }
    for (int c = 0; c < chunks; c++) {
      int next = c + Stages - 1, k = next * 256 + lane * 8;
      if (k < K)
        cp_async16(mine + next % Stages * 32 + lane, row + k);
      cp_commit();
      cp_wait<Stages - 1>();
      k = c * 256 + lane * 8;
      if (k < K) {
        const bf16 *v = (const bf16 *)(mine + c % Stages * 32 + lane);
#pragma unroll
        for (int j = 0; j < 8; j++)
          acc += __bfloat162float(v[j]) * xs[k + j];
      }
    }
    cp_wait<0>();
    acc = warp_sum(acc);
    if (lane == 0)
      y[n] = __float2bfloat16(0.5f * acc * (1.f + erff(acc * 0.70710678f)));
  }
}

// C[M,N] = A[M,K] * B[N,K]^T + bias, bf16 in and out, f32 accumulate: 64x64x32 tiles, cp.async double buffer, ldmatrix, mma.
#include "common.cuh"
constexpr int S = 40; // elements a row in shared memory, padded

__device__ __forceinline__ void ldmatrix4(u32 *r, const void *p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(p)));
}
__device__ __forceinline__ void mma(float *c, const u32 *a, const u32 *b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

extern "C" __global__ __launch_bounds__(128) void gemm_mma(const bf16 *a, const bf16 *b, const bf16 *bias, bf16 *c, int M, int N, int K) {
  __shared__ __align__(16) bf16 sa[2][64 * S], sb[2][64 * S];
  const int t = threadIdx.x, lane = t & 31, warp = t >> 5, wm = (warp & 1) * 32, wn = (warp >> 1) * 32;
  const int m0 = blockIdx.y * 64, n0 = blockIdx.x * 64;
  float acc[2][4][4] = {};
  auto load = [&](int stage, int k0) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      int e = t + i * 128, r = e >> 2, kk = (e & 3) * 8;
      cp_async16(&sa[stage][r * S + kk], a + (long)(m0 + r) * K + k0 + kk);
      cp_async16(&sb[stage][r * S + kk], b + (long)(n0 + r) * K + k0 + kk);
    }
    cp_commit();
  };
  load(0, 0);
  const int tiles = K / 32;
  for (int k = 0; k < tiles; k++) {
    if (k + 1 < tiles)
      load((k + 1) & 1, (k + 1) * 32);
    else
      cp_commit();
    cp_wait<1>();
    __syncthreads();
#pragma unroll
    for (int ks = 0; ks < 32; ks += 16) {
      u32 af[2][4], bf[2][4];
#pragma unroll
      for (int i = 0; i < 2; i++)
        ldmatrix4(af[i], &sa[k & 1][(wm + i * 16 + (lane & 15)) * S + ks + (lane >> 4) * 8]);
#pragma unroll
      for (int j = 0; j < 2; j++)
        ldmatrix4(bf[j], &sb[k & 1][(wn + j * 16 + (lane & 7) + ((lane >> 4) << 3)) * S + ks + ((lane >> 3) & 1) * 8]);
#pragma unroll
      for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
          mma(acc[i][j], af[i], &bf[j >> 1][(j & 1) * 2]);
    }
    __syncthreads();
  }
  const int g = lane >> 2, q = (lane & 3) * 2;
#pragma unroll
  for (int i = 0; i < 2; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) {
      int r = m0 + wm + i * 16 + g, col = n0 + wn + j * 8 + q;
      float bx = __bfloat162float(bias[col]), by = __bfloat162float(bias[col + 1]);
      if (r < M)
        *(__nv_bfloat162 *)(c + (long)r * N + col) = __floats2bfloat162_rn(acc[i][j][0] + bx, acc[i][j][1] + by);
      if (r + 8 < M)
        *(__nv_bfloat162 *)(c + (long)(r + 8) * N + col) = __floats2bfloat162_rn(acc[i][j][2] + bx, acc[i][j][3] + by);
    }
}

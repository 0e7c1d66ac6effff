// Split-KV decode attention of one query token: each block a slice of the cache, the last block of a head merges.
// grid (splits, heads), block 128. q [H][64], k and v [T][HKV][64], out [H][64]; ticket [H] is zero before and after.
#include "common.cuh"
constexpr int D = 64;

extern "C" __global__ __launch_bounds__(128) void attention_decode(const bf16 *q, const bf16 *k, const bf16 *v, bf16 *out,
                                                                   float *part_o, float2 *part_ml, u32 *ticket, const int *pos,
                                                                   int heads, int kv_heads, float scale_log2, int chunk) {
  const int split = blockIdx.x, h = blockIdx.y, hk = h / (heads / kv_heads), t = threadIdx.x, lane = t & 31, warp = t >> 5;
  const int T = *pos + 1, t0 = split * chunk, t1 = min(t0 + chunk, T);
  __shared__ float so[4][D];
  __shared__ float2 sml[4];
  __shared__ bool last;
  float q0 = __bfloat162float(q[h * D + lane]) * scale_log2, q1 = __bfloat162float(q[h * D + 32 + lane]) * scale_log2;
  float m = -1e30f, l = 0, o0 = 0, o1 = 0;
  for (int token = t0 + warp; token < t1; token += 4) {
    const bf16 *kr = k + ((long)token * kv_heads + hk) * D, *vr = v + ((long)token * kv_heads + hk) * D;
    float sc = warp_sum(q0 * __bfloat162float(kr[lane]) + q1 * __bfloat162float(kr[32 + lane]));
    float mn = fmaxf(m, sc), a = ex2(m - mn), e = ex2(sc - mn);
    l = l * a + e;
    o0 = o0 * a + e * __bfloat162float(vr[lane]);
    o1 = o1 * a + e * __bfloat162float(vr[32 + lane]);
    m = mn;
  }
  so[warp][lane] = o0;
  so[warp][32 + lane] = o1;
  if (lane == 0)
    sml[warp] = make_float2(m, l);
  __syncthreads();
  if (t < D) {
    float mm = -1e30f, ll = 0, oo = 0;
    for (int i = 0; i < 4; i++)
      mm = fmaxf(mm, sml[i].x);
    for (int i = 0; i < 4; i++) {
      float a = ex2(sml[i].x - mm);
      ll += sml[i].y * a;
      oo += so[i][t] * a;
    }
    part_o[((long)h * gridDim.x + split) * D + t] = oo;
    if (t == 0)
      part_ml[h * gridDim.x + split] = make_float2(mm, ll);
  }
  __syncthreads();
  if (t == 0) {
    __threadfence();
    last = atomicAdd(ticket + h, 1u) == gridDim.x - 1;
    __threadfence();
  }
  __syncthreads();
  if (!last)
    return;
  if (t < D) {
    float mm = -1e30f, ll = 0, oo = 0;
    for (int i = 0; i < gridDim.x; i++)
      mm = fmaxf(mm, __ldcg(&part_ml[h * gridDim.x + i]).x);
    for (int i = 0; i < gridDim.x; i++) {
      float2 ml = __ldcg(&part_ml[h * gridDim.x + i]);
      float a = ex2(ml.x - mm);
      ll += ml.y * a;
      oo += __ldcg(&part_o[((long)h * gridDim.x + i) * D + t]) * a;
    }
    out[h * D + t] = __float2bfloat16(oo / ll);
  }
  if (t == 0)
    ticket[h] = 0;
}

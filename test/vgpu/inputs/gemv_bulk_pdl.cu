// sm_90a: y = W x. Weights in m16n8k16 A-fragment order come by bulk copies into a ring of mbarriers, started before
// griddepcontrol.wait; x is read after it. Warp 0 produces, warps 1-4 consume; 16 rows a block.
#include "common.cuh"
constexpr int Stages = 4;

__device__ __forceinline__ void init(u64 *b, u32 n) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(b)), "r"(n) : "memory"); }
__device__ __forceinline__ void expect(u64 *b, u32 n) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(b)), "r"(n) : "memory");
}
__device__ __forceinline__ void arrive(u64 *b) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(b)) : "memory"); }
__device__ __forceinline__ void wait(u64 *b, u32 phase) {
  asm volatile("{\n .reg .pred P1;\n WAIT: mbarrier.try_wait.parity.shared::cta.b64 P1, [%0], %1;\n @P1 bra DONE;\n bra WAIT;\n DONE:\n}" ::"r"(
                   shared_address(b)),
               "r"(phase)
               : "memory");
}
__device__ __forceinline__ void bulk(void *s, const void *g, u32 n, u64 *b, u64 policy) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], %4;" ::"r"(
                   shared_address(s)),
               "l"(g), "r"(n), "r"(shared_address(b)), "l"(policy)
               : "memory");
}

extern "C" __global__ __launch_bounds__(160) void gemv_bulk_pdl(const uint4 *w, const bf16 *x, float *y, int K, int tiles_per_stage) {
  extern __shared__ __align__(128) unsigned char ring[];
  __shared__ u64 full[Stages], empty[Stages];
  __shared__ float partial[4][16];
  const int t = threadIdx.x, lane = t & 31, warp = t >> 5, tiles = K / 16, steps = (tiles + tiles_per_stage - 1) / tiles_per_stage;
  const u32 stage_bytes = tiles_per_stage * 512;
  if (t == 0) {
    for (int i = 0; i < Stages; i++) {
      init(full + i, 1);
      init(empty + i, 4);
    }
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
  }
  __syncthreads();
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  if (warp == 0) {
    if (lane == 0) {
      u64 policy;
      asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
      for (int s = 0; s < steps; s++) {
        int st = s % Stages, n = min(tiles_per_stage, tiles - s * tiles_per_stage);
        if (s >= Stages)
          wait(empty + st, ((s / Stages) - 1) & 1);
        expect(full + st, n * 512);
        bulk(ring + st * stage_bytes, w + ((long)blockIdx.x * tiles + (long)s * tiles_per_stage) * 32, n * 512, full + st, policy);
      }
    }
    return;
  }
  asm volatile("griddepcontrol.wait;" ::: "memory");
  float c[4] = {};
  const int me = warp - 1, g = lane >> 2, q = (lane & 3) * 2;
  for (int s = 0; s < steps; s++) {
    int st = s % Stages, n = min(tiles_per_stage, tiles - s * tiles_per_stage);
    wait(full + st, (s / Stages) & 1);
    for (int i = me; i < n; i += 4) {
      uint4 a = *(const uint4 *)(ring + st * stage_bytes + i * 512 + lane * 16);
      int k = (s * tiles_per_stage + i) * 16;
      u32 b0 = 0, b1 = 0;
      if (g == 0) {
        b0 = *(volatile const u32 *)(x + k + q);
        b1 = *(volatile const u32 *)(x + k + 8 + q);
      }
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                   : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                   : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
    }
    __syncwarp();
    if (lane == 0)
      arrive(empty + st);
  }
  if ((lane & 3) == 0) {
    partial[me][g] = c[0];
    partial[me][g + 8] = c[2];
  }
  asm volatile("bar.sync 1, 128;" ::: "memory");
  if (t - 32 < 16) {
    int r = t - 32;
    y[blockIdx.x * 16 + r] = partial[0][r] + partial[1][r] + partial[2][r] + partial[3][r];
  }
}

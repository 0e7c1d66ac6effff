// The next token on the device: the largest logit, the lowest id among equals, and the state of a generation.
// One block: logits of all ids once, from L2; bound: latency.
#pragma once
#include "kernels/common/device.cuh"

namespace stoop::gpu {

// stoop_gpu_state of abi.h: what one generation keeps on the device.
struct State {
  u32 next_token, position, slot, count;
  u32 ring[64];  // token n of the generation at n % 64; 0xffffffff: no logit was a number
};

// Puts the state's token, position and slot where the decode entry reads them, as the only valid row.
__device__ inline void begin_step(const State& state, int* tokens, int* positions, int* slots, int rows, Step* step) {
  for (int row = threadIdx.x; row < rows; row += blockDim.x) {
    tokens[row] = row == 0 ? static_cast<int>(state.next_token) : 0;
    positions[row] = row == 0 ? static_cast<int>(state.position) : 0;
    slots[row] = row == 0 ? static_cast<int>(state.slot) : -1;
  }
  if (threadIdx.x == 0) step->num_rows = 1;
}

struct Best {
  float logit;
  u32 id;  // 0xffffffff: none yet
};
__device__ inline bool is_better(Best a, Best b) {
  if (a.id == 0xffffffffu || b.id == 0xffffffffu) return a.id != 0xffffffffu;
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// Chooses greedily among ids below `num_ids` and notes the choice.
template <int THREADS>
__device__ inline void choose_largest(const float* logits, u32 num_ids, State& state) {
  __shared__ Best best[THREADS];
  Best mine = {0, 0xffffffffu};
  for (u32 id = threadIdx.x; id < num_ids; id += THREADS) {
    const Best other = {logits[id], id};
    if (other.logit == other.logit && is_better(other, mine)) mine = other;
  }
  best[threadIdx.x] = mine;
  for (int half = THREADS / 2; half; half /= 2) {
    __syncthreads();  // the best of both halves
    if (static_cast<int>(threadIdx.x) < half && is_better(best[threadIdx.x + half], best[threadIdx.x]))
      best[threadIdx.x] = best[threadIdx.x + half];
  }
  if (threadIdx.x != 0) return;
  state.ring[state.count % 64] = best[0].id;
  state.count += 1;
  state.position += 1;
  state.next_token = best[0].id == 0xffffffffu ? 0 : best[0].id;
}

}  // namespace stoop::gpu

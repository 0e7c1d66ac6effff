// Causal attention of many rows over the KV cache on tensor cores, with online softmax; scores never leave registers.
// An item is a pair of row and query head. All items of one KV head are packed one after the other, heads of a row side by
// side, so that a group of any size fills the fragments. A block takes 64 or 128 items, a warp 16 or 32 of them.
// Keys and values pass through one tile each: values arrive while scores are computed, the next keys while they are used.
// Weights of the values are rounded to the element type, sums and the softmax are float32.
// Memory traffic: keys and values once per block, through L2; bound: tensor issue.
#pragma once
#include "kernels/attention/alibi.cuh"
#include "kernels/common/mma.cuh"
#include "kernels/rope/rotate.cuh"

namespace stoop::gpu {

constexpr float kLog2E = 1.4426950408889634f;

// FRAGMENTS: fragments of 16 items a warp; KEYS: keys of a tile. Rows in shared memory are an odd multiple of 16 bytes
// apart, so that ldmatrix meets no bank twice.
template <class C>
struct MmaAttention {
  static constexpr int threads = 128, fragments = C::row_fragments, keys = C::key_tile;
  static constexpr int group = C::heads / C::kv_heads;
  static constexpr int warp_items = 16 * fragments, items = threads / 32 * warp_items;
  static constexpr int columns = (C::head_dim + 15) / 16 * 16, pitch = columns + 8;
  static constexpr int query_vector = C::query_stride == C::heads * C::head_dim ? 8 : 1;
  static constexpr int result_vector = C::result_stride == C::heads * C::head_dim ? 8 : 1;
  static_assert(C::head_dim % 8 == 0 && keys % 16 == 0);
};

template <class C>
constexpr int attention_mma_shared_bytes() {
  using Shape = MmaAttention<C>;
  return 2 * Shape::pitch * (Shape::items + 2 * Shape::keys);
}

// What a warp keeps of its items. Of a fragment, a lane holds columns 2 (lane % 4) and the next of rows lane / 4 and
// lane / 4 + 8: `half` 0 and 1.
template <class C>
struct ItemState {
  static constexpr int fragments = C::row_fragments;
  float values[fragments][C::head_dim / 8][4];
  float most[fragments][2], sum[fragments][2], slope[fragments][2];
  int last[fragments][2];      // last visible position; -1: no item
  int least_last, most_last;   // over the warp's items
};

// Over the four lanes that share a row.
__device__ inline float row_max(float v) {
  v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 1));
  return fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 2));
}
__device__ inline float row_sum(float v) {
  v += __shfl_xor_sync(0xffffffffu, v, 1);
  return v + __shfl_xor_sync(0xffffffffu, v, 2);
}

// Where one block works: items [item0, item0 + count) of a KV head, keys [0, end).
struct ItemBlock {
  int item0, count, kv_head, slot, end;
};

template <class C, class A>
__device__ inline bool locate_items(const A& a, ItemBlock& b) {
  using Shape = MmaAttention<C>;
  const int num_items = valid_rows(a, C::rows) * Shape::group;
  b.item0 = (gridDim.x - 1 - blockIdx.x) * Shape::items;  // blocks with the most keys start first
  if (b.item0 >= num_items) return false;
  b.count = min(Shape::items, num_items - b.item0);
  b.kv_head = blockIdx.y;
  const int row0 = b.item0 / Shape::group, end_row = (b.item0 + b.count - 1) / Shape::group + 1;
  b.slot = input<int>(a, C::slots_operand)[row0];
  b.end = 0;  // padding rows (negative slot) see no key and give zeros
  if (b.slot < 0) return true;
  for (int row = row0 + threadIdx.x % 32; row < end_row; row += 32)
    b.end = max(b.end, input<int>(a, C::positions_operand)[row] + 1);
  b.end = __reduce_max_sync(0xffffffffu, b.end);
  return true;
}

template <class C, class A>
__device__ inline void start_items(const A& a, const ItemBlock& b, const float* slopes, ItemState<C>& s) {
  using Shape = MmaAttention<C>;
  s.least_last = 0x7fffffff;
  s.most_last = -1;
#pragma unroll
  for (int f = 0; f < Shape::fragments; ++f)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int local = threadIdx.x / 32 * Shape::warp_items + f * 16 + half * 8 + threadIdx.x % 32 / 4;
      const int item = b.item0 + local;
      const bool is_valid = local < b.count;
      s.last[f][half] = is_valid ? input<int>(a, C::positions_operand)[item / Shape::group] : -1;
      s.slope[f][half] = alibi_slope<C>(slopes, b.kv_head * Shape::group + item % Shape::group);
      s.least_last = min(s.least_last, s.last[f][half]);
      s.most_last = max(s.most_last, s.last[f][half]);
      s.most[f][half] = minus_infinity();
      s.sum[f][half] = 0;
#pragma unroll
      for (int n = 0; n < C::head_dim / 8; ++n) s.values[f][n][2 * half] = s.values[f][n][2 * half + 1] = 0;
    }
  s.least_last = __reduce_min_sync(0xffffffffu, s.least_last);
  s.most_last = __reduce_max_sync(0xffffffffu, s.most_last);
}

// scores = queries keys^T of the warp's items and one tile.
template <class C, class T, int N>
__device__ inline void score_tile(const T* queries, const T* keys, float (&scores)[C::row_fragments][N][4]) {
  using Shape = MmaAttention<C>;
#pragma unroll
  for (int k = 0; k < Shape::columns; k += 16) {
    u32 q[Shape::fragments][4];
#pragma unroll
    for (int f = 0; f < Shape::fragments; ++f) load_rows16(q[f], queries + f * 16 * Shape::pitch + k, Shape::pitch);
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      u32 both[4];
      load_rows16(both, keys + n * 8 * Shape::pitch + k, Shape::pitch);
      const u32 first[2] = {both[0], both[2]}, second[2] = {both[1], both[3]};
#pragma unroll
      for (int f = 0; f < Shape::fragments; ++f) {
        mma<T>(scores[f][n], q[f], first);
        mma<T>(scores[f][n + 1], q[f], second);
      }
    }
  }
}

// Replaces the tile's scores by their weights relative to the largest so far, and what was summed before accordingly.
template <class C, int N>
__device__ inline void weigh_tile(ItemState<C>& s, float (&scores)[C::row_fragments][N][4], int key0) {
  const bool is_masked = key0 + N * 8 - 1 > s.least_last;
#pragma unroll
  for (int f = 0; f < C::row_fragments; ++f)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float most = s.most[f][half];
#pragma unroll
      for (int n = 0; n < N; ++n)
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int position = key0 + n * 8 + threadIdx.x % 4 * 2 + e;
          float& score = scores[f][n][2 * half + e];
          score = (score + alibi_bias<C>(s.slope[f][half], position)) * (C::scale * kLog2E);
          if (is_masked && position > s.last[f][half]) score = minus_infinity();
          most = fmaxf(most, score);
        }
      most = row_max(most);
      const float base = most == minus_infinity() ? 0.0f : most;  // nothing visible: weights of zero, not NaN
      const float keep = exp2f(s.most[f][half] - base);
      float sum = s.sum[f][half] * keep;
#pragma unroll
      for (int n = 0; n < N; ++n)
#pragma unroll
        for (int e = 0; e < 2; ++e) sum += scores[f][n][2 * half + e] = exp2f(scores[f][n][2 * half + e] - base);
      s.most[f][half] = most;
      s.sum[f][half] = sum;
#pragma unroll
      for (int n = 0; n < C::head_dim / 8; ++n) {
        s.values[f][n][2 * half] *= keep;
        s.values[f][n][2 * half + 1] *= keep;
      }
    }
}

// s.values += weights values. The sums of score_tile lie in registers as the rows of a product want them.
template <class C, class T, int N>
__device__ inline void add_tile(ItemState<C>& s, const float (&weights)[C::row_fragments][N][4], const T* values) {
  using Shape = MmaAttention<C>;
#pragma unroll
  for (int j = 0; j < N; j += 2) {
    u32 p[Shape::fragments][4];
#pragma unroll
    for (int f = 0; f < Shape::fragments; ++f)
#pragma unroll
      for (int i = 0; i < 4; ++i) p[f][i] = pack<T>(weights[f][j + i / 2][i % 2 * 2], weights[f][j + i / 2][i % 2 * 2 + 1]);
#pragma unroll
    for (int n = 0; n < C::head_dim / 8; n += 2) {
      u32 both[4];
      load_transposed16(both, values + j * 8 * Shape::pitch + n * 8, Shape::pitch);
      const u32 first[2] = {both[0], both[1]}, second[2] = {both[2], both[3]};
#pragma unroll
      for (int f = 0; f < Shape::fragments; ++f) {
        mma<T>(s.values[f][n], p[f], first);
        if (n + 1 < C::head_dim / 8) mma<T>(s.values[f][n + 1], p[f], second);
      }
    }
  }
}

// Divides by the sums and stores, through the warp's own rows of `queries`, which nobody needs any more.
template <class C, class A, class T>
__device__ inline void store_items(const A& a, const ItemBlock& b, const ItemState<C>& s, T* queries) {
  using Shape = MmaAttention<C>;
  const int lane = threadIdx.x % 32, first = threadIdx.x / 32 * Shape::warp_items;
#pragma unroll
  for (int f = 0; f < Shape::fragments; ++f)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float sum = row_sum(s.sum[f][half]), inverse = sum == 0 ? 0.0f : 1 / sum;
      T* to = queries + (f * 16 + half * 8 + lane / 4) * Shape::pitch + lane % 4 * 2;
#pragma unroll
      for (int n = 0; n < C::head_dim / 8; ++n)
        *reinterpret_cast<u32*>(to + n * 8) = pack<T>(s.values[f][n][2 * half] * inverse, s.values[f][n][2 * half + 1] * inverse);
    }
  __syncwarp();  // the warp's rows
  constexpr int vector = Shape::result_vector, chunks = C::head_dim / vector;
  using Chunk = Vector<T, vector>;
  for (int i = lane; i < Shape::warp_items * chunks; i += 32) {
    const int local = i / chunks, d = i % chunks * vector;
    if (first + local >= b.count) break;
    const int item = b.item0 + first + local, head = b.kv_head * Shape::group + item % Shape::group;
    T* to = output<T>(a, C::result_operand) + static_cast<long long>(item / Shape::group) * C::result_stride + head * C::head_dim + d;
    *reinterpret_cast<Chunk*>(to) = *reinterpret_cast<const Chunk*>(queries + local * Shape::pitch + d);
  }
}

// Shared memory: queries [items], keys [tile], values [tile], rows `pitch` elements apart. Grid: blocks of items x KV heads.
template <class C, class A>
__device__ inline void attention_mma(const A& a, const float* slopes) {
  using Shape = MmaAttention<C>;
  using T = typename C::Element;
  extern __shared__ __align__(16) char shared[];
  T* queries = reinterpret_cast<T*>(shared);
  T* keys = queries + Shape::items * Shape::pitch;
  T* values = keys + Shape::keys * Shape::pitch;
  begin_kernel();
  ItemBlock b;
  if (!locate_items<C>(a, b)) return;
  ItemState<C> state;
  start_items<C>(a, b, slopes, state);
  T* own = queries + threadIdx.x / 32 * Shape::warp_items * Shape::pitch;

  const typename C::CacheShape::Element* cached = input<typename C::CacheShape::Element>(a, C::cache_operand);
  auto load = [&](T* to, long long first, int key0) {
    const T* rows = cached + first + C::CacheShape::place(b.slot, b.kv_head, key0);
    stage_rows<Shape::threads, Shape::columns, Shape::pitch, 8>(to, Shape::keys, 0, C::head_dim, [&](int j) {
      return key0 + j < b.end ? rows + j * C::head_dim : nullptr;
    });
    commit_async();
  };
  if (b.end > 0) {
    stage_rows<Shape::threads, Shape::columns, Shape::pitch, Shape::query_vector>(queries, Shape::items, 0, C::head_dim, [&](int i) {
      const int item = b.item0 + i, head = b.kv_head * Shape::group + item % Shape::group;
      const T* row = input<T>(a, C::query_operand) + static_cast<long long>(item / Shape::group) * C::query_stride;
      return i < b.count ? row + head * C::head_dim : nullptr;
    });
    load(keys, 0, 0);
  }
  for (int key0 = 0; key0 < b.end; key0 += Shape::keys) {
    wait_async<0>();
    __syncthreads();  // keys (queries, first round) have arrived for all; the values before are used
    load(values, C::CacheShape::values, key0);
    float scores[Shape::fragments][Shape::keys / 8][4] = {};
    const bool is_visible = key0 <= state.most_last;  // to any item of the warp
    if (is_visible) {
      score_tile<C>(own, keys, scores);
      weigh_tile<C>(state, scores, key0);
    }
    wait_async<0>();
    __syncthreads();  // values have arrived for all; the keys are used
    if (key0 + Shape::keys < b.end) load(keys, 0, key0 + Shape::keys);
    if (is_visible) add_tile<C>(state, scores, values);
  }
  store_items<C>(a, b, state, own);
}

}  // namespace stoop::gpu

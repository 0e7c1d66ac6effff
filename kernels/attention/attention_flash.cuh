// Causal attention over the KV cache with online softmax, in float32; scores never reach memory. For few rows, for float32
// and for heads that tensor cores do not take.
// A block takes all query heads of one KV head together (up to ITEMS pairs of row and head), so that keys and values are
// read once for the whole group, and one split of the keys. Splits leave (max, sum, weighted values) in the scratch;
// the last block of a group to finish merges them in the order of the keys, so results do not depend on timing.
// Work: keys in tiles of 32, a lane a key for the scores, a lane a column for the values, an item a warp at a time.
// Memory traffic: keys and values once per group (and row tile); bound: memory at decode, FMA issue at prefill.
#pragma once
#include "kernels/attention/alibi.cuh"
#include "kernels/rope/rotate.cuh"

namespace stoop::gpu {

// What the launch's geometry and shapes fix. ROWS: of the entry; ROW_TILE rows share a block (1: rows are sequences of
// their own). Operands: 0 query, 1 cache, 2 positions, 3 slots, 4 result, unless the generator says otherwise.
template <class C>
struct AttentionShape {
  static constexpr int group = C::heads / C::kv_heads;
  static constexpr int heads_per_block = group < C::items ? group : C::items;
  static constexpr int head_chunks = (group + heads_per_block - 1) / heads_per_block;
  static constexpr int warps = C::threads / 32;
  static constexpr int places = C::row_tile * heads_per_block;            // items of a block
  static constexpr int items_per_warp = (places + warps - 1) / warps;
  static constexpr int columns_per_lane = (C::head_dim + 31) / 32;
  static constexpr int key_pitch = C::head_dim + 1;                       // odd: lanes read different banks
  static constexpr long long partial_floats = static_cast<long long>(places) * (C::head_dim + 2);
};

template <class C>
constexpr int attention_flash_shared_bytes() {
  using Shape = AttentionShape<C>;
  return 4 * (Shape::places * C::head_dim + 32 * Shape::key_pitch + 32 * C::head_dim);
}

// Running softmax of one item; each lane holds columns lane, lane + 32, ...
template <int N>
struct Running {
  float most, sum, values[N];
};

// Adds the 32 keys of a tile to one item. `last`: the item's last visible position, `key0`: position of the tile.
template <class C, int N>
__device__ inline void attend_tile(Running<N>& r, const float* q, const float* keys, const float* values, int key0, int num_keys,
                                   int last, float slope) {
  constexpr int pitch = AttentionShape<C>::key_pitch;
  const int lane = threadIdx.x % 32, position = key0 + lane;
  float dot = 0;
#pragma unroll 8
  for (int d = 0; d < C::head_dim; ++d) dot += q[d] * keys[lane * pitch + d];
  const bool is_visible = lane < num_keys && position <= last;
  const float score = is_visible ? (dot + alibi_bias<C>(slope, position)) * C::scale : minus_infinity();
  const float most = fmaxf(r.most, warp_max(score));
  if (most == minus_infinity()) return;  // nothing visible yet
  const float p = is_visible ? expf(score - most) : 0.0f, keep = expf(r.most - most);
  r.sum = r.sum * keep + warp_sum(p);
  r.most = most;
#pragma unroll
  for (int i = 0; i < N; ++i) r.values[i] *= keep;
  const int visible = min(num_keys, last - key0 + 1);
  for (int j = 0; j < visible; ++j) {
    const float weight = __shfl_sync(0xffffffffu, p, j);
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (lane + 32 * i < C::head_dim) r.values[i] += weight * values[j * C::head_dim + lane + 32 * i];
  }
}

// Where one block works.
struct AttentionBlock {
  int row0, head0, num_rows, num_heads;  // first row, first query head, how many of each
  int kv_head, split, num_splits, first_key, end_key;
};

template <class C, class A>
__device__ inline bool locate_block(const A& a, AttentionBlock& b) {
  using Shape = AttentionShape<C>;
  const int rows = valid_rows(a, C::rows);
  b.row0 = blockIdx.x / Shape::head_chunks * C::row_tile;
  if (b.row0 >= rows) return false;
  b.num_rows = min(C::row_tile, rows - b.row0);
  b.kv_head = blockIdx.y;
  const int first = blockIdx.x % Shape::head_chunks * Shape::heads_per_block;
  b.num_heads = min(Shape::heads_per_block, Shape::group - first);
  b.head0 = b.kv_head * Shape::group + first;
  int keys = 0;
  for (int row = 0; row < b.num_rows; ++row) keys = max(keys, input<int>(a, C::positions_operand)[b.row0 + row] + 1);
  // Few keys are not worth several blocks and their merge.
  b.num_splits = min(C::splits, (keys + C::least_split_keys - 1) / C::least_split_keys);
  b.split = blockIdx.z;
  if (b.split >= b.num_splits) return false;
  const int per_split = ((keys + b.num_splits - 1) / b.num_splits + 31) / 32 * 32;
  b.first_key = b.split * per_split;
  b.end_key = min(keys, b.first_key + per_split);
  return true;
}

// Merges the splits of this group's items in order and stores the result.
template <class C, class A>
__device__ inline void merge_splits(const A& a, const AttentionBlock& b, const float* partials, long long split_stride) {
  constexpr int floats = C::head_dim + 2;
  for (int i = threadIdx.x; i < b.num_rows * b.num_heads * C::head_dim; i += C::threads) {
    const int item = i / C::head_dim, d = i % C::head_dim;
    float most = minus_infinity();
    for (int s = 0; s < b.num_splits; ++s) most = fmaxf(most, partials[s * split_stride + item * floats]);
    float sum = 0, value = 0;
    for (int s = 0; s < b.num_splits; ++s) {
      const float* p = partials + s * split_stride + item * floats;
      const float weight = expf(p[0] - most);
      sum += p[1] * weight;
      value += p[2 + d] * weight;
    }
    store_at<typename C::Element>(a, C::result_operand, C::result_stride, b.row0 + item / b.num_heads,
                                  (b.head0 + item % b.num_heads) * C::head_dim + d, value / sum);
  }
}

// Padding rows (negative slot) give zeros.
template <class C, class A>
__device__ inline void store_zeros(const A& a, const AttentionBlock& b) {
  for (int i = threadIdx.x; i < b.num_rows * b.num_heads * C::head_dim; i += C::threads) {
    const int item = i / C::head_dim;
    store_at<typename C::Element>(a, C::result_operand, C::result_stride, b.row0 + item / b.num_heads,
                                  (b.head0 + item % b.num_heads) * C::head_dim + i % C::head_dim, 0.0f);
  }
}

// Queries of the block's items as float32 into shared memory.
template <class C, class A>
__device__ inline void load_queries(const A& a, const AttentionBlock& b, float* queries) {
  for (int i = threadIdx.x; i < b.num_rows * b.num_heads * C::head_dim; i += C::threads) {
    const int item = i / C::head_dim;
    queries[i] = tensor_at<typename C::Element>(a, C::query_operand, C::query_stride, b.row0 + item / b.num_heads,
                                                (b.head0 + item % b.num_heads) * C::head_dim + i % C::head_dim);
  }
}

// All of one split: `running` of this warp's items.
template <class C, class A, int N, int ITEMS>
__device__ inline void attend_split(const A& a, const AttentionBlock& b, int slot, float* shared, const float* slopes,
                                    Running<N> (&running)[ITEMS]) {
  using Shape = AttentionShape<C>;
  using Cached = typename C::CacheShape::Element;
  float* queries = shared;                                    // [places][head_dim]
  float* keys = queries + Shape::places * C::head_dim;        // [32][head_dim + 1]
  float* values = keys + 32 * Shape::key_pitch;               // [32][head_dim]
  const Cached* cached = input<Cached>(a, C::cache_operand) + C::CacheShape::place(slot, b.kv_head, 0);
  load_queries<C>(a, b, queries);
  for (int key0 = b.first_key; key0 < b.end_key; key0 += 32) {
    const int num_keys = min(32, b.end_key - key0);
    for (int i = threadIdx.x; i < num_keys * C::head_dim; i += C::threads) {
      const int j = i / C::head_dim, d = i % C::head_dim;
      keys[j * Shape::key_pitch + d] = to_float(cached[static_cast<long long>(key0) * C::head_dim + i]);
      values[i] = to_float(cached[C::CacheShape::values + static_cast<long long>(key0) * C::head_dim + i]);
    }
    for (int i = num_keys * C::head_dim + threadIdx.x; i < 32 * C::head_dim; i += C::threads)
      keys[i / C::head_dim * Shape::key_pitch + i % C::head_dim] = 0;  // lanes behind the end compute with zeros
    __syncthreads();  // queries (first round), keys and values
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
      const int item = threadIdx.x / 32 + i * Shape::warps;
      if (item >= b.num_rows * b.num_heads) break;
      const int last = input<int>(a, C::positions_operand)[b.row0 + item / b.num_heads];
      attend_tile<C>(running[i], queries + item * C::head_dim, keys, values, key0, num_keys, last,
                     alibi_slope<C>(slopes, b.head0 + item % b.num_heads));
    }
    __syncthreads();  // all have used the tile
  }
}

// Scratch: a ticket per group (64 bytes apart in all), then partials [group][split][item][most, sum, values].
template <class C, class A>
__device__ inline void attention_flash(const A& a, const float* slopes) {
  using Shape = AttentionShape<C>;
  extern __shared__ __align__(16) char shared[];
  begin_kernel();
  AttentionBlock b;
  if (!locate_block<C>(a, b)) return;
  const int slot = input<int>(a, C::slots_operand)[b.row0];
  if (slot < 0) {
    if (b.split == 0) store_zeros<C>(a, b);
    return;
  }
  Running<Shape::columns_per_lane> running[Shape::items_per_warp];
#pragma unroll
  for (int i = 0; i < Shape::items_per_warp; ++i) {
    running[i].most = minus_infinity();
    running[i].sum = 0;
#pragma unroll
    for (int c = 0; c < Shape::columns_per_lane; ++c) running[i].values[c] = 0;
  }
  attend_split<C>(a, b, slot, reinterpret_cast<float*>(shared), slopes, running);

  const int lane = threadIdx.x % 32;
  const int group = blockIdx.y * gridDim.x + blockIdx.x;
  u32* ticket = static_cast<u32*>(a.scratch) + group;
  constexpr long long split_stride = Shape::partial_floats;
  float* partials = reinterpret_cast<float*>(static_cast<char*>(a.scratch) + C::ticket_bytes) + group * C::splits * split_stride;
#pragma unroll
  for (int i = 0; i < Shape::items_per_warp; ++i) {
    const int item = threadIdx.x / 32 + i * Shape::warps;
    if (item >= b.num_rows * b.num_heads) break;
    float* partial = partials + b.split * split_stride + item * (C::head_dim + 2);
#pragma unroll
    for (int c = 0; c < Shape::columns_per_lane; ++c) {
      const int d = lane + 32 * c;
      if (d >= C::head_dim) continue;
      if (b.num_splits == 1)
        store_at<typename C::Element>(a, C::result_operand, C::result_stride, b.row0 + item / b.num_heads,
                                      (b.head0 + item % b.num_heads) * C::head_dim + d, running[i].values[c] / running[i].sum);
      else
        partial[2 + d] = running[i].values[c];
    }
    if (lane == 0 && b.num_splits > 1) {
      partial[0] = running[i].most;
      partial[1] = running[i].sum;
    }
  }
  if (b.num_splits == 1) return;
  __shared__ u32 arrived;
  __threadfence();   // this thread's partials before its ticket
  __syncthreads();   // all threads' partials
  if (threadIdx.x == 0) arrived = atomicAdd(ticket, 1u);
  __syncthreads();   // `arrived`
  if (arrived != static_cast<u32>(b.num_splits - 1)) return;
  __threadfence();   // the other blocks' partials
  merge_splits<C>(a, b, partials, split_stride);
  if (threadIdx.x == 0) *ticket = 0;  // for the next launch
}

}  // namespace stoop::gpu

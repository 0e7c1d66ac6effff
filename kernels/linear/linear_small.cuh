// Linears of at most 8 rows (decode): a block computes COLUMNS columns of one segment for all rows.
// Work: each warp streams whole weight rows, 16 bytes a lane where alignment allows, so every weight is read once and a
// warp's request is contiguous; the lanes' sums meet in a fixed tree. Activations come from L1 and are normalised behind
// it where the region asks for it. Memory traffic: n k weights once; bound: memory.
#pragma once
#include "kernels/linear/segment.cuh"
#include "kernels/norm/prologue.cuh"

namespace stoop::gpu {

// Sums of COUNT weight rows from `columns` for all rows, over this lane's share of k.
template <class L, class C, class A>
__device__ inline void stream_weights(const A& a, const RowStatistics* statistics, const int (&columns)[C::columns_per_warp], int rows,
                                      float (&sums)[C::columns_per_warp][C::rows]) {
  constexpr int vector = L::vector;
  const int lane = threadIdx.x % 32;
  for (int k = lane * vector; k < L::k; k += 32 * vector) {
    float w[C::columns_per_warp][vector];
#pragma unroll
    for (int c = 0; c < C::columns_per_warp; ++c) load_floats<vector>(L::weight(a, columns[c]) + k, w[c]);
#pragma unroll
    for (int row = 0; row < C::rows; ++row) {
      // Padding repeats the last row and is not stored: a branch here would keep the loads apart.
      const int valid = min(row, rows - 1);
      float x[vector];
      L::Input::template load<vector>(a, statistics + valid, valid, k, x);
#pragma unroll
      for (int c = 0; c < C::columns_per_warp; ++c)
#pragma unroll
        for (int i = 0; i < vector; ++i) sums[c][row] += w[c][i] * x[i];
    }
  }
}

// One linear of a segment: its sums into tile_sums [row][COLUMNS].
template <class L, class S, class C, class A>
__device__ inline void small_linear(const A& a, const RowStatistics* statistics, int tile, int rows, float* tile_sums) {
  using Columns = TileColumns<C::tile_columns, S::head_dim>;
  const int first = threadIdx.x / 32 * C::columns_per_warp;
  int columns[C::columns_per_warp];
#pragma unroll
  for (int c = 0; c < C::columns_per_warp; ++c)  // places behind the last column repeat it and are not stored
    columns[c] = min(Columns::column(tile, first + c), S::columns - 1);
  float sums[C::columns_per_warp][C::rows] = {};
  stream_weights<L, C>(a, statistics, columns, rows, sums);
#pragma unroll
  for (int c = 0; c < C::columns_per_warp; ++c)
#pragma unroll
    for (int row = 0; row < C::rows; ++row) {
      const float sum = warp_sum(sums[c][row]);
      if (threadIdx.x % 32 == 0) tile_sums[row * C::tile_columns + first + c] = sum;
    }
}

template <class S, class C, class A, class... L>
__device__ inline void small_segment(const A& a, const RowStatistics* statistics, int tile, int rows, float* sums, List<L...>) {
  constexpr int linear_stride = C::rows * C::tile_columns;
  int linear = 0;
  (small_linear<L, S, C>(a, statistics, tile, rows, sums + linear++ * linear_stride), ...);
  __syncthreads();  // the tile's sums
  for (int place = threadIdx.x; place < rows * C::tile_columns; place += C::threads) {
    const int row = place / C::tile_columns, j = place % C::tile_columns;
    finish_place<S, C::tile_columns>(a, row, tile, j, sums + row * C::tile_columns, linear_stride);
  }
}

// The block whose number is `block` among the tiles of S and those behind it.
template <class C, class S, class... Rest, class A>
__device__ inline void small_dispatch(const A& a, const RowStatistics* statistics, int block, int rows, float* sums) {
  constexpr int tiles = (S::columns + C::tile_columns - 1) / C::tile_columns;
  if (block < tiles) return small_segment<S, C>(a, statistics, block, rows, sums, typename S::Linears());
  if constexpr (sizeof...(Rest) > 0) small_dispatch<C, Rest...>(a, statistics, block - tiles, rows, sums);
}

template <class C, class... S>
constexpr int small_shared_bytes() { return most_linears<S...>() * C::rows * C::tile_columns * 4; }

// Shared memory: sums [linear][row][column].
template <class C, class P, class... S, class A>
__device__ inline void linear_small(const A& a) {
  extern __shared__ __align__(16) char shared[];
  __shared__ RowStatistics statistics[C::rows];
  begin_kernel();
  const int rows = valid_rows(a, C::rows);
  if (rows == 0) return;
  find_statistics<P, C::threads>(a, 0, rows, statistics);
  store_results<P, C::threads>(a, rows, statistics, blockIdx.x, gridDim.x);
  small_dispatch<C, S...>(a, statistics, blockIdx.x, rows, reinterpret_cast<float*>(shared));
}

}  // namespace stoop::gpu

// Linears of many rows (prefill, scoring): a block computes a tile of rows x columns of one segment.
// Two multipliers: fused multiply-adds of float32 for any element types (the parity mode), and tensor cores
// (mma.sync, float32 sums) when input and weight are both bf16 or both f16. The sums of all linears of the segment are
// put into shared memory and the epilogue runs element by element from there. Where the launch in front left moments
// of the rows, a tile normalises them as it loads them, each of the column tiles again: for few rows that costs less
// than a launch, because they wait for the weights anyway.
// Memory traffic: weights once per row tile, inputs once per column tile, both through L2; bound: FMA or tensor issue.
#pragma once
#include "kernels/common/mma.cuh"
#include "kernels/linear/segment.cuh"
#include "kernels/norm/prologue.cuh"

namespace stoop::gpu {

// Loads elements [k, k + vector) of a row, or zeros behind the end.
template <int N, class T>
__device__ inline void load_or_zero(const T* row, int k, int length, bool is_valid, float (&to)[N]) {
  if (is_valid && k < length) return load_floats<N>(row + k, to);
#pragma unroll
  for (int i = 0; i < N; ++i) to[i] = 0;
}

// Float32 multiply-adds: 256 threads, each 4 rows x tile_columns / 16 columns; k in steps of 16.
struct FmaTile {
  static constexpr int threads = 256, step = 16;
  template <class C>
  static constexpr int shared_bytes = step * (C::tile_rows + 4 + C::tile_columns + 4) * 4;

  template <class L, class S, class C, class A>
  static __device__ void run(const A& a, const RowStatistics* statistics, int row0, int tile, int rows, char* shared, float* sums, bool) {
    static_assert(C::tile_rows == 64 && C::tile_columns % 16 == 0);
    constexpr int per_row = C::tile_rows + 4, per_column = C::tile_columns + 4, wide = C::tile_columns / 16;
    constexpr int vector = L::vector < 4 ? L::vector : 4;
    using Columns = TileColumns<C::tile_columns, S::head_dim>;
    float* x = reinterpret_cast<float*>(shared);  // [step][tile_rows + 4]
    float* w = x + step * per_row;                // [step][tile_columns + 4]
    const int ty = threadIdx.x / 16, tx = threadIdx.x % 16;
    float acc[4][wide] = {};
    for (int k0 = 0; k0 < L::k; k0 += step) {
      for (int i = threadIdx.x; i < C::tile_rows * (step / vector); i += threads) {
        const int row = i / (step / vector), k = i % (step / vector) * vector;
        float v[vector];
        load_input<L>(a, statistics, row0, row, k0 + k, rows, v);
        for (int e = 0; e < vector; ++e) x[(k + e) * per_row + row] = v[e];
      }
      for (int i = threadIdx.x; i < C::tile_columns * (step / vector); i += threads) {
        const int j = i / (step / vector), k = i % (step / vector) * vector, column = Columns::column(tile, j);
        float v[vector];
        load_or_zero(L::weight(a, column), k0 + k, L::k, column < S::columns, v);
        for (int e = 0; e < vector; ++e) w[(k + e) * per_column + j] = v[e];
      }
      __syncthreads();  // this step's x and w
#pragma unroll
      for (int k = 0; k < step; ++k) {
        float xs[4], ws[wide];
#pragma unroll
        for (int i = 0; i < 4; ++i) xs[i] = x[k * per_row + ty * 4 + i];
#pragma unroll
        for (int j = 0; j < wide; ++j) ws[j] = w[k * per_column + tx + 16 * j];
#pragma unroll
        for (int i = 0; i < 4; ++i)
#pragma unroll
          for (int j = 0; j < wide; ++j) acc[i][j] += xs[i] * ws[j];
      }
      __syncthreads();  // all have read them
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < wide; ++j) sums[(ty * 4 + i) * C::tile_columns + tx + 16 * j] = acc[i][j];
  }
};

// Tensor cores: 128 threads as 2 x 2 warps of 32 rows x tile_columns / 2; k in steps of 32 through a ring of stages
// filled by cp.async. Weights are in tiles and serve as they lie: registers 0 and 2 of a fragment are 8 columns, registers
// 1 and 3 are 8 more. Rows are in plain order, 64 bytes apart: a lane's four columns of two fragments are 16 bytes, and
// eight lanes read 128 bytes that follow one another.
struct MmaTile {
  static constexpr int threads = 128, step = kTileColumns, pitch = step;
  template <class C>
  static constexpr int shared_bytes = C::stages * (C::tile_rows + C::tile_columns) * pitch * 2;

  // Tile `s` of each strip of the block's columns; zeros behind the last strip.
  template <class L, class S, class C, class T, class A>
  static __device__ void fill_weights(const A& a, T* to, int tile, int s) {
    using Columns = TileColumns<C::tile_columns, S::head_dim>;
    static_assert(!Columns::paired || Columns::half % 16 == 0, "strips do not cross the halves");
    for (int i = threadIdx.x; i < C::tile_columns / 16 * 64; i += threads) {
      const int column = Columns::column(tile, i / 64 * 16);
      const bool is_valid = column < S::columns;
      copy_async16(to + i * 8, L::tiles(a, is_valid ? column / 16 : 0) + s * 512 + i % 64 * 8, is_valid);
    }
  }

  template <class L, class S, class C, class A>
  static __device__ void run(const A& a, const RowStatistics* statistics, int row0, int tile, int rows, char* shared, float* sums,
                             bool is_first) {
    using T = typename L::Weight;
    constexpr int stage_elements = (C::tile_rows + C::tile_columns) * pitch, steps = (L::k + step - 1) / step;
    constexpr int wide = C::tile_columns / 16;  // 8-column fragments of a warp
    static_assert(C::tile_rows == 64 && C::tile_columns % 16 == 0);
    T* ring = reinterpret_cast<T*>(shared);
    auto load = [&](int s) {
      if (s < steps) {
        T* x = ring + s % C::stages * stage_elements;
        if constexpr (is_normed<typename L::Input>)
          stage_normed<L, threads, step, pitch>(a, x, C::tile_rows, s * step, statistics, row0, rows);
        else
          stage_rows<threads, step, pitch, L::vector>(x, C::tile_rows, s * step, L::k, [&](int r) {
            return row0 + r < rows ? L::Input::row(a, row0 + r) : nullptr;
          });
        fill_weights<L, S, C>(a, x + C::tile_rows * pitch, tile, s);
      }
      commit_async();
    };
    if (!is_first) __syncthreads();  // all have read the linear before from the ring
#pragma unroll
    for (int s = 0; s < C::stages - 1; ++s) load(s);
    const int warp = threadIdx.x / 32, m0 = warp % 2 * 32, n0 = warp / 2 * (C::tile_columns / 2);
    float acc[2][wide][4] = {};
    for (int s = 0; s < steps; ++s) {
      wait_async<C::stages - 2>();
      __syncthreads();  // stage s has arrived for all; stage s - 1 is free
      load(s + C::stages - 1);
      const T* x = ring + s % C::stages * stage_elements;
      const T* w = x + C::tile_rows * pitch;
      u32 xs[2][2][4];  // of two fragments of rows: two of columns
#pragma unroll
      for (int i = 0; i < 2; ++i) load_two_fragments(xs[i], x + (m0 + i * 16) * pitch, pitch);
#pragma unroll
      for (int j = 0; j < wide; ++j) {
        // The warp's 8-column fragments lie in halves of strips, the first perhaps in the second half of one.
        const int place = n0 / 8 + j;
#pragma unroll
        for (int k = 0; k < 2; ++k) {
          const Fragment both = load_fragment(w + place / 2 * 512 + k * 256);
          const u32 ws[2] = {place % 2 ? both.at[1] : both.at[0], place % 2 ? both.at[3] : both.at[2]};
#pragma unroll
          for (int i = 0; i < 2; ++i) mma<T>(acc[i][j], xs[i][k], ws);
        }
      }
    }
    const int row = threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int j = 0; j < wide; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e)
          sums[(m0 + i * 16 + row + e / 2 * 8) * C::tile_columns + n0 + j * 8 + column + e % 2] = acc[i][j][e];
  }
};

template <class M, class S, class C, class A, class... L>
__device__ inline void tile_segment(const A& a, const RowStatistics* statistics, int row0, int tile, int rows, char* shared, List<L...>) {
  constexpr int linear_stride = C::tile_rows * C::tile_columns;
  float* sums = reinterpret_cast<float*>(shared + M::template shared_bytes<C>);
  int linear = 0;
  ((M::template run<L, S, C>(a, statistics, row0, tile, rows, shared, sums + linear * linear_stride, linear == 0), ++linear), ...);
  __syncthreads();  // the tile's sums
  for (int place = threadIdx.x; place < linear_stride; place += M::threads) {
    const int row = place / C::tile_columns, j = place % C::tile_columns;
    if (row0 + row >= rows) break;
    finish_place<S, C::tile_columns>(a, row0 + row, tile, j, sums + row * C::tile_columns, linear_stride);
  }
}

template <class M, class C, class S, class... Rest, class A>
__device__ inline void tile_dispatch(const A& a, const RowStatistics* statistics, int row0, int block, int rows, char* shared) {
  constexpr int tiles = (S::columns + C::tile_columns - 1) / C::tile_columns;
  if (block < tiles) return tile_segment<M, S, C>(a, statistics, row0, block, rows, shared, typename S::Linears());
  if constexpr (sizeof...(Rest) > 0) tile_dispatch<M, C, Rest...>(a, statistics, row0, block - tiles, rows, shared);
}

template <class M, class C, class... S>
constexpr int tile_shared_bytes() {
  return M::template shared_bytes<C> + most_linears<S...>() * C::tile_rows * C::tile_columns * 4;
}

// P: what is normalised. Shared memory: the multiplier's, then sums [linear][row][column]. Grid: column tiles of all segments x row tiles.
template <class M, class C, class P, class... S, class A>
__device__ inline void linear_tile(const A& a) {
  extern __shared__ __align__(16) char shared[];
  begin_kernel();
  const int rows = valid_rows(a, C::rows), row0 = blockIdx.y * C::tile_rows;
  if (row0 >= rows) return;
  const RowStatistics* statistics = nullptr;
  if constexpr (P::Moments::exist) {
    __shared__ RowStatistics combined[C::tile_rows];
    find_statistics<P, M::threads>(a, row0, min(C::tile_rows, rows - row0), combined);
    statistics = combined;
  }
  tile_dispatch<M, C, S...>(a, statistics, row0, blockIdx.x, rows, shared);
}

}  // namespace stoop::gpu

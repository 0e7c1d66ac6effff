// Linears of many rows (prefill, scoring): a block computes a tile of rows x columns of one segment.
// Two multipliers: fused multiply-adds of float32 for any element types (the parity mode), and tensor cores
// (mma.sync, float32 sums) when input and weight are both bf16 or both f16. The sums of all linears of the segment are
// put into shared memory and the epilogue runs element by element from there. Where the launch in front left moments
// of the rows, a tile normalises them as it loads them, each of the column tiles again: for few rows that costs less
// than a launch, because they wait for the weights anyway. Where tiles are few, or fill their last wave badly, several blocks
// share one (splits): each sums a part of the inner steps, the last one to finish adds the parts in order.
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

// Steps of a linear's inner size.
struct Steps {
  int first, behind;
};
template <class M, class... L> constexpr int all_steps(List<L...>) { return (M::template num_steps<L> + ...); }

// Float32 multiply-adds: 256 threads, each 4 rows x tile_columns / 16 columns; k in steps of 16.
struct FmaTile {
  static constexpr int threads = 256, step = 16;
  template <class L>
  static constexpr int num_steps = (L::k + step - 1) / step;
  template <class C, class... S>
  static constexpr int shared_bytes = step * (C::tile_rows + 4 + C::tile_columns + 4) * 4;

  template <class L, class S, class C, class A>
  static __device__ void run(const A& a, const RowStatistics* statistics, int row0, int tile, int rows, char* shared, float* sums, bool,
                             Steps steps) {
    static_assert(C::tile_rows == 64 && C::tile_columns % 16 == 0);
    constexpr int per_row = C::tile_rows + 4, per_column = C::tile_columns + 4, wide = C::tile_columns / 16;
    constexpr int vector = L::vector < 4 ? L::vector : 4;
    using Columns = TileColumns<C::tile_columns, S::head_dim>;
    float* x = reinterpret_cast<float*>(shared);  // [step][tile_rows + 4]
    float* w = x + step * per_row;                // [step][tile_columns + 4]
    const int ty = threadIdx.x / 16, tx = threadIdx.x % 16;
    float acc[4][wide] = {};
    for (int k0 = steps.first * step; k0 < steps.behind * step; k0 += step) {
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

// Tensor cores: 128 threads as 2 x 2 warps of 32 rows x tile_columns / 2; k in steps of a tile of weights through a ring of
// stages filled by cp.async. Weights are in tiles and serve as they lie: registers 0 and 2 of a fragment are 8 columns,
// registers 1 and 3 are 8 more. Rows are in plain order, 32 columns of all before the next 32, 64 bytes apart: a lane's four
// columns of two fragments are 16 bytes, and eight lanes read 128 bytes that follow one another. A stage: rows [32 columns][row],
// tiles [strip], their scales [strip].
struct MmaTile {
  static constexpr int threads = 128, pitch = kTileColumns;
  template <class L>
  static constexpr int num_steps = L::k_tiles;
  template <class C>
  static constexpr int part_bytes = C::tile_rows * pitch * 2;  // 32 columns of the rows
  template <class L, class C>
  static constexpr int row_bytes = L::tile_columns / kTileColumns * part_bytes<C>;
  template <class L, class C>
  static constexpr int stage_bytes = row_bytes<L, C> + (C::tile_columns / 16 * (kTileBytes + scale_bytes<L>()) + 15) / 16 * 16;
  template <class C, class... L>
  static constexpr int most_stage_bytes(List<L...>) {
    int most = 0;
    ((most = stage_bytes<L, C> > most ? stage_bytes<L, C> : most), ...);
    return most;
  }
  template <class C, class... S>
  static constexpr int most_stage_bytes() {
    int most = 0, bytes = 0;
    ((bytes = most_stage_bytes<C>(typename S::Linears()), most = bytes > most ? bytes : most), ...);
    return most;
  }
  template <class C, class... S>
  static constexpr int shared_bytes = C::stages * most_stage_bytes<C, S...>();

  // Tile `s` of each strip of the block's columns; zeros behind the last strip.
  template <class L, class S, class C, class A>
  static __device__ void fill_weights(const A& a, char* to, int tile, int s) {
    using Columns = TileColumns<C::tile_columns, S::head_dim>;
    static_assert(!Columns::paired || Columns::half % 16 == 0, "strips do not cross the halves");
    for (int i = threadIdx.x; i < C::tile_columns / 16 * 64; i += threads) {
      const int column = Columns::column(tile, i / 64 * 16);
      const bool is_valid = column < S::columns;
      copy_async16(to + i * 16, L::strip(a, is_valid ? column / 16 : 0) + s * kTileBytes + i % 64 * 16, is_valid);
    }
    constexpr int bytes = scale_bytes<L>();
    if constexpr (bytes > 0)
      for (int i = threadIdx.x; i < C::tile_columns / 16 * (bytes / 8); i += threads) {
        const int strip = i / (bytes / 8), at = i % (bytes / 8) * 8, column = Columns::column(tile, strip * 16);
        const bool is_valid = column < S::columns;
        copy_async8(to + C::tile_columns / 16 * kTileBytes + i * 8,
                    L::strip(a, is_valid ? column / 16 : 0) + L::k_tiles * kTileBytes + s * bytes + at, is_valid);
      }
  }

  // Adds 16 rows x 8 columns, two times: the half `half` of a strip, 32 columns of the inner dimension, number first + part of the
  // tile. Codes of the parts of a half tile are in one load.
  template <class L, class T>
  static __device__ void multiply(float (&first)[4], float (&second)[4], const u32 (&xs)[2][2][4], const char* strip, const char* scales,
                                  int first_part, int part, int half) {
    using W = typename L::Weight;
    const int lane = threadIdx.x % 32;
    Fragment words[2];
    words[0] = *reinterpret_cast<const Fragment*>(strip + (first_part ? kTileBytes / 2 : 0) + lane * 16);
    if constexpr (!W::is_coded) words[1] = *reinterpret_cast<const Fragment*>(strip + kTileBytes / 2 + lane * 16);
    if constexpr (W::groups == 0) {
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const u32 ws[2] = {W::element_pair(words, part, k, half), W::element_pair(words, part, k, half + 2)};
        mma<T>(first, xs[0][k], ws);
        mma<T>(second, xs[1][k], ws);
      }
    } else {
      const int group = (first_part + part) * W::groups / (W::columns / kTileColumns);
      const u32 zero = minus_zero<T>(W::zero(scales, lane / 4 + 8 * half, group));
      float sums[2][4] = {};
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const u32 ws[2] = {W::element_pair(words, part, k, half, zero), W::element_pair(words, part, k, half + 2, zero)};
        mma<T>(sums[0], xs[0][k], ws);
        mma<T>(sums[1], xs[1][k], ws);
      }
      const int row = lane % 4 * 2 + 8 * half;
      const float even = W::scale(scales, row, group), odd = W::scale(scales, row + 1, group);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        first[i] += (i % 2 ? odd : even) * sums[0][i];
        second[i] += (i % 2 ? odd : even) * sums[1][i];
      }
    }
  }

  template <class L, class S, class C, class A>
  static __device__ void run(const A& a, const RowStatistics* statistics, int row0, int tile, int rows, char* shared, float* sums,
                             bool is_first, Steps steps) {
    using T = typename L::Element;
    constexpr int parts = L::tile_columns / kTileColumns, at_once = parts > 1 ? parts / 2 : 1;
    constexpr int wide = C::tile_columns / 16;  // 8-column fragments of a warp
    static_assert(C::tile_rows == 64 && C::tile_columns % 16 == 0);
    auto load = [&](int s) {
      if (s < steps.behind) {
        char* to = shared + s % C::stages * stage_bytes<L, C>;
#pragma unroll 1
        for (int part = 0; part < parts; ++part) {
          T* x = reinterpret_cast<T*>(to + part * part_bytes<C>);
          const int k = s * L::tile_columns + part * kTileColumns;
          if constexpr (is_normed<typename L::Input>)
            stage_normed<L, threads, kTileColumns, pitch>(a, x, C::tile_rows, k, statistics, row0, rows);
          else
            stage_rows<threads, kTileColumns, pitch, L::vector>(x, C::tile_rows, k, L::k, [&](int r) {
              return row0 + r < rows ? L::Input::row(a, row0 + r) : nullptr;
            });
        }
        fill_weights<L, S, C>(a, to + row_bytes<L, C>, tile, s);
      }
      commit_async();
    };
    if (!is_first) __syncthreads();  // all have read the linear before from the ring
#pragma unroll
    for (int s = 0; s < C::stages - 1; ++s) load(steps.first + s);
    const int warp = threadIdx.x / 32, m0 = warp % 2 * 32, n0 = warp / 2 * (C::tile_columns / 2);
    float acc[2][wide][4] = {};
    for (int s = steps.first; s < steps.behind; ++s) {
      wait_async<C::stages - 2>();
      __syncthreads();  // stage s has arrived for all; stage s - 1 is free
      load(s + C::stages - 1);
      const char* x = shared + s % C::stages * stage_bytes<L, C>;
      const char* w = x + row_bytes<L, C>;
#pragma unroll 1
      for (int first = 0; first < parts; first += at_once)
#pragma unroll
        for (int part = 0; part < at_once; ++part) {
          u32 xs[2][2][4];  // of two fragments of rows: two of columns
#pragma unroll
          for (int i = 0; i < 2; ++i)
            load_two_fragments(xs[i], reinterpret_cast<const T*>(x + (first + part) * part_bytes<C>) + (m0 + i * 16) * pitch, pitch);
#pragma unroll
          for (int j = 0; j < wide; ++j) {
            // The warp's 8-column fragments lie in halves of strips, the first perhaps in the second half of one.
            const int strip = (n0 / 8 + j) / 2, half = (n0 / 8 + j) % 2;
            multiply<L, T>(acc[0][j], acc[1][j], xs, w + strip * kTileBytes,
                           w + C::tile_columns / 16 * kTileBytes + strip * scale_bytes<L>(), first, part, half);
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

// Leaves the sums of this block's part of a tile, `floats` of at most MOST, in the scratch, behind the tickets. Whether it is
// the last of the tile's blocks to do so; then `sums` holds all, added in the order of the parts.
template <class M, class C, int MOST, class A>
__device__ inline bool add_parts(const A& a, float* sums, int floats) {
  __shared__ u32 arrived;
  const int tile = blockIdx.y * gridDim.x + blockIdx.x;
  u32* ticket = static_cast<u32*>(a.scratch) + tile;
  float* parts = reinterpret_cast<float*>(static_cast<char*>(a.scratch) + C::ticket_bytes) +
                 static_cast<long long>(tile) * C::splits * MOST;
  for (int i = threadIdx.x; i < floats; i += M::threads) parts[blockIdx.z * MOST + i] = sums[i];
  __threadfence();  // this thread's sums before the ticket
  __syncthreads();  // all threads' sums
  if (threadIdx.x == 0) arrived = atomicAdd(ticket, 1u);
  __syncthreads();  // `arrived`
  if (arrived != C::splits - 1) return false;
  __threadfence();  // the other blocks' sums
  for (int i = threadIdx.x; i < floats; i += M::threads) {
    float total = 0;
    for (int part = 0; part < C::splits; ++part) total += parts[part * MOST + i];
    sums[i] = total;
  }
  if (threadIdx.x == 0) *ticket = 0;  // for the next launch
  __syncthreads();                    // the sums of all blocks
  return true;
}

// multiplier_bytes: of shared memory, in front of the sums. MOST: floats of the sums of all linears, in the segment with most.
template <class M, class S, class C, int multiplier_bytes, int MOST, class A, class... L>
__device__ inline void tile_segment(const A& a, const RowStatistics* statistics, int row0, int tile, int rows, char* shared, List<L...>) {
  constexpr int linear_stride = C::tile_rows * C::tile_columns, all = all_steps<M>(List<L...>());
  float* sums = reinterpret_cast<float*>(shared + multiplier_bytes);
  Steps mine = {0, all};
  if constexpr (C::splits > 1) mine = {all * static_cast<int>(blockIdx.z) / C::splits, all * (static_cast<int>(blockIdx.z) + 1) / C::splits};
  int linear = 0, from = 0;
  ((M::template run<L, S, C>(a, statistics, row0, tile, rows, shared, sums + linear * linear_stride, linear == 0,
                             Steps{max(mine.first - from, 0), min(mine.behind - from, M::template num_steps<L>)}),
    ++linear, from += M::template num_steps<L>),
   ...);
  __syncthreads();  // the tile's sums
  if constexpr (C::splits > 1)
    if (!add_parts<M, C, MOST>(a, sums, sizeof...(L) * linear_stride)) return;
  for (int place = threadIdx.x; place < linear_stride; place += M::threads) {
    const int row = place / C::tile_columns, j = place % C::tile_columns;
    if (row0 + row >= rows) break;
    finish_place<S, C::tile_columns>(a, row0 + row, tile, j, sums + row * C::tile_columns, linear_stride);
  }
}

template <class M, class C, int multiplier_bytes, int MOST, class S, class... Rest, class A>
__device__ inline void tile_dispatch(const A& a, const RowStatistics* statistics, int row0, int block, int rows, char* shared) {
  constexpr int tiles = (S::columns + C::tile_columns - 1) / C::tile_columns;
  if (block < tiles) return tile_segment<M, S, C, multiplier_bytes, MOST>(a, statistics, row0, block, rows, shared, typename S::Linears());
  if constexpr (sizeof...(Rest) > 0) tile_dispatch<M, C, multiplier_bytes, MOST, Rest...>(a, statistics, row0, block - tiles, rows, shared);
}

template <class M, class C, class... S>
constexpr int tile_shared_bytes() {
  return M::template shared_bytes<C, S...> + most_linears<S...>() * C::tile_rows * C::tile_columns * 4;
}

// P: what is normalised. Shared memory: the multiplier's, then sums [linear][row][column]. Grid: column tiles of all segments x row tiles x splits.
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
  tile_dispatch<M, C, M::template shared_bytes<C, S...>, most_linears<S...>() * C::tile_rows * C::tile_columns, S...>(a, statistics, row0, blockIdx.x, rows,
                                                                                                                      shared);
}

}  // namespace stoop::gpu

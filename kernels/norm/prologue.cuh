// Whole rows in front of linears, or alone: a row of a tensor, of the embedding, or the last valid one; its
// normalisations; what of this is a result. Linears normalise rows as they load them: each element when it is multiplied, or
// a slice of the rows at a time into shared memory.
// Statistics are two passes in float32 over the row in fixed order; each block that needs a row computes them anew
// from L2, which costs less than a launch. Where the launch in front left moments of the row's blocks, a warp
// combines those instead, in two passes too. Memory: the row, read three times, mostly from L1, or once.
#pragma once
#include "kernels/common/forms.cuh"

namespace stoop::gpu {

// Where the rows come from: `Element` as stored, `Value` the type of the op's result.
template <class T, int OPERAND, int STRIDE>
struct TensorRow {
  using Element = T;
  using Value = T;
  template <class A>
  static __device__ const T* row(const A& a, int row) { return input<T>(a, OPERAND) + static_cast<long long>(row) * STRIDE; }
};
// The last valid row, as the only one.
template <class T, int OPERAND, int STRIDE>
struct LastRow {
  using Element = T;
  using Value = T;
  template <class A>
  static __device__ const T* row(const A& a, int) {
    return input<T>(a, OPERAND) + static_cast<long long>(a.step->num_rows - 1) * STRIDE;
  }
};
// The embedding of each row's token.
template <class T, class V, int TOKENS, int TABLE, int COLUMNS>
struct EmbeddingRow {
  using Element = T;
  using Value = V;
  template <class A>
  static __device__ const T* row(const A& a, int row) {
    return input<T>(a, TABLE) + static_cast<long long>(input<int>(a, TOKENS)[row]) * COLUMNS;
  }
};

// The embedding of each row's token in a table in tiles of form W.
template <class W, class V, int TOKENS, int TABLE, int COLUMNS>
struct TiledEmbeddingRow {
  using Value = V;
  template <class A>
  static __device__ TiledRow<W, COLUMNS> row(const A& a, int row) {
    return tiled_row<W, COLUMNS>(a, TABLE, input<int>(a, TOKENS)[row]);
  }
};

// mean and 1 / deviation of a row; rms: mean is 0.
struct RowStatistics {
  float mean, scale;
};

enum class Norm { none, layer, rms };

template <Norm KIND, int COLUMNS, int THREADS, class Source, class A>
__device__ inline RowStatistics row_statistics(const A& a, int row, float epsilon, float* partial) {
  if constexpr (KIND == Norm::none) return {0, 1};
  using Value = typename Source::Value;
  const auto x = Source::row(a, row);
  float mean = 0;
  if constexpr (KIND == Norm::layer) {
    float sum = 0;
    for (int c = threadIdx.x; c < COLUMNS; c += THREADS) sum += round_to<Value>(to_float(x[c]));
    mean = block_sum<THREADS>(sum, partial) / COLUMNS;
  }
  float squares = 0;
  for (int c = threadIdx.x; c < COLUMNS; c += THREADS) {
    const float d = round_to<Value>(to_float(x[c])) - mean;
    squares += d * d;
  }
  return {mean, 1.0f / sqrtf(block_sum<THREADS>(squares, partial) / COLUMNS + epsilon)};
}

// No moments were left of a prologue's rows.
struct NoMoments {
  static constexpr bool exist = false;
};
// Moments of blocks of BLOCK columns (lm.block_moments) in rows of operand OPERAND.
template <int BLOCK, int OPERAND, int STRIDE>
struct LeftMoments {
  static constexpr bool exist = true;
  static constexpr int block = BLOCK;
  template <class A>
  static __device__ const float* row(const A& a, int row) { return input<float>(a, OPERAND) + static_cast<long long>(row) * STRIDE; }
};

// Statistics of a row from its moments, the same in all lanes of the warp: Chan's formula. Means are summed as
// distances from the first one, so that a mean far from zero costs no digits.
template <Norm KIND, int COLUMNS, class M, class A>
__device__ inline RowStatistics combined_statistics(const A& a, int row, float epsilon) {
  constexpr int blocks = (COLUMNS + M::block - 1) / M::block;
  auto columns = [](int b) { return static_cast<float>(min(M::block, COLUMNS - b * M::block)); };
  const float* left = M::row(a, row);
  const int lane = threadIdx.x % 32;
  float mean = 0, squares = 0;
  if constexpr (KIND == Norm::layer) {
    const float shift = left[0];
    for (int b = lane; b < blocks; b += 32) mean += (left[2 * b] - shift) * columns(b);
    mean = shift + warp_sum(mean) / COLUMNS;
    for (int b = lane; b < blocks; b += 32) {
      const float d = left[2 * b] - mean;
      squares += left[2 * b + 1] + columns(b) * d * d;
    }
  } else {
    for (int b = lane; b < blocks; b += 32) squares += left[b];
  }
  return {mean, 1.0f / sqrtf(warp_sum(squares) / COLUMNS + epsilon)};
}

// (x - mean) / deviation * gamma + beta, rounded once.
template <class T>
__device__ inline float layer_norm(float x, RowStatistics s, float gamma, float beta) {
  return round_to<T>((x - s.mean) * s.scale * gamma + beta);
}
// The quotient is rounded before the scale is applied.
template <class T>
__device__ inline float rms_norm(float x, RowStatistics s, float gamma) {
  return round_to<T>(round_to<T>(x * s.scale) * gamma);
}

// Linears that read inputs directly.
struct NoPrologue {
  using Moments = NoMoments;
  static constexpr Norm norm = Norm::none;
  static constexpr bool has_results = false;
};

// Statistics of rows [row0, row0 + rows) of prologue P, for all threads of the block: combined of their moments, a warp for
// each row, or summed up by the whole block.
template <class P, int THREADS, class A>
__device__ inline void find_statistics(const A& a, int row0, int rows, RowStatistics* statistics) {
  if constexpr (P::norm == Norm::none) return;
  if constexpr (P::Moments::exist) {
    for (int row = threadIdx.x / 32; row < rows; row += THREADS / 32) {
      const RowStatistics s = combined_statistics<P::norm, P::columns, typename P::Moments>(a, row0 + row, P::epsilon);
      if (threadIdx.x % 32 == 0) statistics[row] = s;
    }
  } else if constexpr (P::norm != Norm::none) {
    __shared__ float partial[THREADS / 32];
    for (int row = 0; row < rows; ++row) {
      const RowStatistics s = row_statistics<P::norm, P::columns, THREADS, typename P::Source>(a, row0 + row, P::epsilon, partial);
      if (threadIdx.x == 0) statistics[row] = s;
    }
  }
  __syncthreads();  // statistics of all rows
}

// Stores what of `rows` rows of prologue P is a result: block `block` of `blocks` its share of the elements.
template <class P, int THREADS, class A>
__device__ inline void store_results(const A& a, int rows, const RowStatistics* statistics, int block, int blocks) {
  if constexpr (P::has_results)
    for (int i = block * THREADS + threadIdx.x; i < rows * P::columns; i += blocks * THREADS) {
      const int row = i / P::columns, c = i % P::columns;
      P::store(a, row, c, round_to<typename P::Source::Value>(to_float(P::Source::row(a, row)[c])), statistics[row]);
    }
}

// A region without linears: one block a row.
template <class P, int ROWS, int THREADS, class A>
__device__ inline void whole_rows(const A& a) {
  __shared__ RowStatistics statistics;
  begin_kernel();
  const int row = blockIdx.x;
  if (row >= valid_rows(a, ROWS)) return;
  find_statistics<P, THREADS>(a, row, 1, &statistics);
  const auto x = P::Source::row(a, row);
  for (int c = threadIdx.x; c < P::columns; c += THREADS)
    P::store(a, row, c, round_to<typename P::Source::Value>(to_float(x[c])), statistics);
}

// N elements from column k on.
template <int N, class T>
__device__ inline void load_row(const T* row, int k, float (&to)[N]) { load_floats<N>(row + k, to); }
template <int N, class W, int COLUMNS>
__device__ inline void load_row(const TiledRow<W, COLUMNS>& row, int k, float (&to)[N]) {
  static_assert((N & (N - 1)) == 0);
  const int first = k & -N;  // k is a multiple of N: so the places of elements in a lane are constants, and registers few
#pragma unroll
  for (int i = 0; i < N; ++i) to[i] = row[first + i];
}

// Rows of a prologue that a linear normalises as it loads them, rounded to T as a launch in front would store them.
template <class T, Norm KIND, class Source, int GAMMA, int BETA>
struct NormedRows {
  using Element = T;
  static constexpr int number = GAMMA + 1;  // another one for each norm; GAMMA is -1 where there is none
  // Elements [k, k + N) of a row whose statistics are *s.
  template <int N, class A>
  static __device__ void load(const A& a, const RowStatistics* s, int row, int k, float (&to)[N]) {
    float gamma[N], beta[N];
    load_row<N>(Source::row(a, row), k, to);
    if constexpr (KIND != Norm::none) load_floats<N>(input<float>(a, GAMMA) + k, gamma);
    if constexpr (KIND == Norm::layer) load_floats<N>(input<float>(a, BETA) + k, beta);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float x = round_to<typename Source::Value>(to[i]);
      if constexpr (KIND == Norm::layer)
        to[i] = layer_norm<T>(x, *s, gamma[i], beta[i]);
      else if constexpr (KIND == Norm::rms)
        to[i] = rms_norm<T>(x, *s, gamma[i]);
      else
        to[i] = x;
    }
  }
};
template <class Input>
constexpr bool is_normed = false;
template <class T, Norm KIND, class Source, int GAMMA, int BETA>
constexpr bool is_normed<NormedRows<T, KIND, Source, GAMMA, BETA>> = true;

// Elements [k, k + N) of row row0 + row of what linear L multiplies, or zeros where there are none. `statistics`: of the rows
// from row0 on.
template <class L, int N, class A>
__device__ inline void load_input(const A& a, const RowStatistics* statistics, int row0, int row, int k, int rows, float (&to)[N]) {
  if (row0 + row < rows && k < L::k) return L::Input::template load<N>(a, statistics + row, row0 + row, k, to);
#pragma unroll
  for (int i = 0; i < N; ++i) to[i] = 0;
}

// Columns [k0, k0 + WIDTH) of `count` normalised rows into shared memory rows PITCH elements apart, by THREADS threads; zeros
// where there are none. Several loads of a thread are on their way together.
template <class L, int THREADS, int WIDTH, int PITCH, class T, class A>
__device__ inline void stage_normed(const A& a, T* to, int count, int k0, const RowStatistics* statistics, int row0, int rows) {
  constexpr int chunks = WIDTH / L::vector;
#pragma unroll 2
  for (int i = threadIdx.x; i < count * chunks; i += THREADS) {
    const int row = i / chunks, k = i % chunks * L::vector;
    float x[L::vector];
    load_input<L>(a, statistics, row0, row, k0 + k, rows, x);
    *reinterpret_cast<Vector<T, L::vector>*>(to + row * PITCH + k) = narrow<T>(x);
  }
}

}  // namespace stoop::gpu

// Whole rows in front of linears, or alone: a row of a tensor, of the embedding, or the last valid one; its
// normalisations; what of this is a result.
// Statistics are two passes in float32 over the row in fixed order; each block that needs a row computes them anew
// from L2, which costs less than a launch. Memory: the row, read three times, mostly from L1.
#pragma once
#include "kernels/common/device.cuh"

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

// mean and 1 / deviation of a row; rms: mean is 0.
struct RowStatistics {
  float mean, scale;
};

enum class Norm { none, layer, rms };

template <Norm KIND, int COLUMNS, int THREADS, class Source, class A>
__device__ inline RowStatistics row_statistics(const A& a, int row, float epsilon, float* partial) {
  if constexpr (KIND == Norm::none) return {0, 1};
  using Value = typename Source::Value;
  const auto* x = Source::row(a, row);
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

// Computes one row of prologue P with the whole block. P::finish gets each element; `is_owner` blocks store results.
template <class P, int THREADS, class A>
__device__ inline void prologue_row(const A& a, int row, char* staged, bool is_owner, float* partial) {
  using Source = typename P::Source;
  const RowStatistics s = row_statistics<P::norm, P::columns, THREADS, Source>(a, row, P::epsilon, partial);
  const auto* x = Source::row(a, row);
  for (int c = threadIdx.x; c < P::columns; c += THREADS)
    P::finish(a, row, c, round_to<typename Source::Value>(to_float(x[c])), s, staged, is_owner);
}

// A region without linears: one block a row.
template <class P, int ROWS, int THREADS, class A>
__device__ inline void whole_rows(const A& a) {
  __shared__ float partial[THREADS / 32];
  const int row = blockIdx.x;
  if (row < valid_rows(a, ROWS)) prologue_row<P, THREADS>(a, row, nullptr, true, partial);
}

// Keeps a normalised element for the linears of this block.
template <class T>
__device__ inline void stage(char* at, int stride, int row, int column, float value) {
  reinterpret_cast<T*>(at)[row * stride + column] = from_float<T>(value);
}

}  // namespace stoop::gpu

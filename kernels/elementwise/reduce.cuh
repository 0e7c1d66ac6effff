// Reductions of blocks of 16 columns. The lanes that call have one column of the block each, in order, the first in a lane
// that 16 divides: elements of a tile or of a row are dealt to threads like that. Memory traffic: the results; bound: latency.
#pragma once
#include "kernels/common/device.cuh"

namespace stoop::gpu {

constexpr int kBlockColumns = 16;

// Combines the values of a block, one in each lane, by an operation that knows no order; for the lane of its first
// column. COLUMNS: of a row, whose last block may have fewer.
template <int COLUMNS, class Operation>
__device__ inline float combine_block(int column, float value, Operation operation) {
  const int place = column % kBlockColumns, valid = min(kBlockColumns, COLUMNS - (column - place));
  const int lane = threadIdx.x % 32;
  const u32 lanes = ((1u << valid) - 1) << (lane - place);
#pragma unroll
  for (int step = kBlockColumns / 2; step; step /= 2) {
    const bool has_other = place + step < valid;
    const float other = __shfl_sync(lanes, value, has_other ? lane + step : lane);
    if (has_other) value = operation(value, other);
  }
  return value;
}

// lm.block_max: the largest, NaN if one is.
template <int COLUMNS, class A>
__device__ inline void store_block_max(const A& a, int operand, int stride, int row, int column, float value) {
  value = combine_block<COLUMNS>(column, value, [](float x, float y) { return x > y || x != x ? x : y; });
  if (column % kBlockColumns == 0) store_at<float>(a, operand, stride, row, column / kBlockColumns, value);
}

// lm.block_moments, layer: the mean and the squared distances from it, as two floats; rms: the squares.
template <int COLUMNS, class A>
__device__ inline void store_layer_moments(const A& a, int operand, int stride, int row, int column, float value) {
  const int place = column % kBlockColumns, valid = min(kBlockColumns, COLUMNS - (column - place));
  const int first = threadIdx.x % 32 - place;
  auto sum = [](float x, float y) { return x + y; };
  float mean = combine_block<COLUMNS>(column, value, sum) / valid;
  mean = __shfl_sync(((1u << valid) - 1) << first, mean, first);
  const float squares = combine_block<COLUMNS>(column, (value - mean) * (value - mean), sum);
  if (place) return;
  store_at<float>(a, operand, stride, row, column / kBlockColumns * 2, mean);
  store_at<float>(a, operand, stride, row, column / kBlockColumns * 2 + 1, squares);
}
template <int COLUMNS, class A>
__device__ inline void store_rms_moments(const A& a, int operand, int stride, int row, int column, float value) {
  const float squares = combine_block<COLUMNS>(column, value * value, [](float x, float y) { return x + y; });
  if (column % kBlockColumns == 0) store_at<float>(a, operand, stride, row, column / kBlockColumns, squares);
}

}  // namespace stoop::gpu

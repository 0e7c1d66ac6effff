// Regions without linears: elementwise ops, rotation, appending to the cache. One thread an element of the segment.
// Memory traffic: operands once; bound: memory.
#pragma once
#include "kernels/linear/segment.cuh"

namespace stoop::gpu {

// S::store for every element; the sums of its linears are none.
template <class S, int ROWS, int THREADS, class A>
__device__ inline void elements(const A& a) {
  begin_kernel();
  const int column = blockIdx.x * THREADS + threadIdx.x, row = blockIdx.y;
  if (column >= S::columns || row >= valid_rows(a, ROWS)) return;
  if constexpr (S::head_dim > 0)
    S::store(a, row, column, Sums{}, rotated_with<S::head_dim>(column), Sums{});
  else
    S::store(a, row, column, Sums{});
}

}  // namespace stoop::gpu

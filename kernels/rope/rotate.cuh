// Rotation of one element and places of the KV cache: what epilogues and elements are made of.
#pragma once
#include "kernels/common/device.cuh"

namespace stoop::gpu {

// The other column of the rotation's pair.
template <int HEAD>
__device__ inline int rotated_with(int column) { return column % HEAD < HEAD / 2 ? column + HEAD / 2 : column - HEAD / 2; }

// One element of a rotary embedding: `value` and its pair's `other`; the table's row is cos | sin. Products and their
// sum are rounded to T.
template <class T, int HEAD, class A>
__device__ inline float rotate(const A& a, int positions, int table, int row, int column, float value, float other) {
  const int d = column % HEAD, half = HEAD / 2;
  const float* angles = input<float>(a, table) + static_cast<long long>(input<int>(a, positions)[row]) * HEAD;
  const float cosine = angles[d % half], sine = angles[half + d % half];
  const float straight = round_to<T>(__fmul_rn(value, cosine)), crossed = round_to<T>(__fmul_rn(other, sine));
  return round_to<T>(d < half ? straight - crossed : straight + crossed);
}

// Shape of one layer's cache: keys, then values, each [batch][heads][positions][head_dim].
template <class E, int BATCH, int HEADS, int POSITIONS, int HEAD>
struct Cache {
  using Element = E;
  static constexpr long long values = static_cast<long long>(BATCH) * HEADS * POSITIONS * HEAD;
  static __device__ long long place(int slot, int head, int position) {
    return ((static_cast<long long>(slot) * HEADS + head) * POSITIONS + position) * HEAD;
  }
  // Stores element `column` of a row of keys (or values: `first` = Cache::values); padding rows store nothing.
  template <class A>
  static __device__ void append(const A& a, int cache, int positions, int slots, long long first, int row, int column, float value) {
    const int slot = input<int>(a, slots)[row];
    if (slot < 0) return;
    output<E>(a, cache)[first + place(slot, column / HEAD, input<int>(a, positions)[row]) + column % HEAD] = from_float<E>(value);
  }
};

}  // namespace stoop::gpu

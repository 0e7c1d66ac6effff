// What every CUDA kernel starts from: element types, rounding, vector loads, arguments.
// Compiled by NVRTC without any header of CUDA. An op computes in float32 and rounds once per stored or intermediate
// value (`round_to`), as the model's ledger of roundings says.
#pragma once
#include "kernels/common/dependency.cuh"

namespace stoop::gpu {

using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;

struct bf16 { u16 bits; };
struct f16 { u16 bits; };

// stoop_step of abi.h.
struct Step {
  u32 num_rows;
  u32 reserved[15];
};

// The one parameter of every kernel: the step, the launch's scratch, then the launch's buffers, inputs first.
template <int N>
struct Arguments {
  const Step* step;
  void* scratch;
  void* operand[N];
};

template <class T, class A>
__device__ inline const T* input(const A& a, int index) { return static_cast<const T*>(a.operand[index]); }
template <class T, class A>
__device__ inline T* output(const A& a, int index) { return static_cast<T*>(a.operand[index]); }

// How a kernel begins that asks for nothing ahead: whoever follows may start at once, since it waits as well.
__device__ inline void begin_kernel() {
  wait_for_earlier();
  let_next_start();
}

// Rows of this step that count, at most `most`.
template <class A>
__device__ inline int valid_rows(const A& a, int most) { return min(static_cast<int>(a.step->num_rows), most); }

__device__ inline float to_float(float v) { return v; }
__device__ inline float to_float(bf16 v) { return __uint_as_float(static_cast<u32>(v.bits) << 16); }
__device__ inline float to_float(f16 v) {
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(v.bits));
  return wide;
}

template <class T> __device__ inline T from_float(float v);
template <> __device__ inline float from_float<float>(float v) { return v; }
template <> __device__ inline bf16 from_float<bf16>(float v) {
  bf16 narrow;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(v));
  return narrow;
}
template <> __device__ inline f16 from_float<f16>(float v) {
  f16 narrow;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(v));
  return narrow;
}

__device__ inline float minus_infinity() { return -__int_as_float(0x7f800000); }

// The float32 value of `v` rounded to T.
template <class T>
__device__ inline float round_to(float v) { return to_float(from_float<T>(v)); }

// N elements of type T, aligned to their size (16 bytes at most).
template <class T, int N>
struct alignas(sizeof(T) * N > 16 ? 16 : sizeof(T) * N) Vector {
  T at[N];
};

// Loads N elements as float32; `from` is aligned to min(16, N sizeof(T)).
template <int N, class T>
__device__ inline void load_floats(const T* from, float (&to)[N]) {
  const Vector<T, N> raw = *reinterpret_cast<const Vector<T, N>*>(from);
#pragma unroll
  for (int i = 0; i < N; ++i) to[i] = to_float(raw.at[i]);
}

// Two floats rounded to T, `low` in the lower half.
template <class T> __device__ inline u32 pack(float low, float high);
template <>
__device__ inline u32 pack<bf16>(float low, float high) {
  u32 both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}
template <>
__device__ inline u32 pack<f16>(float low, float high) {
  u32 both;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}
// N floats rounded to T.
template <class T, int N>
__device__ inline Vector<T, N> narrow(const float (&from)[N]) {
  if constexpr (N % 2 == 0) {
    union {
      u32 pairs[N / 2];
      Vector<T, N> elements;
    } to;
#pragma unroll
    for (int i = 0; i < N; i += 2) to.pairs[i / 2] = pack<T>(from[i], from[i + 1]);
    return to.elements;
  } else {
    Vector<T, N> to;
#pragma unroll
    for (int i = 0; i < N; ++i) to.at[i] = from_float<T>(from[i]);
    return to;
  }
}

// Sum over a warp; the same order of additions in every lane.
__device__ inline float warp_sum(float v) {
#pragma unroll
  for (int offset = 16; offset; offset >>= 1) v += __shfl_xor_sync(0xffffffffu, v, offset);
  return v;
}
__device__ inline float warp_max(float v) {
#pragma unroll
  for (int offset = 16; offset; offset >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, offset));
  return v;
}

// Sum over a block of THREADS; `partial` is shared memory of a float per warp, free again when this returns.
template <int THREADS>
__device__ inline float block_sum(float v, float* partial) {
  v = warp_sum(v);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = v;
  __syncthreads();  // the warps' sums
  float total = 0;
#pragma unroll
  for (int warp = 0; warp < THREADS / 32; ++warp) total += partial[warp];
  __syncthreads();  // everyone has read them
  return total;
}

// Reads column `column` of a per-column float32 vector, or element [row][column] of a row tensor.
template <class A>
__device__ inline float vector_at(const A& a, int operand, int column) { return input<float>(a, operand)[column]; }
template <class T, class A>
__device__ inline float tensor_at(const A& a, int operand, int stride, int row, int column) {
  return to_float(input<T>(a, operand)[static_cast<long long>(row) * stride + column]);
}
template <class T, class A>
__device__ inline void store_at(const A& a, int operand, int stride, int row, int column, float value) {
  output<T>(a, operand)[static_cast<long long>(row) * stride + column] = from_float<T>(value);
}

}  // namespace stoop::gpu

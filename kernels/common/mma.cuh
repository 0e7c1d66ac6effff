// Tensor core products (mma.sync m16n8k16, sm_80 and newer) and asynchronous copies into shared memory.
#pragma once
#include "kernels/common/forms.cuh"

namespace stoop::gpu {

__device__ inline u32 shared_address(const void* p) { return static_cast<u32>(__cvta_generic_to_shared(p)); }

// Copies 16 bytes past L1, or writes zeros when not `is_valid`; both addresses 16-byte aligned.
__device__ inline void copy_async16(void* to, const void* from, bool is_valid) {
  const int bytes = is_valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(bytes) : "memory");
}
// 8 bytes likewise, through L1.
__device__ inline void copy_async8(void* to, const void* from, bool is_valid) {
  const int bytes = is_valid ? 8 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(shared_address(to)), "l"(from), "r"(bytes) : "memory");
}
// A policy for what is read once: the first to leave L2.
__device__ inline u64 read_once_policy() {
  u64 policy;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}
__device__ inline void copy_async16_once(void* to, const void* from, u64 policy) {
  asm volatile("cp.async.cg.shared.global.L2::cache_hint [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "l"(policy)
               : "memory");
}
// 8 bytes, which stay in L1 for neighbours of the same line.
__device__ inline void copy_async8_once(void* to, const void* from, u64 policy) {
  asm volatile("cp.async.ca.shared.global.L2::cache_hint [%0], [%1], 8, %2;" ::"r"(shared_address(to)), "l"(from), "l"(policy)
               : "memory");
}
__device__ inline void commit_async() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most N groups of this thread are in flight.
template <int N>
__device__ inline void wait_async() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

// Elements [k0, k0 + WIDTH) of `count` rows into shared memory rows PITCH elements apart, VECTOR at a time, by THREADS
// threads; zeros from element `length` on and where `row(i)` is null. `row(0)` is not. 16 bytes are copied asynchronously.
template <int THREADS, int WIDTH, int PITCH, int VECTOR, class T, class Row>
__device__ inline void stage_rows(T* to, int count, int k0, int length, Row row) {
  constexpr int chunks = WIDTH / VECTOR;
  for (int i = threadIdx.x; i < count * chunks; i += THREADS) {
    const int r = i / chunks, k = i % chunks * VECTOR;
    const T* from = row(r);
    const bool is_valid = from && k0 + k < length;
    T* at = to + r * PITCH + k;
    if constexpr (VECTOR * sizeof(T) == 16) {
      copy_async16(at, is_valid ? from + k0 + k : row(0), is_valid);  // a copy of no bytes needs some address
    } else {
      Vector<T, VECTOR> v = {};
      if (is_valid) v = *reinterpret_cast<const Vector<T, VECTOR>*>(from + k0 + k);
      *reinterpret_cast<Vector<T, VECTOR>*>(at) = v;
    }
  }
}

// Fragment of 16 rows x 16 columns, row-major in shared memory, rows `pitch` elements apart (16-byte aligned).
template <class T>
__device__ inline void load_rows16(u32 (&to)[4], const T* from, int pitch) {
  const int lane = threadIdx.x % 32;
  const u32 at = shared_address(from + lane % 16 * pitch + lane / 16 * 8);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(at)
               : "memory");
}

// Two fragments of 16 (k) x 8 (n), side by side, where shared memory holds 16 rows of k with n side by side.
template <class T>
__device__ inline void load_transposed16(u32 (&to)[4], const T* from, int pitch) {
  const int lane = threadIdx.x % 32;
  const u32 at = shared_address(from + lane % 16 * pitch + lane / 16 * 8);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(at)
               : "memory");
}

// This lane's 16 bytes of each half of a tile, the first of which is `at`.
__device__ inline void load_words(Fragment (&words)[2], const char* at) {
  words[0] = *reinterpret_cast<const Fragment*>(at);
  words[1] = *reinterpret_cast<const Fragment*>(at + kTileBytes / 2);
}
// 16 rows x 32 columns in plain order, rows `pitch` elements apart (16-byte aligned), as the two fragments whose columns are
// those of a tile's.
template <class T>
__device__ inline void load_two_fragments(u32 (&to)[2][4], const T* from, int pitch) {
  const int lane = threadIdx.x % 32;
  const T* at = from + lane / 4 * pitch + lane % 4 * 8;
  const Fragment upper = *reinterpret_cast<const Fragment*>(at), lower = *reinterpret_cast<const Fragment*>(at + 8 * pitch);
#pragma unroll
  for (int k = 0; k < 2; ++k) {
    to[k][0] = upper.at[2 * k];
    to[k][1] = lower.at[2 * k];
    to[k][2] = upper.at[2 * k + 1];
    to[k][3] = lower.at[2 * k + 1];
  }
}

// sums += rows (16 x 16) columns (16 x 8), in float32.
template <class T> __device__ inline void mma(float (&sums)[4], const u32 (&rows)[4], const u32 (&columns)[2]);
template <>
__device__ inline void mma<bf16>(float (&sums)[4], const u32 (&rows)[4], const u32 (&columns)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
               : "r"(rows[0]), "r"(rows[1]), "r"(rows[2]), "r"(rows[3]), "r"(columns[0]), "r"(columns[1]));
}
template <>
__device__ inline void mma<f16>(float (&sums)[4], const u32 (&rows)[4], const u32 (&columns)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
               : "r"(rows[0]), "r"(rows[1]), "r"(rows[2]), "r"(rows[3]), "r"(columns[0]), "r"(columns[1]));
}

}  // namespace stoop::gpu

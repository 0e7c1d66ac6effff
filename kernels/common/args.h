// Typed access to the arguments of a kernel call.
#ifndef STOOP_KERNELS_COMMON_ARGS_H
#define STOOP_KERNELS_COMMON_ARGS_H

#include "kernels/common/types.h"
#include "stoop/abi.h"

namespace stoop::kernels {

template <class T>
STOOP_INLINE T *buffer(const stoop_kernel_args *args, i64 operand) {
  return static_cast<T *>(args->buffers[operand]);
}

// Valid rows of this step, which the runtime keeps within the entry's. An entry of one row has
// always exactly one, which lets LLVM fold row loops.
STOOP_INLINE i64 valid_rows(const stoop_kernel_args *args, i64 max_rows) {
  return max_rows == 1 ? 1 : args->step->num_rows;
}

// This thread's part of `count` things.
STOOP_INLINE Range my_share(const stoop_kernel_args *args, i64 count) {
  return share_of(count, args->thread, args->num_threads);
}

// Hands out pieces of the thread's scratch, 64-byte aligned. Whatever a kernel takes in all is what
// its catalog entry states as scratch bytes.
struct Scratch {
  char *next;
  STOOP_INLINE explicit Scratch(const stoop_kernel_args *args)
      : next(static_cast<char *>(args->scratch)) {}
  template <class T>
  STOOP_INLINE T *take(i64 count) {
    T *p = reinterpret_cast<T *>(next);
    next += round_up(count * (i64)sizeof(T), 64);
    return p;
  }
};

}  // namespace stoop::kernels

#endif

// Elementwise work that hangs on no linear, and the copy of the last valid row.
//
// elementwise: the hook loads its operands itself (each with its own stride) and the kernel stores
// what it returns. Split: rows times blocks of 16 columns over threads. gather_last: row num_rows -
// 1 to row 0.
#ifndef STOOP_KERNELS_ELEMENTWISE_ELEMENTWISE_H
#define STOOP_KERNELS_ELEMENTWISE_ELEMENTWISE_H

#include "kernels/common/args.h"
#include "kernels/common/hook.h"
#include "kernels/common/params.h"

namespace stoop::kernels {

template <class Y>
STOOP_INLINE void elementwise(const stoop_kernel_args *args, const ElementwiseParams *p) {
  auto *y = buffer<typename Y::T>(args, p->y_operand);
  const i64 blocks = divide_up(p->columns, kLanes);
  const Range mine = my_share(args, valid_rows(args, p->max_rows) * blocks);
#pragma clang loop unroll(disable)
  for (i64 i = mine.begin; i < mine.end; ++i) {
    const i64 row = i / blocks;
    finish<Y>(splat(0.0f), y + row * p->y_stride, row, i % blocks * kLanes, p->columns,
              args->buffers);
  }
}

template <class X>
STOOP_INLINE void gather_last(const stoop_kernel_args *args, const GatherLastParams *p) {
  const i64 row = valid_rows(args, p->max_rows) - 1;
  const auto *__restrict x = buffer<const typename X::T>(args, p->x_operand) + row * p->x_stride;
  auto *__restrict y = buffer<typename X::T>(args, p->y_operand);
  const Range columns = my_share(args, p->columns);
  for (i64 c = columns.begin; c < columns.end; ++c) y[c] = x[c];
}

#define STOOP_ELEMENTWISE(y)                                           \
  extern "C" void stoop_elementwise_##y(const stoop_kernel_args *args, \
                                        const ElementwiseParams *p) {  \
    elementwise<element::y>(args, p);                                  \
  }                                                                    \
  extern "C" void stoop_gather_last_##y(const stoop_kernel_args *args, \
                                        const GatherLastParams *p) {   \
    gather_last<element::y>(args, p);                                  \
  }
#include "kernels/elementwise/elementwise.def"

}  // namespace stoop::kernels

#endif

// Elementwise work that hangs on no linear, and the copy of the last valid row.
//
// elementwise: the hook does everything. Split: rows times blocks of 16 columns over threads.
// gather_last: row num_rows - 1 to row 0.
#ifndef STOOP_KERNELS_ELEMENTWISE_ELEMENTWISE_H
#define STOOP_KERNELS_ELEMENTWISE_ELEMENTWISE_H

#include "kernels/common/args.h"
#include "kernels/common/hook.h"
#include "kernels/common/params.h"
#include "kernels/common/split.h"

namespace stoop::kernels {

STOOP_INLINE void elementwise(const stoop_kernel_args *args, const ElementwiseParams *p) {
  const i64 blocks = divide_up(p->columns, kLanes);
  const Range mine = my_share(args, split_items(*p, valid_rows(args, p->max_rows)));
#pragma clang loop unroll(disable)
  for (i64 i = mine.begin; i < mine.end; ++i) {
    const i64 column = i % blocks * kLanes;
    const i64 valid = p->columns % kLanes == 0 ? kLanes : min_of(kLanes, p->columns - column);
    stoop_hook(nullptr, 0, 0, i / blocks, column, valid, nullptr, args->buffers);
  }
}

template <class X>
STOOP_INLINE void gather_last(const stoop_kernel_args *args, const GatherLastParams *p) {
  const i64 row = valid_rows(args, p->max_rows) - 1;
  const auto *__restrict x = buffer<const typename X::T>(args, p->x_operand) + row * p->x_stride;
  auto *__restrict y = buffer<typename X::T>(args, p->y_operand);
  const Range columns = my_share(args, split_items(*p, 1));
  for (i64 c = columns.begin; c < columns.end; ++c) y[c] = x[c];
}

extern "C" void stoop_elementwise(const stoop_kernel_args *args, const ElementwiseParams *p) {
  elementwise(args, p);
}

#define STOOP_GATHER_LAST(x)                                           \
  extern "C" void stoop_gather_last_##x(const stoop_kernel_args *args, \
                                        const GatherLastParams *p) {   \
    gather_last<element::x>(args, p);                                  \
  }
#include "kernels/elementwise/elementwise.def"

}  // namespace stoop::kernels

#endif

// Linear for few rows (decode): the weight matrix is read once, all rows share the pass. R rows are
// multiplied, of which `rows` exist.
//
// Split: each thread streams a contiguous range of 16-column panels. Traffic: n * k weights from
// memory, the packed rows (4 bytes an element) from L1 or L2. Bound: memory read bandwidth.
#ifndef STOOP_KERNELS_GEMV_GEMV_H
#define STOOP_KERNELS_GEMV_GEMV_H

#include "kernels/common/args.h"
#include "kernels/common/hook.h"
#include "kernels/common/params.h"
#include "kernels/common/scratch.h"
#include "kernels/gemm/micro_kernel.h"

namespace stoop::kernels {

// Independent accumulator sets: enough to cover the latency of an FMA.
constexpr int gemv_phases(int rows) { return rows == 1 ? 4 : 2; }

template <class P, class X, class Y, int R>
STOOP_INLINE void gemv(const stoop_kernel_args *args, const LinearParams *p, i64 rows) {
  const typename X::T *x = buffer<const typename X::T>(args, p->x_operand);
  const auto *w = buffer<const typename P::Weight>(args, p->w_operand);
  typename Y::T *y = buffer<typename Y::T>(args, p->y_operand);
  const i64 units = divide_up(p->k, P::kUnitColumns);
  const i64 panel_elements = units * P::kUnitElements;
  const Range panels = my_share(args, divide_up(p->n, kLanes));
  if (panels.begin == panels.end) return;

  auto *a = Scratch(args).take<typename P::A>(units * R * P::kSubs);
  pack_rows<P, X, R>(a, x, p->x_stride, rows, 0, p->k);
#pragma clang loop unroll(disable)
  for (i64 panel = panels.begin; panel < panels.end; ++panel) {
    f32x16 acc[R][1] = {};
    multiply<P, R, 1, gemv_phases(R)>(a, w + panel * panel_elements, panel_elements, units,
                                      p->prefetch, acc);
#pragma clang loop unroll(full)
    for (int r = 0; r < R; ++r)
      if (R == 1 || r < rows)
        finish<Y>(acc[r][0], y + r * p->y_stride, r, panel * kLanes, p->n, args->buffers);
  }
}

}  // namespace stoop::kernels

#endif

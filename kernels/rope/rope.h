// Rotary position embedding over the whole head ("rotate half").
//
// y[j] = x[j] cos_j - x[j + D/2] sin_j; y[j + D/2] = x[j + D/2] cos_j + x[j] sin_j, with row
// positions[t] of the table holding cos[D/2] | sin[D/2] in float32; each product and the sum are
// rounded to the activations' type. Split: (row, head) pairs over threads.
#ifndef STOOP_KERNELS_ROPE_ROPE_H
#define STOOP_KERNELS_ROPE_ROPE_H

#include "kernels/common/args.h"
#include "kernels/common/params.h"
#include "kernels/common/split.h"

namespace stoop::kernels {

// Rotates one head; In and Out are how it lies in memory, Round the activations' type.
template <class In, class Out, class Round>
STOOP_INLINE void rotate_head(const typename In::T *__restrict x, typename Out::T *__restrict y,
                              const float *cosine, const float *sine, i64 half) {
  i64 j = 0;
  for (; j + kLanes <= half; j += kLanes) {
    const f32x16 a = In::load16(x + j), b = In::load16(x + half + j);
    const f32x16 c = F32::load16(cosine + j), s = F32::load16(sine + j);
    Out::store16(y + j, Round::round(Round::round(a * c) - Round::round(b * s)));
    Out::store16(y + half + j, Round::round(Round::round(b * c) + Round::round(a * s)));
  }
  STOOP_SCALAR_LOOP
  for (; j < half; ++j) {
    const float a = In::load1(x + j), b = In::load1(x + half + j), c = cosine[j], s = sine[j];
    Out::store1(y + j, Round::round(Round::round(a * c) - Round::round(b * s)));
    Out::store1(y + half + j, Round::round(Round::round(b * c) + Round::round(a * s)));
  }
}

template <class X>
STOOP_INLINE void rope(const stoop_kernel_args *args, const RopeParams *p) {
  const int32_t *positions = buffer<const int32_t>(args, p->positions_operand);
  const float *table = buffer<const float>(args, p->table_operand);
  const i64 half = p->head_dim / 2;
  const Range pairs = my_share(args, split_items(*p, valid_rows(args, p->max_rows)));
  for (i64 i = pairs.begin; i < pairs.end; ++i) {
    const i64 row = i / p->heads, head = i % p->heads;
    const i64 position = max_of(0, min_of(positions[row], p->table_rows - 1));
    const float *cosine = table + position * p->head_dim, *sine = cosine + half;
    const auto *__restrict x =
        buffer<const typename X::T>(args, p->x_operand) + row * p->x_stride + head * p->head_dim;
    auto *__restrict y =
        buffer<typename X::T>(args, p->y_operand) + row * p->y_stride + head * p->head_dim;
    rotate_head<X, X, X>(x, y, cosine, sine, half);
  }
}

#define STOOP_ROPE(x)                                                                  \
  extern "C" void stoop_rope_##x(const stoop_kernel_args *args, const RopeParams *p) { \
    rope<element::x>(args, p);                                                         \
  }
#include "kernels/rope/rope.def"

}  // namespace stoop::kernels

#endif

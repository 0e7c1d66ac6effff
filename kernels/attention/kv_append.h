// Writes the keys and values of this step's rows into the cache at (slots[t], positions[t]).
//
// Rows with a slot or position outside of the cache are skipped (a negative slot marks padding).
// Split: (row, head) pairs over threads.
#ifndef STOOP_KERNELS_ATTENTION_KV_APPEND_H
#define STOOP_KERNELS_ATTENTION_KV_APPEND_H

#include "kernels/attention/kv_layout.h"
#include "kernels/common/args.h"
#include "kernels/common/params.h"
#include "kernels/common/split.h"

namespace stoop::kernels {

template <class X, class C>
STOOP_INLINE void convert_row(const typename X::T *__restrict x, typename C::T *__restrict y,
                              i64 n) {
  i64 i = 0;
  for (; i + kLanes <= n; i += kLanes) C::store16(y + i, X::load16(x + i));
  STOOP_SCALAR_LOOP
  for (; i < n; ++i) C::store1(y + i, X::load1(x + i));
}

template <class X, class C>
STOOP_INLINE void kv_append(const stoop_kernel_args *args, const KvAppendParams *p) {
  const int32_t *positions = buffer<const int32_t>(args, p->positions_operand);
  const int32_t *slots = buffer<const int32_t>(args, p->slots_operand);
  auto *kv = buffer<typename C::T>(args, p->kv_operand);
  const KvLayout layout{p->batch, p->heads, p->positions, p->head_dim};
  const Range pairs = my_share(args, split_items(*p, valid_rows(args, p->max_rows)));
  for (i64 i = pairs.begin; i < pairs.end; ++i) {
    const i64 row = i / p->heads, head = i % p->heads;
    const i64 slot = slots[row], position = positions[row];
    if (slot < 0 || slot >= p->batch || position < 0 || position >= p->positions) continue;
    const auto *k = buffer<const typename X::T>(args, p->k_operand) + row * p->k_stride;
    const auto *v = buffer<const typename X::T>(args, p->v_operand) + row * p->v_stride;
    convert_row<X, C>(k + head * p->head_dim, kv + layout.key(slot, head, position), p->head_dim);
    convert_row<X, C>(v + head * p->head_dim, kv + layout.value(slot, head, position), p->head_dim);
  }
}

#define STOOP_ATTENTION(x, c)                                              \
  extern "C" void stoop_kv_append_##x##_##c(const stoop_kernel_args *args, \
                                            const KvAppendParams *p) {     \
    kv_append<element::x, element::c>(args, p);                            \
  }
#include "kernels/attention/attention.def"

}  // namespace stoop::kernels

#endif

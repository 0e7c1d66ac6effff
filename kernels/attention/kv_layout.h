// Where a layer's keys and values lie: K, then V, each [batch][heads][positions][head_dim].
#ifndef STOOP_KERNELS_ATTENTION_KV_LAYOUT_H
#define STOOP_KERNELS_ATTENTION_KV_LAYOUT_H

#include "kernels/common/types.h"

namespace stoop::kernels {

struct KvLayout {
  i64 batch, heads, positions, head_dim;
  STOOP_INLINE i64 key(i64 slot, i64 head, i64 position) const {
    return ((slot * heads + head) * positions + position) * head_dim;
  }
  STOOP_INLINE i64 value(i64 slot, i64 head, i64 position) const {
    return batch * heads * positions * head_dim + key(slot, head, position);
  }
};

}  // namespace stoop::kernels

#endif

// What generated hooks call: the bitcode's own exp, erf and tanh, rounding, and loads and stores
// with conversion; reductions stand in block_reductions.h.
//
// Arguments go through memory (16 floats), because vector arguments are passed differently at each
// feature level; after inlining nothing of that is left. Loads and stores touch `valid` elements
// only; lanes behind them are zero.
#ifndef STOOP_KERNELS_COMMON_HOOK_SUPPORT_H
#define STOOP_KERNELS_COMMON_HOOK_SUPPORT_H

#include "kernels/common/block_reductions.h"
#include "kernels/common/math.h"
#include "kernels/common/types.h"

#define STOOP_HOOK_MATH(name, function)                \
  extern "C" void stoop_##name(float *v) {             \
    using namespace stoop::kernels;                    \
    store_vector(v, function(load_vector<f32x16>(v))); \
  }

STOOP_HOOK_MATH(exp, exp16)
STOOP_HOOK_MATH(erf, erf16)
STOOP_HOOK_MATH(tanh, tanh16)
STOOP_HOOK_MATH(round_bf16, Bf16::round)
STOOP_HOOK_MATH(round_f16, F16::round)

#define STOOP_HOOK_ACCESS(name, element)                                               \
  extern "C" void stoop_load_##name(float *v, const void *p, int64_t valid) {          \
    using namespace stoop::kernels;                                                    \
    store_vector(v, load_valid<element>(static_cast<const element::T *>(p), valid));   \
  }                                                                                    \
  extern "C" void stoop_store_##name(void *p, const float *v, int64_t valid) {         \
    using namespace stoop::kernels;                                                    \
    store_valid<element>(static_cast<element::T *>(p), load_vector<f32x16>(v), valid); \
  }

STOOP_HOOK_ACCESS(f32, F32)
STOOP_HOOK_ACCESS(bf16, Bf16)
STOOP_HOOK_ACCESS(f16, F16)

#endif

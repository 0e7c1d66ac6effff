// What generated hooks call: the bitcode's own exp, erf and tanh, rounding, and loads with
// conversion.
//
// Arguments go through memory (`_16`: 16 floats in place, `_1`: one), because vector arguments are
// passed differently at each feature level; after inlining nothing of that is left.
#ifndef STOOP_KERNELS_COMMON_HOOK_SUPPORT_H
#define STOOP_KERNELS_COMMON_HOOK_SUPPORT_H

#include "kernels/common/math.h"
#include "kernels/common/types.h"

#define STOOP_HOOK_MATH(name, function)                \
  extern "C" void stoop_##name##_16(float *v) {        \
    using namespace stoop::kernels;                    \
    store_vector(v, function(load_vector<f32x16>(v))); \
  }                                                    \
  extern "C" void stoop_##name##_1(float *v) {         \
    using namespace stoop::kernels;                    \
    *v = function(splat(*v))[0];                       \
  }

STOOP_HOOK_MATH(exp, exp16)
STOOP_HOOK_MATH(erf, erf16)
STOOP_HOOK_MATH(tanh, tanh16)
STOOP_HOOK_MATH(round_bf16, Bf16::round)
STOOP_HOOK_MATH(round_f16, F16::round)

// v = float32 values of 16 (or one) elements at p.
#define STOOP_HOOK_LOAD(name, element)                                    \
  extern "C" void stoop_load_##name##_16(float *v, const void *p) {       \
    using namespace stoop::kernels;                                       \
    store_vector(v, element::load16(static_cast<const element::T *>(p))); \
  }                                                                       \
  extern "C" void stoop_load_##name##_1(float *v, const void *p) {        \
    using namespace stoop::kernels;                                       \
    *v = element::load1(static_cast<const element::T *>(p));              \
  }

STOOP_HOOK_LOAD(f32, F32)
STOOP_HOOK_LOAD(bf16, Bf16)
STOOP_HOOK_LOAD(f16, F16)

#endif

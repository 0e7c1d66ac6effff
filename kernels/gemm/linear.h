// The ports of the template "linear": entries of up to four rows go through gemv, all else through
// gemm.
//
// Ports are named stoop_linear_<weights>_<input>_<rows>, rows 1 to 4 or "many"; one port would be
// simpler to name and take five times as long to specialise. Each feature level picks its
// arithmetic for bfloat16 by bfloat16; every other combination is multiplied in float32.
#ifndef STOOP_KERNELS_GEMM_LINEAR_H
#define STOOP_KERNELS_GEMM_LINEAR_H

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/tile_gemm.h"
#include "kernels/gemv/gemv.h"
#include "kernels/quant/float_core.h"
#include "kernels/quant/integer_blocks.h"
#include "kernels/quant/stream.h"
#include "kernels/quant/tiled_blocks.h"

namespace stoop::kernels {

// How a pair of element types is multiplied at this level.
template <class W, class X>
struct LinearPolicy {
  using Few = FmaPolicy<W>;
  using Many = BlockedCore<FmaPolicy<W>, X>;
};
template <class X>
struct LinearPolicy<element::quant, X> {
  using Few = IntegerPolicy;
  using Many = IntegerPolicy;
};
#if defined(__AMX_BF16__)
template <>
struct LinearPolicy<element::quant, Bf16> {
  using Few = IntegerPolicy;
  using Many = QuantTiledCore<HardwareTiles>;
};
#endif
#if defined(__AVX512BF16__)
template <>
struct LinearPolicy<Bf16, Bf16> {
  using Few = DotPolicy<HardwareDot>;
#if defined(__AMX_BF16__)
  using Many = TiledCore<HardwareTiles>;
#else
  using Many = BlockedCore<Few, Bf16>;
#endif
};
#endif

// Blocks of many rows. Beside integer weights activations become integers or stay float32, as the
// parameters say; they are constants, so one of the two is compiled.
template <class Many, class X>
STOOP_INLINE void multiply_many(const stoop_kernel_args *args, const LinearParams *p) {
  const i64 rows = valid_rows(args, kAnyRows);
  if constexpr (__is_same(Many, IntegerPolicy)) {
    if (p->quantized == kFloatActivations)
      gemm<ExpandingCore<X>, X>(args, p, rows);
    else
      gemm<IntegerCore<X>, X>(args, p, rows);
  } else {
    gemm<Many, X>(args, p, rows);
  }
}

// A batch entry of two to four rows always multiplies all of them, zeros for those that this step
// lacks.
#define STOOP_LINEAR_FEW(name, few, x, rows)                                  \
  extern "C" void stoop_linear_##name##_##rows(const stoop_kernel_args *args, \
                                               const LinearParams *p) {       \
    gemv<few, x, rows>(args, p, valid_rows(args, rows));                      \
  }
#define STOOP_LINEAR_PORTS(name, few, many, x)                              \
  STOOP_LINEAR_FEW(name, few, x, 1)                                         \
  STOOP_LINEAR_FEW(name, few, x, 2)                                         \
  STOOP_LINEAR_FEW(name, few, x, 3)                                         \
  STOOP_LINEAR_FEW(name, few, x, 4)                                         \
  extern "C" void stoop_linear_##name##_many(const stoop_kernel_args *args, \
                                             const LinearParams *p) {       \
    multiply_many<many, x>(args, p);                                        \
  }

#define STOOP_LINEAR(w, x)                                       \
  using Policy_##w##_##x = LinearPolicy<element::w, element::x>; \
  STOOP_LINEAR_PORTS(w##_##x, Policy_##w##_##x::Few, Policy_##w##_##x::Many, element::x)
#include "kernels/gemm/linear.def"

// The software twins of vdpbf16ps and AMX: same indexing, run by tests on machines without those
// instructions.
using DotTwin = DotPolicy<SoftwareDot>;
using BlockedDotTwin = BlockedCore<DotTwin, Bf16>;
STOOP_LINEAR_PORTS(dot_twin, DotTwin, BlockedDotTwin, Bf16)
extern "C" void stoop_linear_tile_twin_many(const stoop_kernel_args *args, const LinearParams *p) {
  gemm<TiledCore<SoftwareTiles>, Bf16>(args, p, valid_rows(args, kAnyRows));
}
extern "C" void stoop_linear_quant_tile_twin_many(const stoop_kernel_args *args,
                                                  const LinearParams *p) {
  gemm<QuantTiledCore<SoftwareTiles>, Bf16>(args, p, valid_rows(args, kAnyRows));
}

}  // namespace stoop::kernels

#endif

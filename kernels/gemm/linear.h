// The ports of the template "linear": entries of up to four rows go through gemv, all else through
// gemm.
//
// Ports are named stoop_linear_<weights>_<input>. Each feature level picks its arithmetic
// for bfloat16 by bfloat16; every other combination is multiplied in float32.
#ifndef STOOP_KERNELS_GEMM_LINEAR_H
#define STOOP_KERNELS_GEMM_LINEAR_H

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/tile_gemm.h"
#include "kernels/gemv/gemv.h"

namespace stoop::kernels {

// How a pair of element types is multiplied at this level.
template <class W, class X>
struct LinearPolicy {
  using Few = FmaPolicy<W>;
  using Many = BlockedCore<FmaPolicy<W>, X>;
};
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

// A batch entry of two to four rows always multiplies all of them, zeros for those that this step
// lacks.
template <class Few, class Many, class X>
STOOP_INLINE void linear(const stoop_kernel_args *args, const LinearParams *p) {
  const i64 rows = valid_rows(args, p->max_rows);
  if (p->max_rows == 1) return gemv<Few, X, 1>(args, p, 1);
  if (p->max_rows == 2) return gemv<Few, X, 2>(args, p, rows);
  if (p->max_rows == 3) return gemv<Few, X, 3>(args, p, rows);
  if (p->max_rows == 4) return gemv<Few, X, 4>(args, p, rows);
  gemm<Many, X>(args, p, rows);
}

#define STOOP_LINEAR(w, x)                                                                       \
  extern "C" void stoop_linear_##w##_##x(const stoop_kernel_args *args, const LinearParams *p) { \
    using Policy = LinearPolicy<element::w, element::x>;                                         \
    linear<Policy::Few, Policy::Many, element::x>(args, p);                                      \
  }
#include "kernels/gemm/linear.def"

// The software twins of vdpbf16ps and AMX: same indexing, run by tests on machines without those
// instructions.
extern "C" void stoop_linear_dot_twin(const stoop_kernel_args *args, const LinearParams *p) {
  using Twin = DotPolicy<SoftwareDot>;
  linear<Twin, BlockedCore<Twin, Bf16>, Bf16>(args, p);
}
extern "C" void stoop_linear_tile_twin(const stoop_kernel_args *args, const LinearParams *p) {
  linear<DotPolicy<SoftwareDot>, TiledCore<SoftwareTiles>, Bf16>(args, p);
}

}  // namespace stoop::kernels

#endif

// The ports of the template "linear": one row, and batches of up to four, go through gemv, all else
// through gemm.
//
// Ports are named stoop_linear_<weights>_<input>_<output>. Each feature level picks its arithmetic
// for bfloat16 by bfloat16; every other combination is multiplied in float32.
#ifndef STOOP_KERNELS_GEMM_LINEAR_H
#define STOOP_KERNELS_GEMM_LINEAR_H

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/tile_gemm.h"
#include "kernels/gemv/gemv.h"

namespace stoop::kernels {

struct BlockedGemm {
  template <class P, class X, class Y>
  STOOP_INLINE static void run(const stoop_kernel_args *args, const LinearParams *p, i64 rows) {
    gemm<P, X, Y>(args, p, rows);
  }
};
template <class Tiles>
struct TiledGemm {
  template <class P, class X, class Y>
  STOOP_INLINE static void run(const stoop_kernel_args *args, const LinearParams *p, i64 rows) {
    tile_gemm<Tiles, Y>(args, p, rows);
  }
};

// How a pair of element types is multiplied at this level.
template <class W, class X>
struct LinearPolicy {
  using Core = FmaPolicy<W>;
  using Gemm = BlockedGemm;
};
#if defined(__AVX512BF16__)
template <>
struct LinearPolicy<Bf16, Bf16> {
  using Core = DotPolicy<HardwareDot>;
#if defined(__AMX_BF16__)
  using Gemm = TiledGemm<HardwareTiles>;
#else
  using Gemm = BlockedGemm;
#endif
};
#endif

template <class P, class X, class Y, class Gemm>
STOOP_INLINE void linear(const stoop_kernel_args *args, const LinearParams *p) {
  const i64 rows = valid_rows(args, p->max_rows);
  if (rows == 1) return gemv<P, X, Y, 1>(args, p, 1);
  // A batch entry of two to four rows always multiplies all of them, zeros for those that this step
  // lacks.
  if (p->max_rows == 2) return gemv<P, X, Y, 2>(args, p, rows);
  if (p->max_rows == 3) return gemv<P, X, Y, 3>(args, p, rows);
  if (p->max_rows == 4) return gemv<P, X, Y, 4>(args, p, rows);
  if (p->max_rows > kGemvRows) Gemm::template run<P, X, Y>(args, p, rows);
}

#define STOOP_LINEAR(w, x, y)                                                 \
  extern "C" void stoop_linear_##w##_##x##_##y(const stoop_kernel_args *args, \
                                               const LinearParams *p) {       \
    using Policy = LinearPolicy<element::w, element::x>;                      \
    linear<Policy::Core, element::x, element::y, Policy::Gemm>(args, p);      \
  }
#include "kernels/gemm/linear.def"

// The software twins of vdpbf16ps and AMX: same indexing, run by tests on machines without those
// instructions.
extern "C" void stoop_linear_dot_twin(const stoop_kernel_args *args, const LinearParams *p) {
  using Twin = DotPolicy<SoftwareDot>;
  linear<Twin, Bf16, Bf16, BlockedGemm>(args, p);
}
extern "C" void stoop_linear_tile_twin(const stoop_kernel_args *args, const LinearParams *p) {
  using Twin = DotPolicy<SoftwareDot>;
  linear<Twin, Bf16, Bf16, TiledGemm<SoftwareTiles>>(args, p);
}

}  // namespace stoop::kernels

#endif

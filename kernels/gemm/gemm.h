// Linear for many rows (prefill): a blocked matrix product on packed activations.
//
// Per thread: for 48 rows, for 512 of its columns, for 1024 of the inner dimension: pack the rows
// (192 KiB at most), then run the register-blocked core over strips of 6 rows; sums of unfinished
// inner blocks wait in scratch (96 KiB). So scratch is a constant, the packed block and one panel
// stay in L2, and weights come from memory once every 48 rows. Bound: FMA (or vdpbf16ps) issue.
#ifndef STOOP_KERNELS_GEMM_GEMM_H
#define STOOP_KERNELS_GEMM_GEMM_H

#include "kernels/common/args.h"
#include "kernels/common/hook.h"
#include "kernels/common/params.h"
#include "kernels/common/scratch.h"
#include "kernels/gemm/micro_kernel.h"

namespace stoop::kernels {

#if defined(__AVX512F__)
constexpr int kGemmPanels = 4;  // 24 of 32 registers accumulate
#else
constexpr int kGemmPanels = 1;  // 12 of 16
#endif
constexpr int kGemmStrip = 6;

// One strip of rows times NP panels, for one block of the inner dimension. `sums` is
// [NP][kGemmStrip][16] apart by `sums_panel` floats; the first inner block starts from zero.
template <class P, int NP>
STOOP_INLINE void gemm_tile(const typename P::A *a, const typename P::Weight *w, i64 panel_elements,
                            i64 units, float *sums, i64 sums_panel, bool first) {
  f32x16 acc[kGemmStrip][NP];
#pragma clang loop unroll(full)
  for (int r = 0; r < kGemmStrip; ++r)
#pragma clang loop unroll(full)
    for (int p = 0; p < NP; ++p)
      acc[r][p] = first ? splat(0.0f) : load_vector<f32x16>(sums + p * sums_panel + r * kLanes);
  multiply<P, kGemmStrip, NP, 1>(a, w, panel_elements, units, 0, acc);
#pragma clang loop unroll(full)
  for (int r = 0; r < kGemmStrip; ++r)
#pragma clang loop unroll(full)
    for (int p = 0; p < NP; ++p) store_vector(sums + p * sums_panel + r * kLanes, acc[r][p]);
}

// Runs the hook over a finished block. sums: [panel][row][16].
template <class Y>
STOOP_INLINE void gemm_finish(const stoop_kernel_args *args, const LinearParams *p,
                              const float *sums, i64 row0, i64 rows, i64 panel0, i64 panels,
                              i64 sums_panel) {
  typename Y::T *y = buffer<typename Y::T>(args, p->y_operand);
#pragma clang loop unroll(disable)
  for (i64 row = 0; row < rows; ++row)
#pragma clang loop unroll(disable)
    for (i64 panel = 0; panel < panels; ++panel)
      finish<Y>(load_vector<f32x16>(sums + panel * sums_panel + row * kLanes),
                y + (row0 + row) * p->y_stride, row0 + row, (panel0 + panel) * kLanes, p->n,
                args->buffers);
}

template <class P, class X, class Y>
STOOP_INLINE void gemm(const stoop_kernel_args *args, const LinearParams *p, i64 num_rows) {
  const typename X::T *x = buffer<const typename X::T>(args, p->x_operand);
  const auto *w = buffer<const typename P::Weight>(args, p->w_operand);
  const i64 panel_elements = divide_up(p->k, P::kUnitColumns) * P::kUnitElements;
  const Range mine = my_share(args, divide_up(p->n, kLanes));
  Scratch scratch(args);
  auto *a =
      scratch.take<typename P::A>(kGemmBlockRows * kGemmBlockInner * P::kSubs / P::kUnitColumns);
  float *sums = scratch.take<float>(kGemmBlockRows * kGemmBlockPanels * kLanes);
  constexpr i64 kSumsPanel = kGemmBlockRows * kLanes;

  for (i64 row0 = 0; row0 < num_rows; row0 += kGemmBlockRows) {
    const i64 rows = min_of(kGemmBlockRows, num_rows - row0);
    const i64 strips = divide_up(rows, kGemmStrip);
    for (i64 panel0 = mine.begin; panel0 < mine.end; panel0 += kGemmBlockPanels) {
      const i64 panels = min_of(kGemmBlockPanels, mine.end - panel0);
      for (i64 k0 = 0; k0 < p->k; k0 += kGemmBlockInner) {
        const i64 columns = min_of(kGemmBlockInner, p->k - k0);
        const i64 units = divide_up(columns, P::kUnitColumns);
        const i64 strip_elements = units * kGemmStrip * P::kSubs;
        pack_rows<P, X, kGemmStrip>(a, x + row0 * p->x_stride, p->x_stride, rows, k0, columns);
        const auto *block = w + panel0 * panel_elements + k0 / P::kUnitColumns * P::kUnitElements;
        i64 panel = 0;
#pragma clang loop unroll(disable)
        for (; panel + kGemmPanels <= panels; panel += kGemmPanels)
#pragma clang loop unroll(disable)
          for (i64 s = 0; s < strips; ++s)
            gemm_tile<P, kGemmPanels>(
                a + s * strip_elements, block + panel * panel_elements, panel_elements, units,
                sums + panel * kSumsPanel + s * kGemmStrip * kLanes, kSumsPanel, k0 == 0);
        if constexpr (kGemmPanels > 1)
#pragma clang loop unroll(disable)
          for (; panel < panels; ++panel)
#pragma clang loop unroll(disable)
            for (i64 s = 0; s < strips; ++s)
              gemm_tile<P, 1>(
                  a + s * strip_elements, block + panel * panel_elements, panel_elements, units,
                  sums + panel * kSumsPanel + s * kGemmStrip * kLanes, kSumsPanel, k0 == 0);
      }
      gemm_finish<Y>(args, p, sums, row0, rows, panel0, panels, kSumsPanel);
    }
  }
}

}  // namespace stoop::kernels

#endif

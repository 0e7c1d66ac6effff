// Few rows times streams of integer weights: the quantised half of gemv.h. Activations become integers
// or stay float32, as the parameters say; they are constants, so one of the two is compiled.
#ifndef STOOP_KERNELS_QUANT_STREAM_H
#define STOOP_KERNELS_QUANT_STREAM_H

#include "kernels/gemv/gemv.h"
#include "kernels/quant/float_rows.h"
#include "kernels/quant/integer_core.h"

namespace stoop::kernels {

// The policy's name; its products say by `quant_group` which scheme each weight has.
struct IntegerPolicy {
  using A = uint32_t;
};

template <class X, int R>
struct FewRows<IntegerPolicy, X, R> {
  // Inputs lie one behind the other; `packed` counts columns in whole scales.
  template <class Rows>
  STOOP_INLINE static Rows rows_of(uint32_t *packed, const LinearInput *in) {
    return {reinterpret_cast<char *>(packed) + Rows::bytes(in->packed), in->columns};
  }

  template <class Rows>
  STOOP_INLINE static void pack_as(const Prologue<X> &prologue, const LinearParams *p, i64 rows,
                                   uint32_t *packed) {
#pragma clang loop unroll(disable)
    for (i64 i = 0; i < p->num_inputs; ++i) {
      const LinearInput *in = linear_inputs(p) + i;
      if (in->packed < 0) continue;
      Rows out = rows_of<Rows>(packed, in);
#pragma clang loop unroll(disable)
      for (int row = 0; row < R; ++row)
#pragma clang loop unroll(disable)
        for (i64 k = 0; k < in->columns; k += kChunkColumns) {
          const bool exists = R == 1 || row < rows;
          const i64 columns = min_of(kChunkColumns, in->columns - k);
          const typename X::T *x = exists ? prologue.columns_of(in, 0, row, k, columns) : nullptr;
#pragma clang loop unroll(disable)
          for (i64 c = 0; c < columns; c += kScaleColumns)
            out.template pack<X>(row, x + c, k + c, exists ? columns - c : 0);
        }
    }
  }

  template <class Rows>
  STOOP_INLINE static void multiply_as(const stoop_kernel_args *args, const LinearParams *p,
                                       const LinearProduct *product, uint32_t *packed, i64 panel0,
                                       i64 panels, float *sums) {
    const QuantLayout layout{product->quant_group, product->k};
    const Rows x = rows_of<Rows>(packed, linear_inputs(p) + product->input);
    const char *w = buffer<const char>(args, product->w_operand) + panel0 * layout.panel_bytes();
#pragma clang loop unroll(disable)
    for (i64 panel = 0; panel < panels; ++panel) {
      f32x16 acc[R];
      multiply_panel<R>(layout, w + panel * layout.panel_bytes(), x, p->prefetch, acc);
#pragma clang loop unroll(full)
      for (int r = 0; r < R; ++r) store_vector(sums + (panel * R + r) * kLanes, acc[r]);
    }
  }

  STOOP_INLINE static void pack(const Prologue<X> &prologue, const LinearParams *p, i64 rows,
                                uint32_t *packed) {
    if (p->quantized == kFloatActivations)
      pack_as<FloatRows<R>>(prologue, p, rows, packed);
    else
      pack_as<IntegerRows<R>>(prologue, p, rows, packed);
  }

  STOOP_INLINE static void multiply_panels(const stoop_kernel_args *args, const LinearParams *p,
                                           const LinearProduct *product, uint32_t *packed,
                                           i64 panel0, i64 panels, float *sums) {
    if (p->quantized == kFloatActivations)
      multiply_as<FloatRows<R>>(args, p, product, packed, panel0, panels, sums);
    else
      multiply_as<IntegerRows<R>>(args, p, product, packed, panel0, panels, sums);
  }
};

}  // namespace stoop::kernels

#endif

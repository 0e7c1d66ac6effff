// Constant parameters of the CPU kernel templates.
//
// The code generator fills one struct per kernel and emits its bytes as a constant global, so that
// LLVM folds every field after inlining. Plain 8-byte fields (float64 for real numbers): the host
// compiler and clang's bitcode agree on the layout, and there is no padding. `*_operand` fields
// index stoop_kernel_args.buffers; strides count elements.
#ifndef STOOP_KERNELS_COMMON_PARAMS_H
#define STOOP_KERNELS_COMMON_PARAMS_H

#include <stdint.h>

namespace stoop::kernels {

// `max_rows` of a kernel whose code is the same for any number of rows: buckets of different sizes
// then share it.
constexpr int64_t kAnyRows = int64_t(1) << 31;

// y[row][col] = hook(sum_k x[row][k] * w[col][k]), w in panel16 layout.
struct LinearParams {
  int64_t x_operand, w_operand, y_operand;
  int64_t x_stride, y_stride;
  int64_t n, k;      // output columns, inner length
  int64_t max_rows;  // rows of the entry: 1 lets LLVM drop the prefill half, up to 4 share one
                     // weight pass
  int64_t prefetch;  // bytes ahead in the weight stream when few rows are multiplied
};

// y[row][col] = hook(0): the hook loads all operands itself.
struct ElementwiseParams {
  int64_t y_operand, y_stride, columns, max_rows;
};

struct NormParams {
  int64_t x_operand, gamma_operand, beta_operand /* unused by rms */, y_operand;
  int64_t x_stride, y_stride, columns, max_rows;
  double epsilon;
};

// y[row] = row tokens[row] of a panel16 matrix of `vocab` rows and `columns` columns.
struct EmbeddingParams {
  int64_t tokens_operand, w_operand, y_operand;
  int64_t y_stride, columns, vocab, max_rows;
};

struct RopeParams {
  int64_t x_operand, positions_operand, table_operand, y_operand;
  int64_t x_stride, y_stride, heads, head_dim, table_rows, max_rows;
};

struct KvAppendParams {
  int64_t kv_operand, k_operand, v_operand, positions_operand, slots_operand;
  int64_t k_stride, v_stride, batch, heads, positions, head_dim, max_rows;
};

enum AlibiMode : int64_t { kAlibiNone = 0, kAlibiHf = 1, kAlibiExact = 2 };

struct AttentionParams {
  int64_t q_operand, kv_operand, positions_operand, slots_operand, y_operand;
  int64_t q_stride, y_stride, batch, heads, kv_heads, positions, head_dim, max_rows;
  int64_t alibi;  // AlibiMode
  double scale;
};

struct GatherLastParams {
  int64_t x_operand, y_operand, x_stride, columns, max_rows;
};

}  // namespace stoop::kernels

#endif

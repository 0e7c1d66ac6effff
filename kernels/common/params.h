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

// Element types by number. Kernels branch on them where a template argument would multiply the
// ports; the branches fold like every other use of a parameter.
enum ElementType : int64_t {
  kElementF32 = 0,
  kElementBf16 = 1,
  kElementF16 = 2,
  kElementQuantized = 3  // of an embedding matrix only
};

enum NormKind : int64_t { kNoNorm = 0, kLayerNorm = 1, kRmsNorm = 2 };

// The parameters of `linear` describe a whole fused region: this header, then the arrays that it
// counts, back to back. A region is a list of *segments*; a segment is a few *products* with the
// same number of output columns, whose sums enter one hook. Products read *inputs*: rows in memory,
// or rows that the *prologue* makes of one source. What the hook does not store itself it leaves to
// the segment's *parts*: column ranges that are rotated, stored or appended to a cache.
enum RowSource : int64_t { kNoRows = 0, kRows = 1, kLastRow = 2, kEmbeddedRows = 3 };

// Moments of blocks of columns (lm.block_moments): where a launch leaves or finds them. block 0: nowhere.
struct Moments {
  int64_t kind;   // NormKind
  int64_t block;  // columns
  int64_t operand, stride;
};

// The rows that norms read, at most one value in a region.
struct LinearPrologue {
  int64_t source;           // RowSource
  int64_t operand, stride;  // rows in memory, or the embedding matrix (panel16)
  int64_t element;          // ElementType of the rows; embedded ones are float32
  int64_t tokens_operand, vocab, table_element;  // of an embedding
  int64_t table_group;                           // of a quantised one, as LinearProduct's
  int64_t columns;
  int64_t yield_operand, yield_stride;  // where the rows go besides; -1: nowhere
  int64_t norm;                         // NormKind of all norms, which share the statistics
  double epsilon;
  Moments moments;  // of the rows, if somebody left them
};

enum InputKind : int64_t { kMemoryInput = 0, kSourceInput = 1, kNormInput = 2 };

// Rows that products read, in the activations' element type.
struct LinearInput {
  int64_t kind;                         // InputKind
  int64_t operand, stride;              // of kMemoryInput
  int64_t columns;                      // inner length of the products that read it
  int64_t gamma_operand, beta_operand;  // of kNormInput
  int64_t yield_operand, yield_stride;  // where a norm's rows go besides; -1: nowhere
  // Columns of inputs before it, each rounded up to even (beside quantised weights to
  // kScaleColumns); -1: no product reads it.
  int64_t packed;
};

struct LinearSegment {
  int64_t n;  // output columns
  int64_t first_product, num_products;
  int64_t
      unit_panels;  // panels of 16 columns that parts need together: whole heads; 1 without parts
  int64_t first_part, num_parts;
  // Cost of the segments before it; a panel costs the sum of its products' k (integers: bytes).
  int64_t first_cost;
  int64_t panel_cost;
};

// Sums over k of input row times weight row (panel16).
struct LinearProduct {
  int64_t input, w_operand, k;
  int64_t quant_group;  // of quantised weights: columns of an int4 group; 0: int8
};

// Columns [begin, end) of a value that the hook left in the tail row, and what becomes of them.
struct LinearPart {
  int64_t value;                                // which of the tail's values
  int64_t begin, end;                           // of the segment
  int64_t table_operand, positions_operand;     // rope; table -1: none
  int64_t table_rows, head_dim;                 // head_dim also of a cache
  int64_t store_operand, store_stride;          // result; -1: none
  int64_t kv_operand, slots_operand, is_value;  // cache; -1: none
  int64_t batch, kv_heads, positions;           // of the cache
};

// Moments of what a segment stores: `value` is a result, of `columns` columns.
struct LinearMoments {
  int64_t segment;
  int64_t value_operand, value_stride, value_element, columns;
  Moments moments;
};

// Whether weights are integers, and what activations become beside them when rows are few.
enum Quantized : int64_t { kFloatWeights = 0, kIntegerActivations = 1, kFloatActivations = 2 };

struct LinearParams {
  int64_t max_rows;  // rows of the entry; up to 4 share one pass over the weights
  int64_t prefetch;  // bytes ahead in the weight stream when few rows are multiplied
  int64_t num_inputs, num_segments, num_products, num_parts, num_moments;
  int64_t packed_columns;  // of all inputs
  int64_t total_cost;      // of all segments
  int64_t num_yields;      // inputs and sources that are stored besides
  int64_t most_products;   // of a segment
  int64_t most_unit_panels;
  int64_t tail_values;    // most values that a hook leaves to parts
  int64_t whole_panels;   // whether every segment's n is a multiple of 16
  int64_t part_element;   // ElementType of what parts round to and store
  int64_t cache_element;  // ElementType of the caches
  int64_t quantized;      // Quantized
  // The schedule's blocks (scratch.h): panels of each product whose sums wait together; of many rows
  // also rows and inner columns of a block, and panels that a thread has at least before threads
  // share out rows instead of columns.
  int64_t block_panels, block_rows, block_inner, split_panels;
  LinearPrologue prologue;
};

[[gnu::always_inline]] inline const LinearInput *linear_inputs(const LinearParams *p) {
  return reinterpret_cast<const LinearInput *>(p + 1);
}
[[gnu::always_inline]] inline const LinearSegment *linear_segments(const LinearParams *p) {
  return reinterpret_cast<const LinearSegment *>(linear_inputs(p) + p->num_inputs);
}
[[gnu::always_inline]] inline const LinearProduct *linear_products(const LinearParams *p) {
  return reinterpret_cast<const LinearProduct *>(linear_segments(p) + p->num_segments);
}
[[gnu::always_inline]] inline const LinearPart *linear_parts(const LinearParams *p) {
  return reinterpret_cast<const LinearPart *>(linear_products(p) + p->num_products);
}

[[gnu::always_inline]] inline const LinearMoments *linear_moments(const LinearParams *p) {
  return reinterpret_cast<const LinearMoments *>(linear_parts(p) + p->num_parts);
}

// The hook does everything: it loads its operands and stores its results.
struct ElementwiseParams {
  int64_t columns, max_rows;
};

struct NormParams {
  int64_t x_operand, gamma_operand, beta_operand /* unused by rms */, y_operand;
  int64_t x_stride, y_stride, columns, max_rows;
  double epsilon;
  Moments moments;  // of x, if somebody left them
};

struct MomentsParams {
  int64_t x_operand, x_stride, columns, max_rows;
  Moments moments;
};

// y[row] = row tokens[row] of a panel16 matrix of `vocab` rows and `columns` columns.
struct EmbeddingParams {
  int64_t tokens_operand, w_operand, y_operand;
  int64_t y_stride, columns, vocab, max_rows;
  int64_t quant_group;  // of a quantised matrix, as LinearProduct's
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

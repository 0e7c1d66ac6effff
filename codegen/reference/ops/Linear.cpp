//===- Linear.cpp - matrix product of the reference -------------------------------------------===//
//
// y[t][n] = sum over k of x[t][k] * w[n][k]. A product of two float32 values is exact in double, so
// the only roundings are those of the sum (double) and of the stored result. Blocks of four weight
// rows by three tokens keep the accumulators in registers; the order of the sum depends on K alone.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/ops/Ops.h"

#include "llvm/Support/Parallel.h"

#include <algorithm>

namespace stoop::reference {
namespace {

constexpr int64_t kLanes = 4, kRowBlock = 4, kTokenBlock = 3;
/// Bytes of the tokens that are multiplied by a block of rows before the next block: they stay in cache.
constexpr int64_t kPanelBytes = 384 << 10;
/// Rows of one parallel task, a multiple of kRowBlock.
constexpr int64_t kTaskRows = 16 * kRowBlock;

typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double)), aligned(8), may_alias));

/// out[r][t] = dot(w + r * stride, x + t * stride) for `kRowBlock` rows and `Tokens` tokens. Loops
/// are unrolled so that the sums live in registers.
template <int Tokens>
[[gnu::always_inline]] inline void dotBlock(const double *w, const double *x, int64_t stride,
                                            double (*out)[kTokenBlock]) {
  Lanes sums[kRowBlock][Tokens] = {};
  for (int64_t k = 0; k < stride; k += kLanes) {
    Lanes xs[Tokens];
#pragma GCC unroll 4
    for (int t = 0; t < Tokens; ++t)
      xs[t] = *reinterpret_cast<const Lanes *>(x + t * stride + k);
#pragma GCC unroll 4
    for (int r = 0; r < kRowBlock; ++r) {
      Lanes ws = *reinterpret_cast<const Lanes *>(w + r * stride + k);
#pragma GCC unroll 4
      for (int t = 0; t < Tokens; ++t)
        sums[r][t] += ws * xs[t];
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRowBlock; ++r)
#pragma GCC unroll 4
    for (int t = 0; t < Tokens; ++t)
      out[r][t] = (sums[r][t][0] + sums[r][t][1]) + (sums[r][t][2] + sums[r][t][3]);
}

// Cloned by feature: "arch=" would be one vendor's model alone. The sums do not depend on the clone,
// since a fused product of two float32 values is the exact one.
[[gnu::target_clones("fma", "default")]] void
dotOneToken(const double *w, const double *x, int64_t stride, double (*out)[kTokenBlock]) {
  dotBlock<1>(w, x, stride, out);
}

[[gnu::target_clones("fma", "default")]] void
dotThreeTokens(const double *w, const double *x, int64_t stride, double (*out)[kTokenBlock]) {
  dotBlock<kTokenBlock>(w, x, stride, out);
}

} // namespace

void parallelRows(size_t count, double work, llvm::function_ref<void(size_t)> body) {
  constexpr double kWorthThreads = 1e5;
  if (work < kWorthThreads) {
    for (size_t i = 0; i < count; ++i)
      body(i);
    return;
  }
  llvm::parallelFor(0, count, body);
}

/// Multiplies `count` weight rows, the first of which is output `row`, by tokens [begin, end).
static void multiplyPanel(const std::vector<double> &w, const std::vector<double> &wide,
                          int64_t stride, int64_t begin, int64_t end, int64_t row, int64_t count,
                          Tensor &y) {
  double sums[kRowBlock][kTokenBlock];
  for (int64_t t = begin; t < end;) {
    bool full = end - t >= kTokenBlock;
    (full ? dotThreeTokens : dotOneToken)(w.data(), wide.data() + t * stride, stride, sums);
    int64_t tokens = full ? kTokenBlock : 1;
    for (int64_t r = 0; r < count; ++r)
      for (int64_t i = 0; i < tokens; ++i)
        y.set(t + i, row + r, sums[r][i]);
    t += tokens;
  }
}

Tensor linear(const Tensor &x, const Tensor &weight, Element result) {
  assert(x.cols() == weight.cols() && "inner dimensions differ");
  int64_t rows = x.rows(), outputs = weight.rows(), inner = x.cols();
  int64_t stride = (inner + kLanes - 1) / kLanes * kLanes;
  std::vector<double> wide(rows * stride);
  for (int64_t t = 0; t < rows; ++t)
    std::copy(x.row(t).begin(), x.row(t).end(), wide.begin() + t * stride);

  int64_t blocks = kPanelBytes / (kTokenBlock * stride * int64_t(sizeof(double)));
  int64_t panelTokens = std::max<int64_t>(blocks, 1) * kTokenBlock;
  Tensor y(rows, outputs, result);
  int64_t tasks = (outputs + kTaskRows - 1) / kTaskRows;
  parallelRows(tasks, double(rows) * outputs * inner, [&](size_t task) {
    int64_t begin = static_cast<int64_t>(task) * kTaskRows;
    std::vector<double> w(kRowBlock * stride);
    for (int64_t panel = 0; panel < rows; panel += panelTokens)
      for (int64_t row = begin; row < std::min(outputs, begin + kTaskRows); row += kRowBlock) {
        int64_t count = std::min(kRowBlock, outputs - row);
        for (int64_t r = 0; r < count; ++r)
          std::copy(weight.row(row + r).begin(), weight.row(row + r).end(), w.begin() + r * stride);
        multiplyPanel(w, wide, stride, panel, std::min(rows, panel + panelTokens), row, count, y);
      }
  });
  return y;
}

} // namespace stoop::reference

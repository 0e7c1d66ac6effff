//===- SplitTest.cpp - kernels deal out what split.h says ----------------===//
//
// The report tells how many pieces a kernel's work has by the functions of kernels/common/split.h.
// Here each kernel runs on more threads than that: exactly so many write something.
//
//===----------------------------------------------------------------------===//
#include "kernels/common/split.h"
#include "test/kernels/KernelHarness.h"
#include "test/kernels/References.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;

namespace {
/// How many of `threads` threads write to the last of `buffers`, which starts as NaN everywhere.
int64_t workingThreads(const codegen::KernelSpec &spec, const std::vector<Buffer *> &buffers,
                       uint32_t rows, uint32_t threads) {
  LoadedKernel kernel(spec, *runnableLevels().front());
  std::vector<void *> pointers;
  for (Buffer *buffer : buffers)
    pointers.push_back(buffer->data());
  stoop_step step = {};
  step.num_rows = rows;
  std::vector<unsigned char> scratch(spec.scratchBytes + 64);
  void *aligned = reinterpret_cast<void *>((reinterpret_cast<uintptr_t>(scratch.data()) + 63) / 64 * 64);
  int64_t working = 0;
  for (uint32_t t = 0; t < threads; ++t) {
    std::memset(buffers.back()->data(), 0xff, buffers.back()->size());
    stoop_kernel_args args = {pointers.data(), &step, t, threads, aligned};
    kernel.function()(&args);
    const auto *bytes = static_cast<const unsigned char *>(buffers.back()->data());
    working += std::any_of(bytes, bytes + buffers.back()->size(), [](unsigned char b) { return b != 0xff; });
  }
  return working;
}

TEST(Split, AttentionDealsBlocksOfRowsOrPiecesOfGroups) {
  struct {
    int64_t rows, heads, kvHeads;
    bool oneSequence;
  } cases[] = {{1, 8, 2, false}, {1, 71, 1, false}, {3, 6, 2, false}, {70, 6, 2, true}, {33, 5, 5, true}};
  for (auto c : cases) {
    SCOPED_TRACE(std::to_string(c.rows) + " rows, " + std::to_string(c.heads) + " heads");
    constexpr int64_t kPositions = 80, kHeadDim = 16;
    int64_t width = c.heads * kHeadDim, slots = c.oneSequence ? 1 : c.rows;
    kernels::AttentionParams p = {};
    p.kv_operand = 1, p.positions_operand = 2, p.slots_operand = 3, p.y_operand = 4;
    p.q_stride = p.y_stride = width;
    p.batch = slots, p.heads = c.heads, p.kv_heads = c.kvHeads;
    p.positions = kPositions, p.head_dim = kHeadDim, p.max_rows = c.rows, p.scale = 1;
    std::mt19937_64 random(runSeed() + c.heads);
    std::vector<int32_t> position, slot;
    for (int64_t r = 0; r < c.rows; ++r) {
      position.push_back(int32_t(r));
      slot.push_back(c.oneSequence ? 0 : int32_t(r));
    }
    Buffer q = Buffer::of(Element::F32, randomValues(random, c.rows * width, Element::F32)),
           kv = Buffer::of(Element::F32, randomValues(random, 2 * slots * c.kvHeads * kPositions * kHeadDim,
                                                      Element::F32)),
           positions = Buffer::of(position), slotsBuffer = Buffer::of(slot), y(c.rows * width * 4);
    codegen::KernelSpec spec = makeSpec("stoop_attention_f32_f32", p,
                                        kernels::attention_scratch_bytes(kHeadDim, c.heads / c.kvHeads));
    spec.table = {0};
    int64_t all = kernels::attention_split(p, c.rows, c.rows * c.heads, c.oneSequence).items;
    EXPECT_EQ(all, c.oneSequence ? c.heads * ((c.rows + kernels::kQueryRows - 1) / kernels::kQueryRows) : c.rows * c.heads);
    for (int64_t threads : {int64_t(1), int64_t(2), int64_t(5), all + 3}) {
      int64_t items = kernels::attention_split(p, c.rows, threads, c.oneSequence).items;
      EXPECT_EQ(workingThreads(spec, {&q, &kv, &positions, &slotsBuffer, &y}, c.rows, threads),
                std::min(items, threads))
          << "of " << threads;
    }
  }
}

TEST(Split, LinearDealsUnitsOfColumnsAndBlocksOfRows) {
  for (int64_t rows : {int64_t(1), int64_t(3), 2 * kernels::kGemmBlockRows + 4}) {
    LinearShape shape = {};
    shape.n = 16 * 7 + 5, shape.k = 32, shape.xStride = 32, shape.yStride = shape.n;
    shape.maxRows = rows <= kernels::kGemvRows ? rows : kernels::kAnyRows;
    codegen::KernelSpec spec = linearSpec("stoop_linear_f32_f32", shape);
    const auto *p = reinterpret_cast<const kernels::LinearParams *>(spec.params.data());
    int64_t units = kernels::segment_units(kernels::linear_segments(p)[0]);
    EXPECT_EQ(units, 8);
    std::mt19937_64 random(runSeed() + rows);
    Buffer x = Buffer::of(Element::F32, randomValues(random, rows * shape.k, Element::F32)),
           w = packPanel16(Element::F32, randomValues(random, shape.n * shape.k, Element::F32), shape.n, shape.k),
           y(rows * shape.n * 4);
    // An odd number of threads shares columns alone, a power of two rows as well.
    EXPECT_EQ(workingThreads(spec, {&x, &w, &y}, rows, 2 * units + 1), units);
    if (rows <= kernels::kGemvRows)
      continue;
    int64_t rowBlocks = kernels::pieces_of(rows, p->block_rows);
    EXPECT_EQ(rowBlocks, 3);
    EXPECT_EQ(workingThreads(spec, {&x, &w, &y}, rows, 2 * units), 2 * units);
  }
}

template <class Params> void expectItems(const char *port, Params p, std::vector<Buffer *> buffers, int64_t rows) {
  int64_t items = kernels::split_items(p, rows);
  EXPECT_EQ(workingThreads(makeSpec(port, p, 0), buffers, rows, items + 5), items) << port;
  EXPECT_EQ(workingThreads(makeSpec(port, p, 0), buffers, rows, items), items) << port;
}

TEST(Split, RowKernelsDealRowsHeadsAndColumns) {
  constexpr int64_t kRows = 5, kHeads = 3, kHeadDim = 8, kColumns = kHeads * kHeadDim;
  std::mt19937_64 random(runSeed());
  auto values = [&](int64_t count) { return Buffer::of(Element::F32, randomValues(random, count, Element::F32)); };
  Buffer x = values(kRows * kColumns), gamma = values(kColumns), beta = values(kColumns), table = values(kRows * kHeadDim),
         y(kRows * kColumns * 4), positions = Buffer::of({0, 1, 2, 3, 4}), slots = Buffer::of({0, 0, 0, 0, 0}),
         matrix = packPanel16(Element::F32, randomValues(random, 16 * kColumns, Element::F32), 16, kColumns),
         cache(2 * kHeads * kRows * kHeadDim * 4);
  kernels::NormParams norm = {0, 1, 2, 3, kColumns, kColumns, kColumns, kernels::kAnyRows, 1e-5, {}};
  expectItems("stoop_layer_norm_f32_f32", norm, {&x, &gamma, &beta, &y}, kRows);
  kernels::MomentsParams moments = {0, kColumns, kColumns, kernels::kAnyRows, {kernels::kRmsNorm, 7, 1, 4}};
  expectItems("stoop_block_moments_f32", moments, {&x, &y}, kRows);
  kernels::EmbeddingParams embedding = {0, 1, 2, kColumns, kColumns, 16, kernels::kAnyRows, 0};
  expectItems("stoop_embedding_f32_f32", embedding, {&positions, &matrix, &y}, kRows);
  kernels::RopeParams rope = {0, 1, 2, 3, kColumns, kColumns, kHeads, kHeadDim, kRows, kernels::kAnyRows};
  expectItems("stoop_rope_f32", rope, {&x, &positions, &table, &y}, kRows);
  kernels::KvAppendParams append = {4, 0, 1, 2, 3, kColumns, kColumns, 1, kHeads, kRows, kHeadDim, kernels::kAnyRows};
  expectItems("stoop_kv_append_f32_f32", append, {&x, &x, &positions, &slots, &cache}, kRows);
  kernels::GatherLastParams gather = {0, 1, kColumns, kColumns, kernels::kAnyRows};
  expectItems("stoop_gather_last_f32", gather, {&x, &y}, kRows);
}
} // namespace

//===- AttentionTest.cpp - the attention and kv_append templates ----------===//
//
// Prefill and decode, every head dimension class, group sizes from one to many, ALiBi modes,
// several sequences, positions that end inside and at block borders, caches of every element type.
//
//===----------------------------------------------------------------------===//
#include "kernels/common/params.h"
#include "kernels/common/scratch.h"
#include "test/kernels/KernelHarness.h"
#include "test/kernels/References.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;

namespace {
kernels::AttentionParams params(const AttentionCase &c, int64_t maxRows, int64_t stride) {
  kernels::AttentionParams p = {};
  p.q_operand = 0;
  p.kv_operand = 1;
  p.positions_operand = 2;
  p.slots_operand = 3;
  p.y_operand = 4;
  p.q_stride = p.y_stride = stride;
  p.batch = c.batch;
  p.heads = c.heads;
  p.kv_heads = c.kvHeads;
  p.positions = c.maxPositions;
  p.head_dim = c.headDim;
  p.max_rows = maxRows;
  p.alibi = c.alibi;
  p.scale = c.scale;
  return p;
}

struct Data {
  Values q, k, v;
};

Data randomData(const AttentionCase &c, Element x, Element cache) {
  std::mt19937_64 random(runSeed() + c.headDim * 31 + c.heads);
  size_t cached = c.batch * c.kvHeads * c.maxPositions * c.headDim;
  return {randomValues(random, c.rows * c.heads * c.headDim, x, 2),
          randomValues(random, cached, cache, 2), randomValues(random, cached, cache, 2)};
}

/// Runs the kernel on strided rows.
Values run(const AttentionCase &c, const Data &data, Element x, Element cache,
           const kernels::KernelLevel &level, unsigned threads, int64_t extraRows = 1) {
  int64_t width = c.heads * c.headDim, stride = width + 7, maxRows = c.rows + extraRows;
  Buffer q(maxRows * stride * bytesOf(x)), y(maxRows * stride * bytesOf(x));
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t i = 0; i < width; ++i)
      q.set(x, r * stride + i, data.q[r * width + i]);
  Values both = data.k;
  both.insert(both.end(), data.v.begin(), data.v.end());
  Buffer kv = Buffer::of(cache, both), positions = Buffer::of(c.positions),
         slots = Buffer::of(c.slots);
  codegen::KernelSpec spec = makeSpec(
      std::string("stoop_attention_") + name(x) + "_" + name(cache), params(c, maxRows, stride),
      kernels::attention_scratch_bytes(c.headDim, c.heads / c.kvHeads));
  spec.table = c.slopes.empty() ? std::vector<float>{0} : c.slopes;
  LoadedKernel(spec, level).run({&q, &kv, &positions, &slots, &y}, c.rows, threads);
  EXPECT_TRUE(q.intact() && kv.intact() && y.intact());
  Values result;
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t i = 0; i < width; ++i)
      result.push_back(y.at(x, r * stride + i));
  for (int64_t i = c.rows * stride; i < maxRows * stride; ++i)
    EXPECT_TRUE(std::isnan(y.at(x, i))) << "wrote a row that is not valid";
  return result;
}

double tolerance(Element x) {
  return x == Element::F32 ? 2e-6 : x == Element::BF16 ? 1.0 / 256 : 1.0 / 2048;
}

std::vector<float> slopes(int64_t heads) {
  std::vector<float> result;
  for (int64_t h = 0; h < heads; ++h)
    result.push_back(std::pow(2.0f, -8.0f * (h + 1) / heads));
  return result;
}

/// Rows of one sequence, positions start, start + 1, ...
AttentionCase prefill(int64_t rows, int64_t start, int64_t heads, int64_t kvHeads, int64_t headDim,
                      int64_t alibi = 0) {
  AttentionCase c{
      rows, 2,  heads, kvHeads, start + rows + 3, headDim, alibi, 1 / std::sqrt(float(headDim)),
      {},   {}, {}};
  if (alibi)
    c.slopes = slopes(heads);
  for (int64_t r = 0; r < rows; ++r) {
    c.positions.push_back(start + r);
    c.slots.push_back(1);
  }
  return c;
}

void compare(const AttentionCase &c, Element x, Element cache, const kernels::KernelLevel &level,
             unsigned threads) {
  SCOPED_TRACE(std::string(name(x)) + "/" + name(cache) + " at " + level.name.str() + ": rows " +
               std::to_string(c.rows) + " from " + std::to_string(c.positions[0]) + ", heads " +
               std::to_string(c.heads) + "/" + std::to_string(c.kvHeads) + " x " +
               std::to_string(c.headDim) + ", alibi " + std::to_string(c.alibi) + ", threads " +
               std::to_string(threads));
  Data data = randomData(c, x, cache);
  EXPECT_LE(worstError(run(c, data, x, cache, level, threads),
                       attentionReference(c, data.q, data.k, data.v)),
            tolerance(x));
}

TEST(Attention, PrefillMatchesReference) {
  for (const kernels::KernelLevel *level : runnableLevels()) {
    for (int64_t headDim : {6, 16, 40, 64, 80, 96, 128})
      compare(prefill(37, 60, 2, 1, headDim), Element::F32, Element::F32, *level, 2);
    compare(prefill(64, 0, 7, 7, 64), Element::F32, Element::F32, *level, 3);
    compare(prefill(33, 127, 13, 1, 32), Element::F32, Element::F32, *level, 2);
    compare(prefill(2, 5, 3, 3, 40), Element::F32, Element::F32, *level, 1);
    compare(prefill(5, 190, 6, 2, 64), Element::F32, Element::F32, *level, 2);
  }
}

TEST(Attention, DecodeMatchesReference) {
  for (const kernels::KernelLevel *level : runnableLevels())
    for (int64_t position : {0, 63, 64, 200}) {
      compare(prefill(1, position, 4, 4, 64), Element::F32, Element::F32, *level, 2);
      compare(prefill(1, position, 71, 1, 64), Element::F32, Element::F32, *level, 3);
      compare(prefill(1, position, 10, 2, 80), Element::BF16, Element::BF16, *level, 1);
    }
  // All heads of a group in one item, and a group that is too large for one.
  for (const kernels::KernelLevel *level : runnableLevels())
    for (int64_t heads : {71, 131})
      compare(prefill(1, 90, heads, 1, 64), Element::BF16, Element::BF16, *level, 1);
}

TEST(Attention, AlibiMatchesReference) {
  for (const kernels::KernelLevel *level : runnableLevels())
    for (int64_t alibi : {kernels::kAlibiHf, kernels::kAlibiExact}) {
      compare(prefill(20, 300, 4, 4, 64, alibi), Element::F32, Element::F32, *level, 2);
      compare(prefill(1, 515, 6, 1, 40, alibi), Element::F32, Element::F32, *level, 2);
    }
}

TEST(Attention, EveryPortMatchesReference) {
  for (const kernels::KernelLevel *level : runnableLevels())
    for (Element x : {Element::F32, Element::BF16, Element::F16})
      for (Element cache : {Element::F32, Element::BF16, Element::F16}) {
        compare(prefill(19, 50, 4, 2, 48), x, cache, *level, 2);
      }
}

TEST(Attention, SequencesAreIndependent) {
  for (const kernels::KernelLevel *level : runnableLevels()) {
    AttentionCase c{4, 3, 6, 2, 150, 64, 0, 0.125f, {}, {10, 149, 0, 70}, {2, 0, 1, 2}};
    compare(c, Element::F32, Element::F32, *level, 2);
    c.slots = {2, -1, 1, 0};
    compare(c, Element::F32, Element::F32, *level, 3);
  }
}

// Values behind a row's position, and keys of other sequences, may be NaN without reaching the row.
TEST(Attention, NanStaysWhereItMayBeSeen) {
  for (const kernels::KernelLevel *level : runnableLevels()) {
    AttentionCase c = prefill(12, 70, 2, 1, 40);
    Data data = randomData(c, Element::F32, Element::F32);
    Values clean = run(c, data, Element::F32, Element::F32, *level, 2);
    int64_t sequence = c.kvHeads * c.maxPositions * c.headDim, bad = sequence + 75 * c.headDim;
    data.v[bad + 3] = NAN;
    data.k[bad + 4] = NAN;
    for (int64_t i = 0; i < sequence; ++i)
      data.k[i] = data.v[i] = NAN;
    Values poisoned = run(c, data, Element::F32, Element::F32, *level, 2);
    int64_t width = c.heads * c.headDim;
    for (size_t i = 0; i < poisoned.size(); ++i) {
      if (c.positions[i / width] < 75)
        EXPECT_EQ(poisoned[i], clean[i]) << "row " << i / width;
      else
        EXPECT_TRUE(std::isnan(poisoned[i])) << "row " << i / width;
    }
  }
}

TEST(KvAppend, WritesRowsAndSkipsPadding) {
  for (const kernels::KernelLevel *level : runnableLevels())
    for (Element cache : {Element::F32, Element::BF16, Element::F16}) {
      constexpr int64_t rows = 5, batch = 2, heads = 3, positions = 9, headDim = 20,
                        stride = heads * headDim + 4;
      std::mt19937_64 random(runSeed());
      Values k = randomValues(random, rows * stride, Element::F32),
             v = randomValues(random, rows * stride, Element::F32);
      std::vector<int32_t> at = {8, 0, 3, 2, 9}, slots = {1, 0, -1, 0, 0};
      kernels::KvAppendParams p = {0,      1,     2,     3,         4,       stride,
                                   stride, batch, heads, positions, headDim, 8};
      Buffer kv(2 * batch * heads * positions * headDim * bytesOf(cache)),
          kBuffer = Buffer::of(Element::F32, k), vBuffer = Buffer::of(Element::F32, v),
          positionBuffer = Buffer::of(at), slotBuffer = Buffer::of(slots);
      LoadedKernel kernel(makeSpec(std::string("stoop_kv_append_f32_") + name(cache), p), *level);
      kernel.run({&kv, &kBuffer, &vBuffer, &positionBuffer, &slotBuffer}, rows, 2);
      EXPECT_TRUE(kv.intact());
      Values expected(2 * batch * heads * positions * headDim, NAN);
      for (int64_t r : {0, 1, 3})
        for (int64_t h = 0; h < heads; ++h)
          for (int64_t d = 0; d < headDim; ++d) {
            int64_t i = ((slots[r] * heads + h) * positions + at[r]) * headDim + d;
            expected[i] = roundTo(cache, k[r * stride + h * headDim + d]);
            expected[i + batch * heads * positions * headDim] =
                roundTo(cache, v[r * stride + h * headDim + d]);
          }
      for (size_t i = 0; i < expected.size(); ++i) {
        float actual = kv.at(cache, i);
        ASSERT_TRUE(std::isnan(expected[i]) ? std::isnan(actual) : actual == expected[i])
            << "element " << i;
      }
    }
}
} // namespace

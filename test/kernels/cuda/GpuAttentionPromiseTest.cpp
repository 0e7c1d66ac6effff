//===- GpuAttentionPromiseTest.cpp - what makes attention fast, counted ----===//
//
// No GPU is timed here. Counted are: the bytes of the cache that a launch reads, which a group of heads shares; whole sectors;
// no bank of shared memory met twice; the blocks that share a multiprocessor. Shapes are those of Falcon's heads.
//
//===----------------------------------------------------------------------===//
#include "llvm/Support/FormatVariadic.h"
#include "test/kernels/cuda/Promises.h"
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;
using llvm::formatv;

namespace {
/// Heads of a model, tokens of its cache, and rows of the launch.
struct Shape {
  const char *name;
  int heads, kvHeads, headDim, positions, rows;
  int group() const { return heads / kvHeads; }
  /// Of keys and values of one position, all KV heads together.
  uint64_t keyBytes() const { return 2ull * kvHeads * headDim * 2; }
};

std::string attention(const Shape &s, const std::string &schedule) {
  return formatv(R"(plan.kernel @k schedule(#plan.schedule<{0}>) row_strides([{1}, 0, 1, 1, {1}]) {{
    ^bb0(%q: tensor<{2}x{1}xbf16>, %c: !lm.kv<1x{3}x{4}x{5}xbf16>, %p: tensor<{2}xi32>, %s: tensor<{2}xi32>):
      %0 = lm.attention %q, %c, %p, %s heads({6}) scale(0.125) alibi none
          : (tensor<{2}x{1}xbf16>, !lm.kv<1x{3}x{4}x{5}xbf16>, tensor<{2}xi32>, tensor<{2}xi32>) -> tensor<{2}x{1}xbf16>
      lm.yield %0 : tensor<{2}x{1}xbf16>
    })",
                 schedule, s.heads * s.headDim, s.rows, s.positions, s.kvHeads, s.headDim, s.heads);
}

/// The last rows of a full context.
GpuStep lastRows(const Shape &s) {
  GpuStep step;
  step.validRows = s.rows;
  for (int row = 0; row < s.rows; ++row) {
    step.positions.push_back(s.positions - s.rows + row);
    step.slots.push_back(0);
  }
  return step;
}

/// Expects `planned` bytes within 1 %, and no sector of which a part is not used.
void expectRead(const std::vector<OpCount> &ops, llvm::function_ref<bool(const OpCount &)> isCache, uint64_t planned,
                uint64_t &read) {
  read = 0;
  for (const OpCount &op : ops)
    if (op.executed && isCache(op)) {
      EXPECT_EQ(op.bytes, 32 * op.sectors) << op.text;
      read += op.bytes;
    }
  EXPECT_GE(100 * read, 99 * planned);
  EXPECT_LE(100 * read, 101 * planned);
}
} // namespace

/// Decode: each split of the keys is read by one block, for all heads of the group; queries by each split.
TEST(GpuPromise, CachesAreReadOnceAtDecode) {
  for (Shape s : {Shape{"attention_flash, 7B", 71, 1, 64, 512, 1}, Shape{"attention_flash, 40B", 32, 2, 64, 512, 1},
                  Shape{"attention_flash, RW 1B", 4, 4, 64, 256, 1}}) {
    SCOPED_TRACE(s.name);
    int splits = s.positions / 128;
    Counted counted = countRun(
        attention(s, formatv("\"attention_flash\", source = \"test\", tunables = {{least_split_keys = 128 : i64, row_tile = 1 : i64, "
                             "splits = {0} : i64}",
                             splits)),
        lastRows(s));
    uint64_t planned = s.positions * s.keyBytes() + 2ull * splits * s.heads * s.headDim, read;
    expectRead(counted.ops, [](const OpCount &op) {
      llvm::StringRef opcode = op.opcode;
      return opcode.starts_with("ld.global") && opcode.ends_with("16");
    }, planned, read);
    expectNoBankTwice(counted.ops);
    printPromise(s.name, counted, planned, read, 256);
    EXPECT_EQ(counted.outcome.localBytes, 0u);
    // With the launch in front or behind.
    EXPECT_GE(machine().residentBlocks(counted.outcome, 256), 2);
  }
}

/// Prompts: a block of 64 or 128 pairs of row and head reads keys and values once, up to its last row's, 16 bytes a lane.
TEST(GpuPromise, CachesAreReadOnceForItemsOfPrompts) {
  for (Shape s : {Shape{"attention_mma, 7B", 71, 1, 64, 128, 8}, Shape{"attention_mma, 40B", 32, 2, 64, 128, 16},
                  Shape{"attention_mma, 128 columns", 4, 2, 128, 96, 64}}) {
    SCOPED_TRACE(s.name);
    int fragments = s.headDim == 64 ? 2 : 1, items = 64 * fragments, all = s.rows * s.group();
    Counted counted = countRun(
        attention(s, formatv("\"attention_mma\", source = \"test\", tunables = {{key_tile = 64 : i64, row_fragments = {0} : i64}", fragments)),
        lastRows(s));
    uint64_t planned = 2ull * s.rows * s.heads * s.headDim, read;
    for (int item = 0; item < all; item += items) {
      int lastRow = (std::min(item + items, all) - 1) / s.group();
      planned += (s.positions - s.rows + lastRow + 1) * s.keyBytes();
    }
    expectRead(counted.ops, [](const OpCount &op) { return llvm::StringRef(op.opcode).starts_with("cp.async.c"); }, planned, read);
    expectNoBankTwice(counted.ops);
    printPromise(s.name, counted, planned, read, 128);
    EXPECT_EQ(counted.outcome.localBytes, 0u);
    // Others compute while one waits for its keys.
    EXPECT_GE(machine().residentBlocks(counted.outcome, 128), 2);
  }
}

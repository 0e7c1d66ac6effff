//===- GpuPromiseTest.cpp - what makes linears fast, counted --------------===//
//
// No GPU is timed here. What a kernel for tensor cores promises can be counted: weights are read once, 16 bytes a lane in
// whole sectors, past L1; no access to shared memory meets a bank twice; the instructions leave the memory busy; two blocks
// share a multiprocessor.
//
//===----------------------------------------------------------------------===//
#include "ir/support/TileOrder.h"
#include "test/kernels/cuda/Promises.h"
#include "llvm/Support/FormatVariadic.h"
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;
using llvm::formatv;

namespace {
GpuStep rowsOf(int rows) {
  GpuStep step;
  step.validRows = rows;
  for (int row = 0; row < rows; ++row) {
    step.positions.push_back(3 + row);
    step.slots.push_back(row);
  }
  return step;
}

/// Rows and columns of a launch's weights.
using Weights = std::vector<std::pair<int, int>>;
/// What weights are multiplied as, or codes of a scheme.
std::string weightType(int rows, int cols, const std::string &form) {
  return formatv(form == "bf16" ? "tensor<{0}x{1}xbf16>" : "tensor<{0}x{1}xf32, \"{2}\">", rows, cols, form);
}

/// A layer's first launch of a parallel block with heads of 64, with few heads and columns: the norm in front, rotated heads,
/// keys and values appended, an activation. The inner size is that of 7B: 142 tiles, of which one row is staged whole and
/// eight by slices (passes/schedule/GpuProvider.cpp), with 64 KiB of copies in flight beside them.
std::string firstLaunch(int rows, int slice, bool isSplit, const std::string &form = "bf16") {
  return formatv(R"(plan.kernel @k schedule(#plan.schedule<"linear_stream", source = "test",
      tunables = {{slice = {1} : i64, split = {2} : i64, stages = 8 : i64, trigger = 50 : i64}>) row_strides([4544, 0, 0, 0, 0, 1, 0, 0, 1, 320, 256]) {{
    ^bb0(%x: tensor<{0}x4544xf32>, %g: tensor<4544xf32>, %b: tensor<4544xf32>, %wq: {3},
         %wu: {4}, %p: tensor<{0}xi32>, %t: tensor<64x64xf32>, %c: !lm.kv<{0}x64x1x64xbf16>, %s: tensor<{0}xi32>):
      %n = lm.norm layer %x, %g, %b eps(1.0e-5) : (tensor<{0}x4544xf32>, tensor<4544xf32>, tensor<4544xf32>) -> tensor<{0}x4544xbf16>
      %0 = lm.linear %n, %wq : (tensor<{0}x4544xbf16>, {3}) -> tensor<{0}x320xbf16>
      %q = lm.view %0[0] : tensor<{0}x320xbf16> -> tensor<{0}x192xbf16>
      %k = lm.view %0[192] : tensor<{0}x320xbf16> -> tensor<{0}x64xbf16>
      %v = lm.view %0[256] : tensor<{0}x320xbf16> -> tensor<{0}x64xbf16>
      %qr = lm.rope %q, %p, %t heads(3) : (tensor<{0}x192xbf16>, tensor<{0}xi32>, tensor<64x64xf32>) -> tensor<{0}x192xbf16>
      %kr = lm.rope %k, %p, %t heads(1) : (tensor<{0}x64xbf16>, tensor<{0}xi32>, tensor<64x64xf32>) -> tensor<{0}x64xbf16>
      lm.kv_append %c, %kr, %v, %p, %s : !lm.kv<{0}x64x1x64xbf16>, tensor<{0}x64xbf16>, tensor<{0}x64xbf16>, tensor<{0}xi32>, tensor<{0}xi32>
      %1 = lm.linear %n, %wu : (tensor<{0}x4544xbf16>, {4}) -> tensor<{0}x256xbf16>
      %2 = lm.activation gelu %1 : tensor<{0}x256xbf16>
      lm.yield %qr, %2 : tensor<{0}x192xbf16>, tensor<{0}x256xbf16>
    })",
                 rows, slice, int(isSplit), weightType(320, 4544, form), weightType(256, 4544, form));
}

/// The layer's last launch: two linears added to the residual.
std::string lastLaunch(int rows, const std::string &form = "bf16") {
  return formatv(R"(plan.kernel @k schedule(#plan.schedule<"linear_stream", source = "test",
      tunables = {{slice = 1 : i64, split = 1 : i64, stages = 8 : i64, trigger = 50 : i64}>) row_strides([4544, 18176, 0, 0, 64, 64]) {{
    ^bb0(%a: tensor<{0}x4544xbf16>, %u: tensor<{0}x18176xbf16>, %wo: {1}, %wd: {2},
         %r: tensor<{0}x64xf32>):
      %0 = lm.linear %a, %wo : (tensor<{0}x4544xbf16>, {1}) -> tensor<{0}x64xf32>
      %1 = lm.linear %u, %wd : (tensor<{0}x18176xbf16>, {2}) -> tensor<{0}x64xf32>
      %2 = lm.binary add %0, %1 : tensor<{0}x64xf32>
      %3 = lm.binary add %r, %2 : tensor<{0}x64xf32>
      lm.yield %3 : tensor<{0}x64xf32>
    })",
                 rows, weightType(64, 4544, form), weightType(64, 18176, form));
}

/// A prompt's linear on tensor cores.
std::string promptLaunch(const std::string &form = "bf16") {
  return formatv(R"(plan.kernel @k schedule(#plan.schedule<"linear_mma", source = "test",
      tunables = {{splits = 1 : i64, stages = 3 : i64, tile_columns = 64 : i64}>) row_strides([256, 0, 128]) {{
    ^bb0(%x: tensor<128x256xbf16>, %w: {0}):
      %0 = lm.linear %x, %w : (tensor<128x256xbf16>, {0}) -> tensor<128x128xbf16>
      lm.yield %0 : tensor<128x128xbf16>
    })",
                 weightType(128, 256, form));
}

/// Streamed weights: what the header says. `share`: of the instructions that can be issued while the weights come.
void expectStreamed(const std::string &kernel, int rows, const Weights &weights, double share, const std::string &form = "bf16") {
  const TileForm tiles = form == "bf16" ? TileForm() : TileForm::of(QuantScheme::parse(form));
  uint64_t codes = 0, scales = 0, count = 0;
  for (auto [n, k] : weights) {
    codes += (n + kTileStrip - 1) / kTileStrip * tiles.tiles(k) * kTileBytes;
    scales += (n + kTileStrip - 1) / kTileStrip * tiles.tiles(k) * tiles.scaleBytes();
    count += uint64_t(n) * k;
  }
  Counted counted = countRun(kernel, rowsOf(rows));
  uint64_t bytes = 0, scaleBytes = 0, executed = 0;
  for (const OpCount &op : counted.ops) {
    executed += op.executed;
    llvm::StringRef name = op.opcode;
    scaleBytes += name.starts_with("cp.async.ca") ? op.bytes : 0;
    if (!name.starts_with("cp.async.cg") || op.executed == 0)
      continue;
    EXPECT_TRUE(name.contains("L2::cache_hint")) << op.text;
    EXPECT_EQ(op.bytes, 512 * op.executed) << op.text;  // 32 lanes x 16 bytes
    EXPECT_EQ(op.sectors, 16 * op.executed) << op.text; // 4 of each of 4 lines
    bytes += op.bytes;
  }
  EXPECT_EQ(bytes, codes);
  EXPECT_EQ(scaleBytes, scales);
  expectNoBankTwice(counted.ops);
  double perWeight = double(executed) / double(count), limit = machine().instructionsPerWeight() * double(codes + scales) / 2 / double(count);
  printPromise(formatv("linear_stream, {0}, {1} linears, {2} rows, {3:f3} of {4:f3} instructions a weight", form, weights.size(), rows, perWeight,
                       limit).str().c_str(), counted, codes + scales, bytes + scaleBytes, 256);
  EXPECT_LT(perWeight, limit * share);
  EXPECT_EQ(counted.outcome.localBytes, 0u);
  EXPECT_LE(counted.outcome.registers, 65536u / (2 * 256)); // two blocks share a multiprocessor
}
} // namespace

TEST(GpuPromise, WeightsAreStreamed) {
  // PTX, prologues and epilogues included: half of the issue slots; the rest is the room for latencies.
  for (int rows : {1, 8})
    expectStreamed(firstLaunch(rows, rows == 1 ? 142 : 32, rows == 8), rows, {{320, 4544}, {256, 4544}}, 0.5);
  for (int rows : {1, 8})
    expectStreamed(lastLaunch(rows), rows, {{64, 4544}, {64, 18176}}, 0.5);
}

/// Codes take more instructions, counted as PTX: int4-g32 on an H200 about as many as can be issued while they come, and the norm of
/// eight rows, which are not shorter for short codes, more. Shares above one are what is left to mend, held from growing.
TEST(GpuPromise, CodesAreStreamed) {
  for (llvm::StringRef form : {"int8", "fp8", "int4-g32", "int4-g128"})
    for (int rows : {1, 8}) {
      const double one = form == "int4-g32" ? 1.05 : 1, normed = rows == 1 ? one : form.starts_with("int4") ? 1.75 : 1.1;
      expectStreamed(firstLaunch(rows, rows == 1 ? 144 : 32, rows == 8, form.str()), rows, {{320, 4544}, {256, 4544}}, normed, form.str());
      expectStreamed(lastLaunch(rows, form.str()), rows, {{64, 4544}, {64, 18176}}, rows == 1 ? one : 1.1, form.str());
    }
}

/// Weights are asked for before the launch in front has ended, as many as the ring holds and nothing else; the next launch is let
/// in on the way, where `trigger` says.
TEST(GpuPromise, LaunchesOverlap) {
  if (!overlapsLaunches())
    GTEST_SKIP() << "launches follow one another";
  constexpr uint64_t kRing = 64 << 10; // of a block
  auto untriggered = [&](const std::string &kernel, int rows) {
    Counted counted = countRun(kernel, rowsOf(rows));
    uint64_t bytes = 0, ahead = 0, before = 0;
    for (const OpCount &op : counted.ops) {
      bool isCopy = llvm::StringRef(op.opcode).starts_with("cp.async.cg");
      bytes += isCopy ? op.bytes : 0;
      before += isCopy ? op.bytesUntriggered : 0;
      ahead += op.bytesAhead;
    }
    EXPECT_EQ(ahead, kRing * rowsOf(rows).multiprocessors);
    return double(before) / double(bytes);
  };
  for (int rows : {1, 8})
    for (const std::string &kernel : {firstLaunch(rows, rows == 1 ? 142 : 32, rows == 8), lastLaunch(rows)}) {
      auto withTrigger = [&](const char *percent) {
        std::string text = kernel, key = "trigger = 50";
        return untriggered(text.replace(text.find(key), key.size(), std::string("trigger = ") + percent), rows);
      };
      const double none = withTrigger("0"), half = withTrigger("50");
      printf("%d rows: %.2f and %.2f of the copies asked for when the next launch may start\n", rows, none, half);
      EXPECT_LT(none, half);
      EXPECT_LT(half, 0.9);
      EXPECT_EQ(withTrigger("100"), 1);
    }
}

/// One row: the blocks of two launches that follow one another fit a multiprocessor together, each with 64 KiB in flight.
TEST(GpuPromise, TwoBlocksShareAMultiprocessor) {
  for (const std::string &kernel : {firstLaunch(1, 142, false), lastLaunch(1)}) {
    GpuOutcome outcome = runGpuKernel(kernel, rowsOf(1));
    EXPECT_EQ(outcome.failure, "");
    // A KiB of each block is the system's; on sm_90 it is in the cubin.
    EXPECT_LE(2 * (outcome.sharedBytes + 1024), machine().sharedKib << 10);
  }
}

TEST(GpuPromise, PromptsMeetNoBankTwice) {
  for (const char *form : {"bf16", "int8", "fp8", "int4-g32", "int4-g128"}) {
    SCOPED_TRACE(form);
    const TileForm tiles = llvm::StringRef(form) == "bf16" ? TileForm() : TileForm::of(QuantScheme::parse(form));
    Counted counted = countRun(promptLaunch(form), rowsOf(128));
    uint64_t copied = 0;
    for (const OpCount &op : counted.ops)
      if (llvm::StringRef(op.opcode).starts_with("cp.async.cg")) {
        EXPECT_EQ(op.bytes, 32 * op.sectors) << op.text;
        EXPECT_EQ(op.passes, op.leastPasses) << op.text;
        copied += op.bytes;
      } else if (llvm::StringRef(op.opcode).starts_with("ld.shared.v4")) {
        EXPECT_EQ(op.passes, op.leastPasses) << op.text;
      }
    // Each factor once for each tile of the other: two by two tiles.
    EXPECT_EQ(copied, 2u * 2 * (64 * 256 * 2 + 64 / kTileStrip * tiles.tiles(256) * kTileBytes));
    printPromise(formatv("linear_mma, {0}, 128 x 256 x 128", form).str().c_str(), counted, copied, copied, 128);
    EXPECT_EQ(counted.outcome.localBytes, 0u);
    EXPECT_GE(machine().residentBlocks(counted.outcome, 128), 2);
  }
}

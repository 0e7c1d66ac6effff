// Sectors and turns over the banks against values worked out by hand, alone and through a kernel that runs.
#include "test/vgpu/check/Counters.h"
#include "test/vgpu/tests/Harness.h"

namespace vgpu::test {
namespace {
/// What 32 lanes do whose addresses are `first` + lane * `stride`.
OpCounts global(u64 first, u64 stride, u32 count, u32 mask = ~0u) {
  u64 addresses[32];
  for (u64 lane = 0; lane < 32; ++lane)
    addresses[lane] = first + lane * stride;
  OpCounts counts;
  counts.addGlobal(addresses, mask, count);
  return counts;
}
OpCounts shared(u32 stride, u32 count, u32 mask = ~0u) {
  u32 offsets[32];
  for (u32 lane = 0; lane < 32; ++lane)
    offsets[lane] = lane * stride;
  OpCounts counts;
  counts.addShared(offsets, mask, count);
  return counts;
}
void expectGlobal(const OpCounts &counts, u64 bytes, u64 sectors) {
  EXPECT_EQ(counts.requests, 1u);
  EXPECT_EQ(counts.bytes, bytes);
  EXPECT_EQ(counts.sectors, sectors);
  EXPECT_EQ(counts.passes + counts.leastPasses, 0u);
}
void expectShared(const OpCounts &counts, u64 passes, u64 leastPasses) {
  EXPECT_EQ(counts.requests, 1u);
  EXPECT_EQ(counts.passes, passes);
  EXPECT_EQ(counts.leastPasses, leastPasses);
  EXPECT_EQ(counts.bytes + counts.sectors, 0u);
}
} // namespace

TEST(CountersTest, Sectors) {
  expectGlobal(global(4096, 16, 16), 512, 16);       // a fragment of weights: 4 of each of 4 lines
  expectGlobal(global(4096 + 16, 16, 16), 512, 17);  // not in whole sectors
  expectGlobal(global(4096, 4, 4), 128, 4);
  expectGlobal(global(4096, 64, 4), 128, 32);        // a column
  expectGlobal(global(4096, 0, 4), 4, 1);            // everyone the same
  expectGlobal(global(4096, 8, 4), 128, 8);          // half of each sector
  expectGlobal(global(4096, 16, 16, 0xffff), 256, 8); // half a warp
}

TEST(CountersTest, Banks) {
  expectShared(shared(4, 4), 1, 1);
  expectShared(shared(0, 4), 1, 1);   // a broadcast
  expectShared(shared(8, 4), 2, 1);
  expectShared(shared(128, 4), 32, 1);
  expectShared(shared(132, 4), 1, 1); // a column of rows of 33 words
  expectShared(shared(2, 2), 1, 1);   // two lanes a word
  expectShared(shared(8, 8), 2, 2);   // halves of a warp
  expectShared(shared(16, 16), 4, 4); // quarters
  expectShared(shared(32, 16), 8, 4); // lanes 4 apart share banks
  expectShared(shared(128, 4, 1), 1, 1);
}

class CountersRun : public VgpuTest {};

/// The same through instructions: a lane copies 16 bytes into shared memory, reads the first 4 of them, which lie in the bank of
/// the lane 8 further, too, and stores them.
TEST_F(CountersRun, CountInstructions) {
  Counters &counters = Counters::get();
  counters.clear();
  counters.isOn = true;
  Kernels kernels(R"(.version 8.0
.target sm_90
.address_size 64
.visible .entry k(.param .u64 x, .param .u64 y)
{
  .reg .b32 %r<8>;
  .reg .b64 %rd<8>;
  .shared .align 16 .b8 copies[512];
  ld.param.u64 %rd1, [x];
  ld.param.u64 %rd2, [y];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd3, %r1, 16;
  add.s64 %rd4, %rd1, %rd3;
  mov.u32 %r2, copies;
  shl.b32 %r3, %r1, 4;
  add.s32 %r4, %r2, %r3;
  cp.async.cg.shared.global [%r4], [%rd4], 16;
  cp.async.commit_group;
  griddepcontrol.wait;
  cp.async.wait_group 0;
  bar.sync 0;
  ld.global.u32 %r6, [%rd4];
  griddepcontrol.launch_dependents;
  ld.shared.u32 %r5, [%r4];
  mul.wide.u32 %rd5, %r1, 4;
  add.s64 %rd6, %rd2, %rd5;
  st.global.u32 [%rd6], %r5;
  ret;
}
)");
  Buffer x(std::vector<u32>(128, 7)), y(128);
  auto program = kernels.get("k");
  counters.isOn = false;
  for (int i = 0; i < 3; ++i)
    runGrid(makeLaunch(program, 1, 32, 0, x.address, y.address));
  expectClean();
  const std::string text = counters.text();
  // Three times: executed, requests (memory of both kinds), bytes, sectors, turns, least turns, bytes ahead, bytes untriggered.
  EXPECT_NE(text.find("cp.async.cg.shared.global 3 6 1536 48 12 12 1536 1536\n"), std::string::npos) << text;
  EXPECT_NE(text.find("ld.global.u32 3 3 384 48 0 0 0 384\n"), std::string::npos) << text;
  EXPECT_NE(text.find("ld.shared.u32 3 3 0 0 12 3 0 0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("st.global.u32 3 3 384 12 0 0 0 0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("bar.sync 3 0 0 0 0 0 0 0\n"), std::string::npos) << text;
  counters.clear();
  EXPECT_EQ(counters.text(), "");
}
} // namespace vgpu::test

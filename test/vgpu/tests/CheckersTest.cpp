// Each checker finds the bug planted for it, whatever the schedule, and is silent on the kernel without the bug.
#include "test/vgpu/tests/Harness.h"

namespace vgpu::test {
namespace {
class CheckersTest : public VgpuTest {
protected:
  CheckersTest() : kernels(readInput("planted.sm_90a.ptx")), x(std::vector<float>(1024, 1.f)), y(4096) {}
  void SetUp() override {
    VgpuTest::SetUp();
    DeviceMemory::get().fill(y.address, "\0\0\0\0", 4, 1024);
    GlobalRaces::get().forget();
  }
  template <class... Args> void run(const std::string &name, u32 blocks, u32 threads, const Args &...args) {
    runGrid(makeLaunch(kernels.get(name), blocks, threads, 0, args...));
  }
  /// The pair good_NAME, bad_NAME under several seeds.
  template <class... Args> void expectPair(const std::string &name, Finding kind, u32 blocks, u32 threads, const Args &...args) {
    for (u64 seed = 1; seed <= 4; ++seed) {
      SetUp();
      Options::get().seed = seed;
      run("good_" + name, blocks, threads, args...);
      expectClean();
      run("bad_" + name, blocks, threads, args...);
      for (const ReportItem &item : Report::get().items())
        EXPECT_NE(item.message.find("bad_" + name + ", block ("), std::string::npos) << item.message;
      EXPECT_NE(Report::get().text().find("planted.cu:"), std::string::npos) << "no source line in " << Report::get().text();
      expectFinding(kind);
    }
  }
  Kernels kernels;
  Buffer x, y;
};

TEST_F(CheckersTest, OutOfBounds) {
  Buffer small(std::vector<float>(100, 1.f));
  expectPair("bounds", Finding::OutOfBounds, 1, 128, small.address, y.address, 100);
}
TEST_F(CheckersTest, UseAfterFree) {
  u64 freed;
  {
    Buffer gone(std::vector<float>(128, 1.f));
    freed = gone.address;
  }
  run("good_bounds", 1, 128, freed, y.address, 128);
  expectFinding(Finding::OutOfBounds);
}
TEST_F(CheckersTest, UninitializedGlobal) {
  Buffer fresh(512);
  run("good_bounds", 1, 128, fresh.address, y.address, 128);
  expectFinding(Finding::Uninitialized);
}
TEST_F(CheckersTest, UninitializedShared) { expectPair("init", Finding::Uninitialized, 1, 64, y.address); }
TEST_F(CheckersTest, Misaligned) { expectPair("align", Finding::Misaligned, 1, 32, x.address, y.address); }
TEST_F(CheckersTest, MissingBarrier) { expectPair("barrier", Finding::SharedRace, 1, 128, x.address, y.address); }
TEST_F(CheckersTest, MissingBarrierBeforeReuse) { expectPair("reuse", Finding::SharedRace, 1, 128, x.address, y.address); }
TEST_F(CheckersTest, MissingWarpBarrier) { expectPair("warp", Finding::SharedRace, 1, 32, x.address, y.address); }
TEST_F(CheckersTest, MissingCopyWait) { expectPair("copy", Finding::AsyncCopy, 1, 32, x.address, y.address); }
TEST_F(CheckersTest, CopyWaitAfterTheBarrier) { expectPair("copy_shared", Finding::SharedRace, 1, 128, x.address, y.address); }
TEST_F(CheckersTest, DivergentBarrier) { expectPair("divergent", Finding::Barrier, 1, 64, y.address); }
TEST_F(CheckersTest, ShuffleFromAbsentLane) { expectPair("shuffle", Finding::WarpSync, 1, 32, y.address); }
TEST_F(CheckersTest, PlainSumOverBlocks) { expectPair("blocks", Finding::GlobalRace, 4, 32, y.address, x.address); }

/// All warps read, then one of them reads again and writes: right behind a barrier, a race without.
TEST_F(CheckersTest, WriteBehindReadsOfSeveralWarps) {
  for (const char *barrier : {"bar.sync 0;", ""}) {
    Kernels own(std::string(".version 9.0\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 x)\n{\n") +
                ".reg .pred %p; .reg .b32 %r<3>; .reg .b64 %l; ld.param.u64 %l, [x]; ld.global.u32 %r1, [%l];\n" + barrier +
                "mov.u32 %r0, %tid.x; setp.ne.s32 %p, %r0, 0; @%p ret;\n"
                "ld.global.u32 %r2, [%l]; add.s32 %r2, %r2, 1; st.global.u32 [%l], %r2; ret;\n}\n");
    Buffer cell(std::vector<u32>{6});
    runGrid(makeLaunch(own.get("k"), 1, 128, 0, cell.address));
    if (*barrier) {
      expectClean();
      EXPECT_EQ(cell.read<u32>()[0], 7u);
    } else
      expectFinding(Finding::GlobalRace);
  }
}

TEST_F(CheckersTest, MessageBetweenBlocks) {
  for (const char *bad : {"bad_release", "bad_acquire"})
    for (u64 seed = 1; seed <= 4; ++seed) {
      SetUp();
      Options::get().seed = seed;
      Buffer flag(std::vector<u32>{0}), data(4);
      run("good_message", 2, 32, flag.address, data.address, y.address);
      EXPECT_EQ(y.read<u32>()[0], 7u);
      expectClean();
      Buffer flag2(std::vector<u32>{0}), data2(4);
      run(bad, 2, 32, flag2.address, data2.address, y.address);
      expectFinding(Finding::GlobalRace);
    }
}

TEST_F(CheckersTest, Deadlock) {
  Options::get().spinRounds = 5;
  run("bad_deadlock", 1, 64, y.address);
  expectFinding(Finding::Deadlock);
}

TEST_F(CheckersTest, LaunchContract) {
  Buffer arena(std::vector<float>(64, 1.f));
  auto launchWith = [&](int n) {
    Launch launch = makeLaunch(kernels.get("in_slice"), 1, 32, 0, arena.address, arena.address + 128, n);
    launch.hasContract = true;
    launch.contract = {{arena.address, arena.address + 64, true, false, "x"}, {arena.address + 128, arena.address + 192, false, true, "y"}};
    runGrid(launch);
  };
  launchWith(16);
  expectClean();
  launchWith(17); // inside the allocation, outside the slices
  EXPECT_NE(Report::get().text().find("past slice 'x'"), std::string::npos) << Report::get().text();
  expectFinding(Finding::LaunchContract);
}

TEST_F(CheckersTest, ReadBeforeGridWait) {
  for (const char *name : {"good_dependent", "bad_dependent"}) {
    SetUp();
    Launch primary = makeLaunch(kernels.get("produce"), 2, 32, 0, x.address, 2.f);
    Launch secondary = makeLaunch(kernels.get(name), 2, 32, 0, x.address, y.address);
    secondary.programmatic = true;
    secondary.order = primary.order;
    GridRun run(secondary);
    run.runPrologue();
    runGrid(primary);
    run.finish();
    if (std::string(name) == "good_dependent") {
      expectClean();
      EXPECT_EQ(y.read<float>()[3], 7.f);
    } else
      expectFinding(Finding::GlobalRace);
  }
}
} // namespace
} // namespace vgpu::test

// Each checker finds the bug planted for it, whatever the schedule, and is silent on the kernel without the bug.
#include "test/vgpu/tests/Harness.h"
#include <optional>

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

namespace {
/// All blocks write a value, arrive at a counter, wait until `expected` have and read their neighbour's.
std::string meeting(const char *release, const char *acquire, u32 expected) {
  return std::string(".version 9.0\n.target sm_90a\n.address_size 64\n.visible .entry meet(.param .u64 counter, .param .u64 data, .param .u64 out)\n{\n") +
         ".reg .pred %p; .reg .b32 %r<8>; .reg .b64 %l<8>;\n"
         "ld.param.u64 %l0, [counter]; ld.param.u64 %l1, [data]; ld.param.u64 %l2, [out];\n"
         "mov.u32 %r0, %ctaid.x; mov.u32 %r1, %nctaid.x; mul.wide.u32 %l3, %r0, 4; add.s64 %l4, %l1, %l3; add.s64 %l5, %l2, %l3;\n"
         "add.s32 %r2, %r0, 100; st.global.u32 [%l4], %r2;\n" +
         release + " [%l0], 1;\nWAIT:\n" + acquire + " %r3, [%l0];\nsetp.lt.u32 %p, %r3, " + std::to_string(expected) + ";\n@%p bra WAIT;\n"
         "add.s32 %r4, %r0, 1; rem.u32 %r4, %r4, %r1; mul.wide.u32 %l6, %r4, 4; add.s64 %l6, %l1, %l6;\n"
         "ld.global.u32 %r5, [%l6]; st.global.u32 [%l5], %r5; ret;\n}\n";
}
} // namespace

/// Blocks that wait for one another: whatever the order, all that are resident go on. Missing sides of the order between them, and a count that
/// comes before the last arrival, are races in some order at least; more blocks than fit at once never meet.
TEST_F(CheckersTest, MeetingOfBlocks) {
  struct Trial {
    const char *release, *acquire;
    u32 expected, blocks;
    std::optional<Finding> finding;
  };
  const char *release = "red.release.gpu.global.add.u32", *acquire = "ld.acquire.gpu.global.u32";
  for (const Trial &trial : {Trial{release, acquire, 4, 4, {}}, Trial{"red.relaxed.gpu.global.add.u32", acquire, 4, 4, Finding::GlobalRace},
                             Trial{release, "ld.relaxed.gpu.global.u32", 4, 4, Finding::GlobalRace}, Trial{release, acquire, 3, 4, Finding::GlobalRace},
                             Trial{release, acquire, 5, 4, Finding::Deadlock}, Trial{release, acquire, 5, 5, Finding::Deadlock}}) {
    Kernels own(meeting(trial.release, trial.acquire, trial.expected));
    bool isFound = false;
    for (u64 seed = 1; seed <= 12; ++seed) {
      SetUp();
      Options::get().seed = seed;
      Options::get().spinRounds = 4;
      Buffer counter(std::vector<u32>{0}), data(std::vector<u32>(5)), out(20);
      runGrid(makeLaunch(own.get("meet"), trial.blocks, 1, 0, counter.address, data.address, out.address));
      for (const ReportItem &item : Report::get().items())
        EXPECT_TRUE(trial.finding && item.kind == *trial.finding) << item.message;
      isFound |= !Report::get().empty();
      for (u32 block = 0; block < trial.blocks && !trial.finding; ++block)
        EXPECT_EQ(out.read<u32>()[block], 100 + (block + 1) % trial.blocks);
      Report::get().clear();
    }
    EXPECT_EQ(isFound, trial.finding.has_value()) << trial.release << " " << trial.acquire << " " << trial.expected;
  }
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

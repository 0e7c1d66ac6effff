// Launches that overlap: what a dependent may do before its griddepcontrol.wait, whom it may rely on behind it, and when it
// starts. Kernels are spelled out step by step, right ones and ones with a step left out or moved.
#include "test/vgpu/tests/DriverHarness.h"
#include <set>

namespace vgpu::test {
namespace {
using Steps = std::vector<std::string>;

/// A kernel of (from, to): each thread has an element of both. Steps: wait, trigger, read, nc (a non-coherent read), write,
/// leave (block 0 ends), count (an atomic step of to[0]), look (to[0] as it is; no access that races).
std::string kernelOf(const std::string &name, const Steps &steps) {
  static const std::map<std::string, const char *> texts = {
      {"wait", "griddepcontrol.wait;"},
      {"trigger", "griddepcontrol.launch_dependents;"},
      {"read", "ld.global.u32 %value, [%from];"},
      {"nc", "ld.global.nc.u32 %value, [%from];"},
      {"write", "st.global.u32 [%to], %value;"},
      {"leave", "setp.eq.s32 %first, %block, 0;\n@%first ret;"},
      {"count", "atom.global.add.u32 %old, [%counter], 1;"},
      {"look", "atom.global.or.b32 %value, [%look], 0;"}};
  std::string text = ".version 9.0\n.target sm_90\n.address_size 64\n.visible .entry " + name + R"((.param .u64 source, .param .u64 result)
{
.reg .pred %first;
.reg .b32 %value, %old, %block, %thread, %size, %index;
.reg .b64 %from, %to, %counter, %look, %offset;
ld.param.u64 %look, [source];
ld.param.u64 %counter, [result];
mov.u32 %block, %ctaid.x;
mov.u32 %size, %ntid.x;
mov.u32 %thread, %tid.x;
mad.lo.s32 %index, %block, %size, %thread;
mul.wide.s32 %offset, %index, 4;
add.s64 %from, %look, %offset;
add.s64 %to, %counter, %offset;
mov.u32 %value, 5;
)";
  for (const std::string &step : steps)
    text += texts.at(step) + std::string("\n");
  return text + "ret;\n}\n";
}

class OverlapTest : public DriverTest {
protected:
  /// Loads `steps` as kernel `name`, in a module of its own.
  CUfunction load(const std::string &name, const Steps &steps) {
    const std::string ptx = kernelOf(name, steps);
    CUmodule &own = modules.emplace_back();
    CUfunction function = nullptr;
    EXPECT_EQ(call("cuModuleLoadData", &own, static_cast<const void *>(ptx.c_str())), CUDA_SUCCESS) << ptx;
    EXPECT_EQ(call("cuModuleGetFunction", &function, own, name.c_str()), CUDA_SUCCESS);
    return function;
  }
  void TearDown() override {
    DriverTest::TearDown();
    for (CUmodule own : modules)
      call("cuModuleUnload", own);
  }
  void run(CUfunction function, CUdeviceptr from, CUdeviceptr to, bool isProgrammatic = true, unsigned blocks = 6) {
    void *params[] = {&from, &to};
    CUlaunchAttribute attribute = {};
    attribute.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    attribute.value.programmaticStreamSerializationAllowed = 1;
    CUlaunchConfig config = {blocks, 1, 1, 32, 1, 1, 0, stream, &attribute, isProgrammatic ? 1u : 0u};
    EXPECT_EQ(call("cuLaunchKernelEx", static_cast<const CUlaunchConfig *>(&config), function, static_cast<void **>(params),
                   static_cast<void **>(nullptr)),
              CUDA_SUCCESS);
  }
  /// Findings of a launch from y to x, one from x to y, and one from y (or x: lastReadsFirst) to z, with several orders of blocks.
  std::string findingsOf(const Steps &first, const Steps &second, const Steps &last, bool lastReadsFirst = false, bool isProgrammatic = true) {
    CUfunction a = load("first", first), b = load("second", second), c = load("last", last);
    CUdeviceptr z = 0;
    EXPECT_EQ(call("cuMemAlloc", &z, size_t{4096}), CUDA_SUCCESS);
    std::string all;
    for (uint64_t seed = 1; seed <= 4 && all.empty(); ++seed) {
      hook<void (*)(uint64_t)>("stoopVgpuSeed")(seed);
      run(a, y, x, false);
      run(b, x, y, isProgrammatic);
      run(c, lastReadsFirst ? x : y, z, isProgrammatic);
      call("cuStreamSynchronize", stream);
      all = findings();
      hook<void (*)()>("stoopVgpuReset")();
    }
    call("cuMemFree", z);
    return all;
  }
  std::vector<CUmodule> modules;
};

const Steps kFirst = {"trigger", "write"}, kRight = {"wait", "trigger", "read", "write"};

TEST_F(OverlapTest, WhoWaitsFirstIsRight) {
  EXPECT_EQ(findingsOf(kFirst, kRight, kRight), "");
  EXPECT_EQ(findingsOf({"write", "trigger"}, {"trigger", "wait", "read", "write"}, {"wait", "read", "write"}), "");
  // Behind a launch that triggers once it has waited, what is in front of that one has ended.
  EXPECT_EQ(findingsOf(kFirst, kRight, {"read", "wait", "write"}, true), "");
}

TEST_F(OverlapTest, WhatIsReadOrWrittenTooEarlyIsFound) {
  EXPECT_NE(findingsOf(kFirst, {"read", "wait", "trigger", "write"}, kRight).find("before its griddepcontrol.wait"), std::string::npos);
  // The last launch writes z alone and may do so; the second one writes what the first one reads.
  EXPECT_EQ(findingsOf(kFirst, kRight, {"write", "wait"}), "");
  EXPECT_NE(findingsOf({"trigger", "read", "write"}, {"write", "wait", "read"}, kRight).find("global-memory race"), std::string::npos);
}

TEST_F(OverlapTest, WhoTriggersBeforeWaitingPassesNothingOn) {
  EXPECT_NE(findingsOf(kFirst, {"trigger", "wait", "read", "write"}, {"read", "wait", "write"}, true).find("global-memory race"),
            std::string::npos);
}

TEST_F(OverlapTest, AnEndWithoutWaitIsFound) {
  for (const Steps &second : {Steps{"trigger", "write"}, Steps{"leave", "wait", "read", "write"}, Steps{"trigger"}})
    EXPECT_NE(findingsOf(kFirst, second, {"wait", "read"}).find("can end without griddepcontrol.wait"), std::string::npos);
  EXPECT_EQ(findingsOf(kFirst, {"leave", "read", "write"}, {"read"}, true, false), ""); // full edges need none
}

TEST_F(OverlapTest, NonCoherentReadsOfAPredecessorAreFound) {
  const Steps nc = {"wait", "trigger", "nc", "write"};
  EXPECT_NE(findingsOf(kFirst, nc, kRight).find("non-coherent read"), std::string::npos);
  EXPECT_EQ(findingsOf(kFirst, nc, kRight, false, false), "");
  EXPECT_EQ(findingsOf(kFirst, kRight, nc, true), ""); // the first one had ended when the last one started
  run(load("own", {"write", "nc"}), x, x, false);
  call("cuStreamSynchronize", stream);
  EXPECT_NE(findings().find("what this launch has written"), std::string::npos);
}

TEST_F(OverlapTest, DependentsStartWhenAllBlocksHaveTriggered) {
  // How many blocks have counted when the dependent looks, before it waits.
  auto seen = [&](const Steps &primary) {
    CUfunction first = load("first", primary), second = load("second", {"look", "wait", "write"});
    std::set<uint32_t> values;
    for (uint64_t seed = 1; seed <= 24; ++seed) {
      hook<void (*)(uint64_t)>("stoopVgpuSeed")(seed);
      EXPECT_EQ(call("cuMemsetD32", x, 0u, size_t{1024}), CUDA_SUCCESS);
      run(first, y, x, false, 3);
      run(second, x, y, true, 1);
      EXPECT_EQ(call("cuStreamSynchronize", stream), CUDA_SUCCESS) << findings();
      uint32_t value = 0;
      EXPECT_EQ(call("cuMemcpyDtoH", static_cast<void *>(&value), y, size_t{4}), CUDA_SUCCESS);
      values.insert(value / 32);
    }
    return values;
  };
  const std::set<uint32_t> behind = seen({"trigger", "count"}), before = seen({"count", "trigger"});
  EXPECT_TRUE(behind.count(0) && behind.count(3) && behind.size() > 2) << "at the earliest, in between, at the end";
  EXPECT_EQ(before, std::set<uint32_t>{3});
  EXPECT_EQ(seen({"count"}), std::set<uint32_t>{3}) << "who never triggers does so by ending";
}
} // namespace
} // namespace vgpu::test

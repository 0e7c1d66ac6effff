//===- Promises.cpp - counts behind what kernels promise ------------------===//
#include "test/kernels/cuda/Promises.h"
#include "test/kernels/cuda/Producer.h"
#include "llvm/ADT/StringRef.h"
#include <algorithm>
#include <gtest/gtest.h>

using namespace stoop;
using namespace stoop::test;

Machine test::machine() {
  return architectureName() == "sm_90a" ? Machine{4.8e12, 132, 1.98e9, 228} : Machine{2.039e12, 108, 1.41e9, 164};
}

int Machine::residentBlocks(const GpuOutcome &outcome, int threads) const {
  int registers = (outcome.registers + 7) / 8 * 8; // they are handed out by eight
  return std::min({65536 / (registers * threads), int((sharedKib << 10) / (outcome.sharedBytes + 1024)), 2048 / threads});
}

Counted test::countRun(const std::string &text, const GpuStep &step) {
  VirtualGpu &gpu = VirtualGpu::get();
  Producer::load(gpu.api); // modules that are loaded from here on are counted
  gpu.count(1);
  Counted counted{runGpuKernel(text, step), {}};
  counted.ops = countedOps();
  gpu.count(0);
  EXPECT_EQ(counted.outcome.failure, "");
  return counted;
}

void test::expectNoBankTwice(const std::vector<OpCount> &ops) {
  uint64_t passes = 0;
  for (const OpCount &op : ops) {
    EXPECT_EQ(op.passes, op.leastPasses) << op.text;
    passes += op.passes;
  }
  EXPECT_GT(passes, 0u);
}

void test::printPromise(const char *kernel, const Counted &counted, uint64_t planned, uint64_t read, int threads) {
  uint64_t requests = 0, sectors = 0, passes = 0, least = 0;
  for (const OpCount &op : counted.ops) {
    bool isRead = llvm::StringRef(op.opcode).starts_with("cp.async.c") || llvm::StringRef(op.opcode).starts_with("ld.global");
    requests += isRead ? op.requests : 0;
    sectors += isRead ? op.sectors : 0;
    passes += op.passes;
    least += op.leastPasses;
  }
  const GpuOutcome &outcome = counted.outcome;
  printf("promise | %s | %s | read %llu of %llu planned bytes | %.1f sectors a request | %llu bank conflicts | %u registers | "
         "%u bytes of shared memory | %u spilled | %d blocks a multiprocessor\n",
         architectureName().c_str(), kernel, static_cast<unsigned long long>(read), static_cast<unsigned long long>(planned),
         requests ? double(sectors) / double(requests) : 0, static_cast<unsigned long long>(passes - least), outcome.registers,
         outcome.sharedBytes, outcome.localBytes, machine().residentBlocks(outcome, threads));
}

// The thread pool: barriers hold, with more threads than CPUs too, and denormals are zero inside only.
#include "runtime/device/cpu/thread_pool.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

namespace stoop::rt {
namespace {

// Each phase, every thread adds to its own counter and then checks all counters of the phase before.
struct Phases {
  ThreadPool& pool;
  std::vector<std::atomic<int>> counters;
  int phases;
  std::atomic<int> violations{0};

  static void body(void* argument, uint32_t thread) {
    Phases& self = *static_cast<Phases*>(argument);
    for (int phase = 1; phase <= self.phases; ++phase) {
      self.counters[thread].fetch_add(1, std::memory_order_relaxed);
      self.pool.barrier(thread);
      for (std::atomic<int>& counter : self.counters) {
        int value = counter.load(std::memory_order_relaxed);
        if (value < phase || value > phase + 1) self.violations.fetch_add(1);
      }
    }
  }
};

class ThreadPoolTest : public testing::TestWithParam<uint32_t> {};

TEST_P(ThreadPoolTest, BarriersHold) {
  Memory memory(nullptr);
  Message message;
  ThreadPool pool;
  ASSERT_EQ(pool.start(memory, GetParam(), false, {}, message), STOOP_OK) << message.text;
  ASSERT_EQ(pool.size(), GetParam());
  for (int job = 0; job < 20; ++job) {
    Phases phases{pool, std::vector<std::atomic<int>>(GetParam()), 100};
    pool.run(Phases::body, &phases);
    EXPECT_EQ(phases.violations.load(), 0);
    for (std::atomic<int>& counter : phases.counters) EXPECT_EQ(counter.load(), 100);
    if (job % 10 == 9) usleep(5000);  // long enough for the threads to go to sleep
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ThreadPoolTest, testing::Values(1, 2, 3, 7, 33));

__attribute__((noinline)) bool denormal_survives() {
  volatile float tiny = 1e-38f;
  volatile float half = tiny * 0.25f;  // below the normal range
  return half != 0;
}

TEST(ThreadPool, DenormalsAreZeroInsideOnly) {
  Memory memory(nullptr);
  Message message;
  ThreadPool pool;
  ASSERT_EQ(pool.start(memory, 3, false, {}, message), STOOP_OK);
  ASSERT_TRUE(denormal_survives());
  std::atomic<int> survivors{0};
  pool.run(
      [](void* argument, uint32_t) {
        if (denormal_survives()) static_cast<std::atomic<int>*>(argument)->fetch_add(1);
      },
      &survivors);
  EXPECT_EQ(survivors.load(), 0);
  EXPECT_TRUE(denormal_survives());
}

TEST(ThreadPool, StopsWithoutAJobAndStartsAgain) {
  Memory memory(nullptr);
  Message message;
  for (int i = 0; i < 5; ++i) {
    ThreadPool pool;
    ASSERT_EQ(pool.start(memory, 4, false, {}, message), STOOP_OK);
  }
  EXPECT_EQ(memory.host_bytes(), 0u);
}

TEST(ThreadPool, ThreadsRunOnTheStacksOfThePlan) {
  constexpr uint32_t kThreads = 4;
  constexpr uint64_t kBytes = 128 << 10;
  Memory memory(nullptr);
  Message message;
  void* stacks = nullptr;
  ASSERT_EQ(memory.map((kThreads - 1) * kBytes, "stacks", &stacks, message), STOOP_OK);
  {
    ThreadPool pool;
    ASSERT_EQ(pool.start(memory, kThreads, false, {stacks, kBytes}, message), STOOP_OK) << message.text;
    uintptr_t frames[kThreads] = {};
    pool.run(
        [](void* argument, uint32_t thread) {
          volatile char large[64 << 10];
          for (size_t i = 0; i < sizeof large; i += 4096) large[i] = 1;
          static_cast<uintptr_t*>(argument)[thread] = reinterpret_cast<uintptr_t>(&large[0]);
        },
        frames);
    for (uint32_t i = 1; i < kThreads; ++i) {
      uintptr_t lowest = reinterpret_cast<uintptr_t>(stacks) + (i - 1) * kBytes;
      EXPECT_GE(frames[i], lowest + 4096) << i;
      EXPECT_LT(frames[i], lowest + kBytes) << i;
    }
  }
  memory.unmap(stacks, (kThreads - 1) * kBytes);
  EXPECT_EQ(memory.mapped_bytes(), 0u);
}

TEST(ThreadPool, CallerKeepsItsCpus) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  {
    Memory memory(nullptr);
    Message message;
    ThreadPool pool;
    ASSERT_EQ(pool.start(memory, available_cpus(), true, {}, message), STOOP_OK);
  }
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

}  // namespace
}  // namespace stoop::rt

// Thread pool. The barrier: each thread raises a counter of its own and then reads everybody else's.
// No location is written by two threads, so for two threads it is one cache-line transfer each way.
#include "runtime/device/cpu/thread_pool.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

namespace stoop::rt {
namespace {

// Ticks of the time stamp counter (2-4 per nanosecond) to spin before sleeping. Within a step all
// threads arrive within microseconds, so a barrier gives up after about 100 us; between two steps the
// caller samples and prints, so an idle thread waits about 1 ms. With more threads than CPUs spinning
// only steals time from the thread that is waited for.
constexpr uint64_t kBarrierSpin = 300'000, kIdleSpin = 3'000'000, kCrowdedSpin = 2'000;
constexpr size_t kStackBytes = size_t{1} << 20, kGuardBytes = 4096;
constexpr unsigned kFlushToZero = 0x8040;  // MXCSR: FTZ and DAZ
constexpr unsigned kDefaultMxcsr = 0x1f80;

void futex_wait(std::atomic<uint32_t>& word, uint32_t expected) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void futex_wake_all(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 0x7fffffff, nullptr, nullptr, 0);
}

bool reached(uint32_t value, uint32_t target) { return static_cast<int32_t>(value - target) >= 0; }

// CPU quota of this control group, rounded up; 0 when there is none.
uint32_t quota_cpus() {
  int file = open("/sys/fs/cgroup/cpu.max", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[64];
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return 0;
  text[length] = '\0';
  unsigned long long quota = 0, period = 0;
  if (sscanf(text, "%llu %llu", &quota, &period) != 2 || period == 0) return 0;
  return static_cast<uint32_t>((quota + period - 1) / period);
}

}  // namespace

uint32_t available_cpus() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  uint32_t count = 1;
  if (sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > 0)
    count = static_cast<uint32_t>(CPU_COUNT(&cpus));
  uint32_t quota = quota_cpus();
  return quota && quota < count ? quota : count;
}

// Starts worker `index`; returns an errno value.
int ThreadPool::start_worker(uint32_t index, const Memory& memory, ThreadStacks stacks) {
  pthread_attr_t attributes;
  if (int error = pthread_attr_init(&attributes)) return error;
  int error = 0;
  if (stacks.memory) {
    unsigned char* lowest = static_cast<unsigned char*>(stacks.memory) + (index - 1) * stacks.bytes;
    // A guard page that cannot be had costs a check, not the program.
    if (memory.maps_are_system()) mprotect(lowest, kGuardBytes, PROT_NONE);
    error = pthread_attr_setstack(&attributes, lowest + kGuardBytes, stacks.bytes - kGuardBytes);
  } else {
    error = pthread_attr_setstacksize(&attributes, kStackBytes);
  }
  Worker& worker = workers_[index];
  worker.pool = this;
  worker.index = index;
  if (!error) error = pthread_create(&worker.thread, &attributes, worker_main, &worker);
  pthread_attr_destroy(&attributes);
  return error;
}

stoop_status ThreadPool::start(Memory& memory, uint32_t threads, bool pin_caller,
                               ThreadStacks stacks, Message& message) {
  CPU_ZERO(&cpus_);
  sched_getaffinity(0, sizeof cpus_, &cpus_);
  uint32_t cpus = static_cast<uint32_t>(CPU_COUNT(&cpus_));
  bool crowded = threads > available_cpus();
  barrier_spin_ = crowded ? kCrowdedSpin : kBarrierSpin;
  idle_spin_ = crowded ? kCrowdedSpin : kIdleSpin;
  pinned_ = threads == cpus && threads > 1;
  STOOP_TRY(workers_.create(memory, threads, "the table of threads", message));
  STOOP_TRY(arrivals_.create(memory, threads, "the table of threads", message));
  STOOP_TRY(jobs_.create(memory, 1, "the table of threads", message));
  size_ = threads;

  // Signals belong to the program's own threads.
  sigset_t every, before;
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  int error = 0;
  for (started_ = 1; started_ < threads; ++started_) {
    error = start_worker(started_, memory, stacks);
    if (error != 0) break;
    if (pinned_) pin(started_, workers_[started_].thread);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    uint32_t number = started_;
    stop();
    return fail(message, STOOP_OUT_OF_MEMORY, "cannot start thread %u of %u (error %d); use -t",
                number + 1, threads, error);
  }
  if (pinned_ && pin_caller) {
    caller_cpus_ = cpus_;
    caller_pinned_ = true;
    pin(0, pthread_self());
  }
  return STOOP_OK;
}

void ThreadPool::stop() {
  if (size_ == 0) return;
  body_ = nullptr;
  if (started_ > 1) raise(jobs_[0], jobs_[0].value.load(std::memory_order_relaxed) + 1);
  for (uint32_t i = 1; i < started_; ++i) pthread_join(workers_[i].thread, nullptr);
  if (caller_pinned_) pthread_setaffinity_np(pthread_self(), sizeof caller_cpus_, &caller_cpus_);
  caller_pinned_ = false;
  started_ = size_ = 0;
  workers_.reset();
  arrivals_.reset();
  jobs_.reset();
}

void ThreadPool::pin(uint32_t thread, pthread_t handle) const {
  uint32_t seen = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &cpus_) || seen++ != thread) continue;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    pthread_setaffinity_np(handle, sizeof only, &only);
    return;
  }
}

void ThreadPool::raise(Signal& signal, uint32_t value) {
  // Sequentially consistent against the waiter's "count me, then look again": one of both sees the
  // other.
  signal.value.store(value, std::memory_order_seq_cst);
  if (signal.sleepers.load(std::memory_order_seq_cst) != 0) futex_wake_all(signal.value);
}

void ThreadPool::await(Signal& signal, uint32_t value, uint64_t spin_ticks) {
  if (reached(signal.value.load(std::memory_order_acquire), value)) return;
  uint64_t start = __rdtsc();
  do {
    for (int i = 0; i < 16; ++i) {
      if (reached(signal.value.load(std::memory_order_acquire), value)) return;
      _mm_pause();
    }
  } while (__rdtsc() - start < spin_ticks);
  signal.sleepers.fetch_add(1, std::memory_order_seq_cst);
  for (;;) {
    uint32_t now = signal.value.load(std::memory_order_seq_cst);
    if (reached(now, value)) break;
    futex_wait(signal.value, now);
  }
  signal.sleepers.fetch_sub(1, std::memory_order_relaxed);
}

void ThreadPool::barrier(uint32_t thread) {
  if (size_ == 1) return;
  Signal& mine = arrivals_[thread];
  uint32_t turn = mine.value.load(std::memory_order_relaxed) + 1;
  raise(mine, turn);
  for (uint32_t other = 0; other < size_; ++other)
    if (other != thread) await(arrivals_[other], turn, barrier_spin_);
}

void ThreadPool::run(void (*body)(void*, uint32_t), void* argument) {
  unsigned mode = _mm_getcsr();
  _mm_setcsr(kDefaultMxcsr | kFlushToZero);
  if (size_ > 1) {
    body_ = body;
    argument_ = argument;
    raise(jobs_[0], jobs_[0].value.load(std::memory_order_relaxed) + 1);
  }
  body(argument, 0);
  barrier(0);
  _mm_setcsr(mode);
}

void* ThreadPool::worker_main(void* worker) {
  const Worker& self = *static_cast<const Worker*>(worker);
  self.pool->work(self.index);
  return nullptr;
}

void ThreadPool::work(uint32_t thread) {
  _mm_setcsr(kDefaultMxcsr | kFlushToZero);
  for (uint32_t job = 1;; ++job) {
    await(jobs_[0], job, idle_spin_);
    if (!body_) return;
    body_(argument_, thread);
    barrier(thread);
  }
}

}  // namespace stoop::rt

// The threads that run kernels: they start once, spin for a short while when there is nothing to do and
// then sleep in the kernel; a barrier between launches costs about a cache miss while they spin.
// Invariant: correct with more threads than CPUs, because every wait ends in a futex.
#ifndef STOOP_RUNTIME_DEVICE_CPU_THREAD_POOL_H_
#define STOOP_RUNTIME_DEVICE_CPU_THREAD_POOL_H_

#include <pthread.h>
#include <sched.h>

#include <atomic>

#include "runtime/core/memory.h"

namespace stoop::rt {

// CPUs this process may use: its affinity mask, and at most what a cgroup's CPU quota allows.
uint32_t available_cpus();

// Memory for the stacks of all threads but the caller's, one behind the other, `bytes` each, the
// lowest page of each being its guard. `memory` NULL: the system's stacks.
struct ThreadStacks {
  void* memory = nullptr;
  uint64_t bytes = 0;
};

class ThreadPool {
 public:
  ThreadPool() = default;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool() { stop(); }

  // Starts `threads` - 1 threads; the caller of run() is thread 0. Threads are pinned, one a CPU, when
  // they use all CPUs of the affinity mask: fewer are left to the scheduler, so that two programs
  // with one thread each do not meet on CPU 0. `pin_caller` pins the calling thread likewise.
  // `stacks` must outlive the threads.
  stoop_status start(Memory& memory, uint32_t threads, bool pin_caller, ThreadStacks stacks,
                     Message& message);
  void stop();

  uint32_t size() const { return size_; }

  // Calls body(argument, thread) on every thread and returns when all have returned. Only one thread
  // may call it at a time. Kernels run with denormals as zero; the caller's mode is put back.
  void run(void (*body)(void* argument, uint32_t thread), void* argument);

  // Inside a body: returns when all threads have arrived here.
  void barrier(uint32_t thread);

 private:
  // A counter that its owner raises and others wait for.
  struct alignas(64) Signal {
    std::atomic<uint32_t> value;
    std::atomic<uint32_t> sleepers;
  };
  struct Worker {
    ThreadPool* pool;
    uint32_t index;
    pthread_t thread;
  };

  static void* worker_main(void* worker);
  void work(uint32_t thread);
  void pin(uint32_t thread, pthread_t handle) const;
  int start_worker(uint32_t index, const Memory& memory, ThreadStacks stacks);
  static void raise(Signal& signal, uint32_t value);
  static void await(Signal& signal, uint32_t value, uint64_t spin_ticks);

  uint32_t size_ = 0, started_ = 0;
  bool pinned_ = false, caller_pinned_ = false;
  uint64_t barrier_spin_ = 0, idle_spin_ = 0;
  cpu_set_t cpus_{}, caller_cpus_{};
  Array<Worker> workers_;
  Array<Signal> arrivals_;  // one per thread: how many barriers it has reached
  Array<Signal> jobs_;      // one: how many jobs were posted
  void (*body_)(void*, uint32_t) = nullptr;  // NULL: leave
  void* argument_ = nullptr;
};

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_DEVICE_CPU_THREAD_POOL_H_

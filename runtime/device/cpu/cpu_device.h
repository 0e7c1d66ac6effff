// Runs one step of an entry on the thread pool.
#ifndef STOOP_RUNTIME_DEVICE_CPU_CPU_DEVICE_H_
#define STOOP_RUNTIME_DEVICE_CPU_CPU_DEVICE_H_

#include "runtime/core/program.h"
#include "runtime/device/cpu/thread_pool.h"

namespace stoop::rt {

// Runs the entry's launches in order, every launch on all threads, a barrier behind each. The caller
// has filled tokens, positions and slots. Allocates nothing.
void run_entry(ThreadPool& pool, const Program& program, const Entry& entry,
               const stoop_step& step);

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_DEVICE_CPU_CPU_DEVICE_H_

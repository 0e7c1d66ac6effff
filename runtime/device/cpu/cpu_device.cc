// One wake-up per step: each thread walks the launches itself and meets the others at the barriers.
#include "runtime/device/cpu/cpu_device.h"

namespace stoop::rt {
namespace {

struct Job {
  ThreadPool& pool;
  const Program& program;
  const Entry& entry;
  const stoop_step& step;
};

void walk(void* argument, uint32_t thread) {
  const Job& job = *static_cast<const Job*>(argument);
  stoop_kernel_args args;
  args.step = &job.step;
  args.thread = thread;
  args.num_threads = job.pool.size();
  args.scratch = job.program.scratch(thread);
  for (uint32_t i = 0; i < job.entry.num_launches; ++i) {
    const Launch& launch = job.entry.launches[i];
    args.buffers = launch.buffers;
    launch.function(&args);
    // The pool's own barrier at the end of a job stands behind the last launch.
    if (i + 1 < job.entry.num_launches) job.pool.barrier(thread);
  }
}

}  // namespace

void run_entry(ThreadPool& pool, const Program& program, const Entry& entry,
               const stoop_step& step) {
  Job job{pool, program, entry, step};
  pool.run(walk, &job);
}

}  // namespace stoop::rt

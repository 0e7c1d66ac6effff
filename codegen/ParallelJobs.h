//===- ParallelJobs.h - independent compilations on a few threads ---------===//
//
// What every target does with the code of its kernels: jobs in any order on any thread, each writing to
// its own place, so that results are ordered by job and never by who finished first.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_PARALLELJOBS_H
#define STOOP_CODEGEN_PARALLELJOBS_H

#include "codegen/TargetBackend.h"
#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

namespace stoop::codegen {

/// Calls run(job) for each of `jobs`, on as many threads as the options say, the caller's among them;
/// reports progress one at a time.
template <class Job, class Run>
void runJobs(std::vector<Job> &jobs, const CompileOptions &options, const Run &run) {
  std::atomic<size_t> next = 0;
  std::mutex reporting;
  size_t done = 0;
  auto work = [&] {
    for (size_t i = next++; i < jobs.size(); i = next++) {
      run(jobs[i]);
      if (!options.progress)
        continue;
      std::lock_guard<std::mutex> lock(reporting);
      options.progress(++done, jobs.size());
    }
  };
  unsigned numThreads =
      options.numThreads ? options.numThreads : std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::min<size_t>(numThreads, jobs.size()); ++i)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();
}

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_PARALLELJOBS_H

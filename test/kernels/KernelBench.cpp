//===- KernelBench.cpp - rates of the linear and attention templates ------===//
//
// Prints GB/s of the weight stream for few rows and GFLOP/s for many, at the best level of this
// machine:
//   stoop-kernel-bench [threads] [prefetch bytes]
// A developer's tool; nothing is asserted.
//
//===----------------------------------------------------------------------===//
#include "kernels/common/params.h"
#include "kernels/common/scratch.h"
#include "test/kernels/KernelHarness.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <sys/mman.h>
#include <thread>
#include <time.h>

using namespace stoop;
using namespace stoop::test;

/// Wall time; with one thread its CPU time, so that other load on the machine counts less.
static double seconds(unsigned threads) {
  timespec now;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

/// Shortest of `repeats` runs of work(thread) on all threads.
static double best(unsigned threads, int repeats, const std::function<void(unsigned)> &work) {
  double shortest = 1e30;
  for (int i = 0; i < repeats; ++i) {
    double start = seconds(threads);
    std::vector<std::thread> pool;
    for (unsigned t = 1; t < threads; ++t)
      pool.emplace_back(work, t);
    work(0);
    for (std::thread &thread : pool)
      thread.join();
    shortest = std::min(shortest, seconds(threads) - start);
  }
  return shortest;
}

/// Large zero-filled memory behind real pages.
static unsigned char *allocate(size_t bytes, unsigned char fill) {
  void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    std::exit(1);
  std::memset(p, fill, bytes);
  return static_cast<unsigned char *>(p);
}

static void benchLinear(const kernels::KernelLevel &level, const std::string &port, size_t wBytes,
                        size_t xBytes, int64_t rows, int64_t n, int64_t k, unsigned threads,
                        int64_t prefetch) {
  codegen::KernelSpec spec =
      linearSpec(port, {rows, n, k, k, n, xBytes == 4 ? Element::F32 : Element::BF16, prefetch});
  uint64_t scratchBytes = spec.scratchBytes;
  LoadedKernel kernel(spec, level);
  // 0x3c3c is a small normal number in every element type: denormals would cost ten times the time.
  unsigned char *w = allocate(n * k * wBytes, 0x3c), *x = allocate(rows * k * xBytes, 0x3c),
                *y = allocate(rows * n * 4, 0);
  unsigned char *scratch = allocate(threads * (scratchBytes + 4096), 0);
  void *buffers[] = {x, w, y};
  stoop_step step = {};
  step.num_rows = rows;
  double time = best(threads, 7, [&](unsigned t) {
    stoop_kernel_args args = {buffers, &step, t, threads,
                              scratch + t * (scratchBytes + 4096) / 64 * 64};
    kernel.function()(&args);
  });
  std::printf("%-28s %-12s rows %4ld  %6ld x %5ld  %8.3f ms  %6.1f GB/s  %7.1f GFLOP/s\n",
              port.c_str(), level.name.str().c_str(), long(rows), long(n), long(k), time * 1e3,
              n * k * wBytes / time / 1e9, 2.0 * rows * n * k / time / 1e9);
  munmap(w, n * k * wBytes);
  munmap(x, rows * k * xBytes);
  munmap(y, rows * n * 4);
  munmap(scratch, threads * (scratchBytes + 4096));
}

static void benchAttention(const kernels::KernelLevel &level, int64_t rows, int64_t start,
                           int64_t heads, int64_t kvHeads, unsigned threads) {
  constexpr int64_t headDim = 64;
  int64_t width = heads * headDim, context = start + rows;
  kernels::AttentionParams p = {0,     1,       2,       3,       4,    width, width, 1,
                                heads, kvHeads, context, headDim, rows, 1,     0.125};
  uint64_t scratchBytes = kernels::attention_scratch_bytes(headDim, heads / kvHeads);
  codegen::KernelSpec spec = makeSpec("stoop_attention_bf16_bf16", p, scratchBytes);
  spec.table.assign(heads, 0.25f);
  LoadedKernel kernel(spec, level);
  size_t cached = 2 * kvHeads * context * headDim * 2;
  unsigned char *q = allocate(rows * width * 2, 0x3c), *y = allocate(rows * width * 2, 0),
                *kv = allocate(cached, 0x3c);
  unsigned char *scratch = allocate(threads * (scratchBytes + 4096), 0);
  std::vector<int32_t> positions, slots(rows, 0);
  for (int64_t r = 0; r < rows; ++r)
    positions.push_back(start + r);
  void *buffers[] = {q, kv, positions.data(), slots.data(), y};
  stoop_step step = {};
  step.num_rows = rows;
  double time = best(threads, 5, [&](unsigned t) {
    stoop_kernel_args args = {buffers, &step, t, threads,
                              scratch + t * (scratchBytes + 4096) / 64 * 64};
    kernel.function()(&args);
  });
  double pairs = rows * (start + (rows + 1) / 2.0) * heads;
  std::printf("attention bf16 %-12s rows %4ld from %5ld, heads %2ld/%2ld  %8.3f ms  %6.1f GB/s  "
              "%7.1f GFLOP/s\n",
              level.name.str().c_str(), long(rows), long(start), long(heads), long(kvHeads),
              time * 1e3, cached / time / 1e9, pairs * headDim * 4 / time / 1e9);
  munmap(q, rows * width * 2);
  munmap(y, rows * width * 2);
  munmap(kv, cached);
  munmap(scratch, threads * (scratchBytes + 4096));
}

/// Sum over a buffer far larger than the caches: what reading can reach.
static void benchRead(unsigned threads) {
  constexpr size_t bytes = 512u << 20;
  unsigned char *p = allocate(bytes, 1);
  std::vector<uint64_t> sums(threads * 8);
  double time = best(threads, 7, [&](unsigned t) {
    const uint64_t *begin = reinterpret_cast<uint64_t *>(p) + bytes / 8 / threads * t;
    uint64_t sum[8] = {};
    for (size_t i = 0; i < bytes / 8 / threads; i += 8) {
      __builtin_prefetch(begin + i + 128);
      for (int j = 0; j < 8; ++j)
        sum[j] += begin[i + j];
    }
    for (int j = 1; j < 8; ++j)
      sum[0] += sum[j];
    sums[t * 8] = sum[0];
  });
  std::printf("read %u threads: %.1f GB/s (sum %lu)\n", threads, bytes / time / 1e9,
              static_cast<unsigned long>(sums[0]));
  munmap(p, bytes);
}

int main(int argc, char **argv) {
  unsigned threads = argc > 1 ? std::atoi(argv[1]) : 2;
  int64_t prefetch = argc > 2 ? std::atoll(argv[2]) : 1024;
  const kernels::KernelLevel &level = *runnableLevels().back();
  benchRead(threads);
  benchLinear(level, "stoop_linear_bf16_bf16", 2, 2, 1, 8192, 8192, threads, prefetch);
  benchLinear(level, "stoop_linear_bf16_bf16", 2, 2, 2, 8192, 8192, threads, prefetch);
  benchLinear(level, "stoop_linear_bf16_bf16", 2, 2, 4, 8192, 8192, threads, prefetch);
  benchLinear(level, "stoop_linear_bf16_f32", 2, 4, 1, 8192, 8192, threads, prefetch);
  benchLinear(level, "stoop_linear_f32_f32", 4, 4, 1, 8192, 4096, threads, prefetch);
  benchLinear(level, "stoop_linear_f16_f16", 2, 2, 1, 8192, 8192, threads, prefetch);
  benchLinear(level, "stoop_linear_bf16_bf16", 2, 2, 64, 2048, 2048, threads, prefetch);
  benchLinear(level, "stoop_linear_bf16_bf16", 2, 2, 512, 2048, 2048, threads, prefetch);
  benchLinear(level, "stoop_linear_bf16_f32", 2, 4, 512, 2048, 2048, threads, prefetch);
  benchAttention(level, 1, 2047, 32, 32, threads);
  benchAttention(level, 1, 2047, 71, 1, threads);
  benchAttention(level, 512, 0, 32, 32, threads);
  benchAttention(level, 256, 11776, 8, 1, threads);
}

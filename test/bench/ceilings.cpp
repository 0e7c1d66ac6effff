//===- ceilings.cpp - what this machine can do at most --------------------===//
//
// The read rate of memory far larger than the caches, over prefetch distances, and the register-only
// rate of each multiply-add that kernels use; two-thread barrier. All the machine's threads, pinned.
//
//   clang++-22 -O2 -march=native -pthread ceilings.cpp -o ceilings
//   ceilings [--probe] [--threads N]        one JSON document; --probe: read rate and barrier, one second
//
//===----------------------------------------------------------------------===//
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <immintrin.h>
#include <pthread.h>
#include <string>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Runs work(thread) on pinned threads; seconds from the first start to the last end.
static double parallel(int threads, const std::function<void(int)> &work) {
  std::atomic<int> ready{0};
  std::vector<double> begin(threads), end(threads);
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t)
    pool.emplace_back([&, t] {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(t, &set);
      pthread_setaffinity_np(pthread_self(), sizeof set, &set);
      ++ready;
      while (ready.load() < threads)
        _mm_pause();
      begin[t] = now();
      work(t);
      end[t] = now();
    });
  for (std::thread &thread : pool)
    thread.join();
  return *std::max_element(end.begin(), end.end()) - *std::min_element(begin.begin(), begin.end());
}

static double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Memory of `bytes`, on small pages as a mapped file has them, every page written.
static char *allocate(size_t bytes) {
  void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) {
    perror("mmap");
    exit(3);
  }
  madvise(p, bytes, MADV_NOHUGEPAGE);
  memset(p, 1, bytes);
  return static_cast<char *>(p);
}

/// GB/s of reading it once, each thread its part, fetching `ahead` bytes in front (0: not at all).
static double readRate(const char *data, size_t bytes, size_t ahead, int threads) {
  size_t part = bytes / threads / 4096 * 4096;
  double seconds = parallel(threads, [&](int t) {
    const char *p = data + t * part;
    __m256i sum[4] = {};
    for (size_t i = 0; i < part; i += 128) {
      if (ahead) {
        _mm_prefetch(p + i + ahead, _MM_HINT_T0);
        _mm_prefetch(p + i + ahead + 64, _MM_HINT_T0);
      }
      for (int j = 0; j < 4; ++j)
        sum[j] = _mm256_xor_si256(sum[j], _mm256_loadu_si256((const __m256i *)(p + i + 32 * j)));
    }
    for (__m256i &s : sum)
      asm volatile("" ::"x"(s));
  });
  return part * threads / seconds / 1e9;
}

static double barrierNs() {
  struct alignas(128) Flag {
    std::atomic<long> value{0};
  };
  static Flag flags[2];
  const long turns = 1 << 17;
  flags[0].value = flags[1].value = 0;
  return parallel(2, [&](int t) {
           for (long i = 1; i <= turns; ++i) {
             flags[t].value.store(i, std::memory_order_release);
             while (flags[1 - t].value.load(std::memory_order_acquire) < i) {
             }
           }
         }) /
         turns * 1e9;
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

/// Ten independent accumulators, 1e6 turns of `op`.
#define TEN(OP, R)                                                                                    \
  OP " %%" R "15,%%" R "14,%%" R "0\n" OP " %%" R "15,%%" R "14,%%" R "1\n"                           \
  OP " %%" R "15,%%" R "14,%%" R "2\n" OP " %%" R "15,%%" R "14,%%" R "3\n"                           \
  OP " %%" R "15,%%" R "14,%%" R "4\n" OP " %%" R "15,%%" R "14,%%" R "5\n"                           \
  OP " %%" R "15,%%" R "14,%%" R "6\n" OP " %%" R "15,%%" R "14,%%" R "7\n"                           \
  OP " %%" R "15,%%" R "14,%%" R "8\n" OP " %%" R "15,%%" R "14,%%" R "9\n"
#define CLOBBERS                                                                                      \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm14", "xmm15"
/// OP in registers of kind R; operands are one in float32 and bfloat16: denormals would be slow.
#define LOOP(NAME, OPS, R)                                                                            \
  static void NAME(long turns) {                                                                      \
    const uint32_t one = 0x3f803f80;                                                                  \
    asm volatile("vmovd %1,%%xmm15\n vpbroadcastd %%xmm15," "%%" R "15\n vpbroadcastd %%xmm15," "%%" R "14\n" \
                 "1:\n" OPS OPS "dec %0\n jnz 1b\n"                                                   \
                 : "+r"(turns)                                                                        \
                 : "r"(one)                                                                           \
                 : "cc", CLOBBERS);                                                                   \
  }

struct Rate {
  const char *name; ///< key of the result
  void (*loop)(long);
  double perTurn; ///< operations (two a multiply-add)
  long turns;
};

LOOP(fmaYmm, TEN("vfmadd231ps", "ymm"), "ymm")
// Integer dot products without VNNI: pairs of 16 bits are multiplied and added, then added up.
LOOP(maddYmm, TEN("vpmaddwd", "ymm"), "ymm")
#if defined(__AVX512F__)
LOOP(fmaZmm, TEN("vfmadd231ps", "zmm"), "zmm")
#endif
#if defined(__AVX512BF16__)
LOOP(bf16Zmm, TEN("vdpbf16ps", "zmm"), "zmm")
#endif
#if defined(__AVX512VNNI__)
LOOP(vnniZmm, TEN("vpdpbusd", "zmm"), "zmm")
#endif
#if defined(__AMX_BF16__) && defined(__AMX_INT8__)
/// Four independent tiles of sums.
template <bool kInt8> static void tiles(long turns) {
  syscall(SYS_arch_prctl, 0x1023, 18);
  alignas(64) struct {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t columns[16] = {64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16};
  } config;
  _tile_loadconfig(&config);
  for (; turns > 0; --turns) {
    if constexpr (kInt8) {
      _tile_dpbssd(0, 4, 5);
      _tile_dpbssd(1, 4, 5);
      _tile_dpbssd(2, 4, 5);
      _tile_dpbssd(3, 4, 5);
    } else {
      _tile_dpbf16ps(0, 4, 5);
      _tile_dpbf16ps(1, 4, 5);
      _tile_dpbf16ps(2, 4, 5);
      _tile_dpbf16ps(3, 4, 5);
    }
  }
  _tile_release();
}
#endif

static const Rate kRates[] = {
#if defined(__AVX512F__)
    {"f32_gflops", fmaZmm, 20 * 32, 4000000},
#else
    {"f32_gflops", fmaYmm, 20 * 16, 4000000},
#endif
#if defined(__AMX_BF16__) && defined(__AMX_INT8__)
    {"bf16_gflops", tiles<false>, 4 * 16 * 16 * 64, 2000000},
    {"int8_gops", tiles<true>, 4 * 16 * 16 * 128, 2000000},
#else
#if defined(__AVX512BF16__)
    {"bf16_gflops", bf16Zmm, 20 * 64, 4000000},
#endif
#if defined(__AVX512VNNI__)
    {"int8_gops", vnniZmm, 20 * 128, 4000000},
#else
    {"int16_gops", maddYmm, 20 * 32, 4000000},
#endif
#endif
};

static double arithmeticRate(const Rate &rate, int threads) {
  double best = 0;
  for (int repeat = 0; repeat < 3; ++repeat)
    best = std::max(best, rate.perTurn * rate.turns * threads /
                              parallel(threads, [&](int) { rate.loop(rate.turns); }) / 1e9);
  return best;
}

int main(int argc, char **argv) {
  int threads = static_cast<int>(std::thread::hardware_concurrency());
  bool probe = false;
  for (int i = 1; i < argc; ++i) {
    if (!strcmp(argv[i], "--probe"))
      probe = true;
    else if (!strcmp(argv[i], "--threads") && i + 1 < argc)
      threads = std::max(1, atoi(argv[++i]));
    else
      return fprintf(stderr, "usage: %s [--probe] [--threads N]\n", argv[0]), 2;
  }
  const size_t bytes = probe ? 512u << 20 : 1u << 30;
  const std::vector<size_t> distances =
      probe ? std::vector<size_t>{1024, 4096} : std::vector<size_t>{0, 512, 1024, 2048, 4096, 8192};
  // What lies behind the last byte is prefetched too.
  char *data = allocate(bytes + (64 << 10));
  std::vector<std::vector<double>> rates(distances.size());
  for (int round = 0; round < (probe ? 3 : 5); ++round)
    for (size_t i = 0; i < distances.size(); ++i)
      rates[i].push_back(readRate(data, bytes, distances[i], threads));
  size_t best = 0;
  for (size_t i = 1; i < distances.size(); ++i)
    if (median(rates[i]) > median(rates[best]))
      best = i;
  printf("{\"threads\": %d, \"read_gb_s\": %.2f, \"read_gb_s_most\": %.2f, \"prefetch_bytes\": %zu", threads,
         median(rates[best]), *std::max_element(rates[best].begin(), rates[best].end()), distances[best]);
  if (!probe)
    for (const Rate &rate : kRates)
      printf(", \"%s\": %.1f", rate.name, arithmeticRate(rate, threads));
  if (!probe)
    printf(", \"read_gb_s_no_prefetch\": %.2f", median(rates[0]));
  printf(", \"barrier_ns\": %.0f}\n", threads > 1 ? barrierNs() : 0.0);
}

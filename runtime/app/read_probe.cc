// The probe's loop loads 64 bytes a turn and prefetches a few hundred ahead, which is worth a quarter on
// current machines; the sum keeps the loads alive.
#include "runtime/app/read_probe.h"

#include <emmintrin.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include <atomic>
#include <vector>

#include "runtime/app/console.h"
#include "runtime/app/options.h"

namespace stoop::app {
namespace {

struct Part {
  const unsigned char* data;
  size_t bytes;
  std::atomic<uint32_t>* waiting;  // threads that are not ready
  uint64_t sum;
};

void read_part(Part& part) {
  constexpr size_t kAhead = 1024;
  __m128i a = _mm_setzero_si128(), b = a, c = a, d = a;
  for (size_t i = 0; i < part.bytes; i += 64) {
    const __m128i* line = reinterpret_cast<const __m128i*>(part.data + i);
    _mm_prefetch(reinterpret_cast<const char*>(part.data + i + kAhead), _MM_HINT_NTA);
    a = _mm_xor_si128(a, _mm_load_si128(line));
    b = _mm_xor_si128(b, _mm_load_si128(line + 1));
    c = _mm_xor_si128(c, _mm_load_si128(line + 2));
    d = _mm_xor_si128(d, _mm_load_si128(line + 3));
  }
  a = _mm_xor_si128(_mm_xor_si128(a, b), _mm_xor_si128(c, d));
  part.sum = static_cast<uint64_t>(_mm_cvtsi128_si64(a));
}

void* part_main(void* argument) {
  Part& part = *static_cast<Part*>(argument);
  part.waiting->fetch_sub(1);
  while (part.waiting->load() != 0) sched_yield();
  read_part(part);
  return nullptr;
}

void pin(pthread_attr_t& attributes, const cpu_set_t& cpus, uint32_t index) {
  uint32_t count = static_cast<uint32_t>(CPU_COUNT(&cpus)), seen = 0;
  for (int cpu = 0; count && cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &cpus) || seen++ != index % count) continue;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    pthread_attr_setaffinity_np(&attributes, sizeof only, &only);
    return;
  }
}

}  // namespace

ReadProbe::ReadProbe() {
  CPU_ZERO(&cpus_);
  sched_getaffinity(0, sizeof cpus_, &cpus_);
  void* data =
      mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED)
    throw Failure(kExitMachine, "out of memory: the bandwidth probe needs 256 MiB");
  madvise(data, kBytes, MADV_HUGEPAGE);
  memset(data, 1, kBytes);
  data_ = static_cast<unsigned char*>(data);
}

ReadProbe::~ReadProbe() { munmap(data_, kBytes); }

double ReadProbe::measure(uint32_t threads) {
  std::atomic<uint32_t> waiting{threads + 1};
  std::vector<Part> parts(threads);
  std::vector<pthread_t> handles(threads);
  size_t share = kBytes / threads & ~size_t{4095};
  uint32_t started = 0;
  for (; started < threads; ++started) {
    parts[started] = Part{data_ + started * share, share, &waiting, 0};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pin(attributes, cpus_, started);
    int error = pthread_create(&handles[started], &attributes, part_main, &parts[started]);
    pthread_attr_destroy(&attributes);
    if (error != 0) break;
  }
  if (started < threads) waiting.fetch_sub(threads - started);
  while (waiting.load() != 1) sched_yield();
  double start = seconds_now();
  waiting.store(0);
  for (uint32_t i = 0; i < started; ++i) pthread_join(handles[i], nullptr);
  double seconds = seconds_now() - start;
  if (started < threads) throw Failure(kExitMachine, "cannot start the threads of the bandwidth probe");
  return static_cast<double>(share) * threads / seconds;
}

}  // namespace stoop::app

// How fast this machine reads memory: the roof for decoding.
#ifndef STOOP_RUNTIME_APP_READ_PROBE_H_
#define STOOP_RUNTIME_APP_READ_PROBE_H_

#include <sched.h>

#include <cstddef>
#include <cstdint>

namespace stoop::app {

class ReadProbe {
 public:
  // Remembers the CPUs of this process; create it before a model pins the calling thread.
  ReadProbe();
  ~ReadProbe();
  ReadProbe(const ReadProbe&) = delete;
  ReadProbe& operator=(const ReadProbe&) = delete;

  // Reads 256 MiB once with `threads` threads, with prefetching; bytes per second.
  double measure(uint32_t threads);

 private:
  static constexpr size_t kBytes = size_t{256} << 20;
  cpu_set_t cpus_;
  unsigned char* data_ = nullptr;
};

}  // namespace stoop::app

#endif  // STOOP_RUNTIME_APP_READ_PROBE_H_

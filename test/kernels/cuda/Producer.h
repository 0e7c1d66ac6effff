//===- Producer.h - a launch in front of the kernel under test ----*- C++ -*-===//
//
// Writes what the kernel reads of earlier launches, so that whatever it touches before it has waited for this launch is a
// finding of the virtual GPU.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_TEST_KERNELS_CUDA_PRODUCER_H
#define STOOP_TEST_KERNELS_CUDA_PRODUCER_H

#include "runtime/device/cuda/driver.h"
#include <string>
#include <vector>

namespace stoop::test {

/// A kernel that copies ranges of device memory and lets the launch behind it start at once.
class Producer {
public:
  /// Loads the kernel, which the first launch would do otherwise.
  static void load(rt::CudaDriver &api);

  Producer(rt::CudaDriver &api, void *stream);
  ~Producer();
  Producer(const Producer &) = delete;
  Producer &operator=(const Producer &) = delete;

  /// Has the launch write `bytes` of `data` to the device; `data` null: zeros.
  void write(uint64_t to, const void *data, size_t bytes);
  /// Queues the launch. Returns the driver's error, 0 for none.
  int launch();

private:
  struct Range {
    uint64_t from, to, bytes;
  };
  rt::CudaDriver &api;
  void *stream;
  std::vector<Range> ranges;
  std::vector<uint64_t> allocated;
  uint64_t allocate(const void *data, size_t bytes);
};

} // namespace stoop::test

#endif // STOOP_TEST_KERNELS_CUDA_PRODUCER_H

// The CUDA driver, found at run time: a program for the GPU needs no CUDA to be linked or started.
#ifndef STOOP_RUNTIME_DEVICE_CUDA_DRIVER_H_
#define STOOP_RUNTIME_DEVICE_CUDA_DRIVER_H_

#include "runtime/core/status.h"

namespace stoop::rt {

// Results and numbers of cuda.h that the runtime looks at.
enum : int {
  kCudaOutOfMemory = 2,
  kCudaNoDevice = 100,
  kCudaInvalidImage = 200,
  kCudaNoBinary = 209,
  kCudaInvalidPtx = 218,
  kCudaNoPtxCompiler = 221,
  kCudaUnsupportedPtx = 222,
  kCudaMultiprocessors = 16,
  kCudaL2Bytes = 38,
  kCudaCapabilityMajor = 75,
  kCudaCapabilityMinor = 76,
  kCudaMaxSharedOptin = 97,
  kCudaFunctionMaxShared = 8,
  kCudaFunctionSharedPart = 9,  // percent of what a multiprocessor can have
  kCudaEventNoTiming = 2,
  kCudaStreamNonBlocking = 1,
  kCudaStartsEarly = 6,           // programmatic stream serialization
  kCudaEarlyStartsInGraphs = 12030,  // the CUDA from which on captured graphs keep it
};

// CUlaunchAttribute and CUlaunchConfig of cuda.h.
struct LaunchAttribute {
  int id;
  char padding[4];
  union {
    int value;
    uint64_t words[8];
  };
};
struct LaunchConfig {
  uint32_t grid[3], block[3], shared_bytes;
  void* stream;
  LaunchAttribute* attributes;
  uint32_t num_attributes;
};
static_assert(sizeof(LaunchAttribute) == 72 && sizeof(LaunchConfig) == 56, "laid out as in cuda.h");

// What a launch may touch, told to drivers that check it: they export stoopVgpuNextLaunch.
struct LaunchRange {
  uint64_t begin, bytes;
  int access;  // 1 reads, 2 writes, 3 both
  const char* name;
};

class CudaDriver {
 public:
  CudaDriver() = default;
  CudaDriver(const CudaDriver&) = delete;
  CudaDriver& operator=(const CudaDriver&) = delete;

  // Loads libcuda.so.1, or what the environment's STOOP_CUDA_DRIVER names, and initialises it. It stays
  // loaded as long as the process. `made_by` is the version of CUDA that made the code, 0 if there is none: drivers run
  // code of older versions and of newer ones with the same major number. STOOP_UNSUPPORTED says what is missing.
  stoop_status load(int made_by, Message& message);

  // STOOP_OK for `error` 0; else a status and a sentence with the call and the driver's words.
  stoop_status check(int error, const char* call, Message& message) const;

#define CUDA_CALL(name, symbol, parameters) int(*name) parameters = nullptr;
#include "runtime/device/cuda/driver_symbols.def"

  int version = 0;  // the newest CUDA that it supports: 12040 is 12.4
  // NULL: the driver does not check.
  void (*next_launch)(const LaunchRange* ranges, size_t count) = nullptr;
};

// Calls a function of the driver and returns from the caller when it fails.
#define CUDA_TRY(driver, message, function, ...) \
  STOOP_TRY((driver).check((driver).function(__VA_ARGS__), #function, message))

}  // namespace stoop::rt

#endif  // STOOP_RUNTIME_DEVICE_CUDA_DRIVER_H_

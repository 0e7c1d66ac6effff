// Finding the driver and turning its errors into sentences.
#include "runtime/device/cuda/driver.h"

#include <dlfcn.h>
#include <stdlib.h>

namespace stoop::rt {
namespace {

constexpr int kLeastMajor = 12;  // graphs of entries need CUDA 12

const struct {
  const char *name, *symbol;
} kSymbols[] = {
#define CUDA_CALL(name, symbol, parameters) {#name, #symbol},
#include "runtime/device/cuda/driver_symbols.def"
};

}  // namespace

stoop_status CudaDriver::load(int made_by, Message& message) {
  const int least = made_by / 1000 > kLeastMajor ? made_by / 1000 : kLeastMajor;
  const char* path = getenv("STOOP_CUDA_DRIVER");
  if (!path || !*path) path = "libcuda.so.1";
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    return fail(message, STOOP_UNSUPPORTED,
                "this program runs on an NVIDIA GPU and needs its driver (CUDA %d or newer), but %s; "
                "STOOP_CUDA_DRIVER names another file, 'stoop compile --target cpu' makes a program "
                "for this machine",
                least, dlerror());
  }
#define CUDA_CALL(name, symbol, parameters)                                     \
  name = reinterpret_cast<decltype(name)>(dlsym(library, #symbol));             \
  if (!name) {                                                                  \
    return fail(message, STOOP_UNSUPPORTED,                                     \
                "the CUDA driver '%s' lacks %s: CUDA %d or newer is needed",    \
                path, #symbol, least);                                          \
  }
#include "runtime/device/cuda/driver_symbols.def"
  next_launch = reinterpret_cast<decltype(next_launch)>(dlsym(library, "stoopVgpuNextLaunch"));
  int error = init(0);
  if (error == kCudaNoDevice) {
    return fail(message, STOOP_UNSUPPORTED,
                "this program runs on an NVIDIA GPU, and the driver finds none (CUDA_VISIBLE_DEVICES "
                "may hide it)");
  }
  STOOP_TRY(check(error, "init", message));
  STOOP_TRY(check(driver_version(&version), "driver_version", message));
  if (version / 1000 >= least) return STOOP_OK;
  const int major = version / 1000, minor = version % 1000 / 10;
  if (major < kLeastMajor) {
    return fail(message, STOOP_UNSUPPORTED,
                "the driver supports CUDA %d.%d, and this program needs CUDA %d: install a newer driver", major, minor, least);
  }
  return fail(message, STOOP_UNSUPPORTED,
              "the driver supports CUDA %d.%d, and this program's code was made by CUDA %d.%d: install a driver for CUDA %d, "
              "or compile once more, 'stoop compile --target cuda' with STOOP_NVRTC naming libnvrtc.so.%d of an older CUDA",
              major, minor, made_by / 1000, made_by % 1000 / 10, least, major);
}

stoop_status CudaDriver::check(int error, const char* call, Message& message) const {
  if (error == 0) return STOOP_OK;
  const char* symbol = call;
  for (const auto& known : kSymbols)
    if (__builtin_strcmp(known.name, call) == 0) symbol = known.symbol;
  const char *name = nullptr, *text = nullptr;
  if (error_name(error, &name) != 0 || !name) name = "unknown error";
  if (error_string(error, &text) != 0 || !text) text = "no description";
  return fail(message, error == kCudaOutOfMemory ? STOOP_OUT_OF_MEMORY : STOOP_DEVICE_FAILED,
              "%s failed with error %d (%s): %s", symbol, error, name, text);
}

}  // namespace stoop::rt

//===- LocalGpus.cpp - GPUs of this machine -------------------------------===//
#include "codegen/cuda/LocalGpus.h"

#include "runtime/device/cuda/driver.h"

using namespace stoop;

std::vector<codegen::LocalGpu> codegen::localGpus() {
  rt::CudaDriver api;
  rt::Message message;
  int count = 0;
  if (api.load(/*made_by=*/0, message) != STOOP_OK || api.device_count(&count) != 0)
    return {};
  std::vector<LocalGpu> gpus;
  for (int i = 0; i < count; ++i) {
    char name[128] = "";
    int device = 0, major = 0, minor = 0, multiprocessors = 0;
    if (api.device_get(&device, i) == 0 && api.device_name(name, sizeof name, device) == 0 &&
        api.device_attribute(&major, rt::kCudaCapabilityMajor, device) == 0 &&
        api.device_attribute(&minor, rt::kCudaCapabilityMinor, device) == 0 &&
        api.device_attribute(&multiprocessors, rt::kCudaMultiprocessors, device) == 0)
      gpus.push_back({name, static_cast<unsigned>(major * 10 + minor), static_cast<unsigned>(multiprocessors)});
  }
  return gpus;
}

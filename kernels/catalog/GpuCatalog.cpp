//===- GpuCatalog.cpp - CUDA sources and architectures --------------------===//
//
// Both lists are .def files and nothing else.
//
//===----------------------------------------------------------------------===//
#include "kernels/catalog/GpuCatalog.h"
#include "llvm/ADT/STLExtras.h"

using namespace stoop;

extern "C" {
#define STOOP_GPU_SOURCE(path, id) extern const char stoop_gpu_##id[], stoop_gpu_##id##_end[];
#include "kernels/catalog/GpuSources.def"
}

llvm::ArrayRef<kernels::GpuSource> kernels::gpuSources() {
  static const GpuSource sources[] = {
#define STOOP_GPU_SOURCE(path, id)                                                                 \
  {path, llvm::StringRef(stoop_gpu_##id, stoop_gpu_##id##_end - stoop_gpu_##id)},
#include "kernels/catalog/GpuSources.def"
  };
  return sources;
}

llvm::ArrayRef<kernels::GpuArchitecture> kernels::gpuArchitectures() {
  static const GpuArchitecture list[] = {
#define STOOP_GPU_ARCHITECTURE(name, capability, exact, shared, machines) {name, capability, exact, shared, machines},
#include "kernels/catalog/Architectures.def"
  };
  return list;
}

const kernels::GpuArchitecture *kernels::findGpuArchitecture(llvm::StringRef name) {
  const GpuArchitecture *found =
      llvm::find_if(gpuArchitectures(), [&](const GpuArchitecture &a) { return a.name == name; });
  return found == gpuArchitectures().end() ? nullptr : found;
}

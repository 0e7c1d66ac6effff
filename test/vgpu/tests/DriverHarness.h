// The driver library as tests meet it: opened by path, called through cuGetProcAddress; a module, a stream, two buffers.
#pragma once
#include "test/vgpu/driver/CudaApi.h"
#include "test/vgpu/driver/Hooks.h"
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <vector>

namespace vgpu::test {
inline void *library() {
  static void *handle = dlopen(STOOP_BUILD_DIR "/test/vgpu/libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  return handle;
}
/// A driver call by name, as the runtime looks it up.
template <class... Args> CUresult call(const char *name, Args... args) {
  using Lookup = CUresult (*)(const char *, void **, int, unsigned long long, CUdriverProcAddressQueryResult *);
  static Lookup lookup = reinterpret_cast<Lookup>(dlsym(library(), "cuGetProcAddress_v2"));
  static std::map<std::string, void *> known;
  void *&address = known[name];
  if (!address) {
    CUdriverProcAddressQueryResult status;
    if (lookup(name, &address, 13000, 0, &status) != CUDA_SUCCESS)
      address = dlsym(library(), name);
  }
  if (!address) {
    ADD_FAILURE() << "no driver call " << name;
    return CUDA_ERROR_NOT_FOUND;
  }
  return reinterpret_cast<CUresult (*)(Args...)>(address)(args...);
}
template <class F> F hook(const char *name) { return reinterpret_cast<F>(dlsym(library(), name)); }

inline std::string readInput(const char *name) {
  std::ifstream file(std::string(STOOP_SOURCE_DIR "/test/vgpu/inputs/") + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class DriverTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_NE(library(), nullptr) << dlerror();
    hook<void (*)()>("stoopVgpuReset")();
    hook<void (*)(uint64_t)>("stoopVgpuFailAt")(0);
    ASSERT_EQ(call("cuInit", 0u), CUDA_SUCCESS);
    text = readInput("planted.sm_90a.ptx");
    ASSERT_EQ(call("cuModuleLoadData", &module, static_cast<const void *>(text.c_str())), CUDA_SUCCESS);
    ASSERT_EQ(call("cuStreamCreate", &stream, 1u), CUDA_SUCCESS);
    ASSERT_EQ(call("cuMemAlloc", &x, size_t{4096}), CUDA_SUCCESS);
    ASSERT_EQ(call("cuMemAlloc", &y, size_t{4096}), CUDA_SUCCESS);
    std::vector<float> ones(1024, 1.f);
    ASSERT_EQ(call("cuMemcpyHtoD", x, static_cast<const void *>(ones.data()), size_t{4096}), CUDA_SUCCESS);
    ASSERT_EQ(call("cuMemsetD32", y, 0u, size_t{1024}), CUDA_SUCCESS);
  }
  void TearDown() override {
    hook<void (*)()>("stoopVgpuReset")();
    call("cuMemFree", x), call("cuMemFree", y);
    call("cuStreamDestroy", stream), call("cuModuleUnload", module);
  }
  CUfunction get(const char *name) {
    CUfunction f = nullptr;
    EXPECT_EQ(call("cuModuleGetFunction", &f, module, name), CUDA_SUCCESS) << name;
    return f;
  }
  template <class... Args> CUresult launch(CUstream s, const char *name, unsigned blocks, unsigned threads, bool programmatic, Args... args) {
    void *params[] = {&args...};
    CUlaunchAttribute attribute = {};
    attribute.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    attribute.value.programmaticStreamSerializationAllowed = 1;
    CUlaunchConfig config = {blocks, 1, 1, threads, 1, 1, 0, s, &attribute, programmatic ? 1u : 0u};
    return call("cuLaunchKernelEx", static_cast<const CUlaunchConfig *>(&config), get(name), static_cast<void **>(params), static_cast<void **>(nullptr));
  }
  std::vector<float> readY() {
    std::vector<float> values(1024);
    EXPECT_EQ(call("cuMemcpyDtoH", static_cast<void *>(values.data()), y, size_t{4096}), CUDA_SUCCESS);
    return values;
  }
  std::string findings() { return hook<const char *(*)()>("stoopVgpuFindings")(); }
  std::string text;
  CUmodule module = nullptr;
  CUstream stream = nullptr;
  CUdeviceptr x = 0, y = 0;
};
} // namespace vgpu::test

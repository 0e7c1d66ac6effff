// Entry points: device and host memory, copies, fills.
// Copies from pageable memory take their bytes at the call; from pinned memory when they run, as on hardware.
#include "test/vgpu/driver/Driver.h"
#include <cstdlib>

using namespace vgpu;
namespace {
bool isPinned(u64 address, u64 bytes) {
  const auto &pinned = Driver::get().hostAllocations;
  auto it = pinned.upper_bound(address);
  return it != pinned.begin() && address + bytes <= (--it)->first + it->second;
}

Node copyNode(u64 to, u64 from, size_t bytes, bool toHost, bool fromHost) {
  Node node;
  node.kind = Node::Kind::Copy;
  node.to = to;
  node.from = from;
  node.count = bytes;
  node.toHost = toHost;
  node.fromHost = fromHost;
  if (fromHost && bytes && !isPinned(from, bytes)) {
    const u8 *bytesNow = reinterpret_cast<const u8 *>(from);
    node.staged.assign(bytesNow, bytesNow + bytes);
  }
  return node;
}
Node fillNode(u64 to, u32 pattern, u32 patternBytes, size_t count) {
  Node node;
  node.kind = Node::Kind::Fill;
  node.to = to;
  node.pattern = pattern;
  node.patternBytes = patternBytes;
  node.count = count;
  return node;
}
CUresult pushAndWait(Node node) {
  Driver &driver = Driver::get();
  if (node.count == 0)
    return CUDA_SUCCESS;
  for (CUstream stream : driver.streams)
    if (stream->capture && !stream->nonBlocking)
      return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  if (CUresult error = driver.push(nullptr, std::move(node)))
    return error;
  return driver.wait(driver.resolve(nullptr)->last);
}
CUresult pushAsync(CUstream stream, Node node) { return node.count ? Driver::get().push(stream, std::move(node)) : CUDA_SUCCESS; }

CUresult allocate(CUdeviceptr *address, size_t bytes) {
  if (!bytes)
    return CUDA_ERROR_INVALID_VALUE;
  *address = DeviceMemory::get().allocate(bytes);
  return *address ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}
CUresult allocateHost(void **address, size_t bytes) {
  *address = bytes ? aligned_alloc(4096, (bytes + 4095) / 4096 * 4096) : nullptr;
  if (!*address)
    return bytes ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_VALUE;
  Driver::get().hostAllocations[reinterpret_cast<u64>(*address)] = bytes;
  return CUDA_SUCCESS;
}
u64 number(const void *p) { return reinterpret_cast<u64>(p); }
} // namespace

extern "C" {
CUresult cuMemGetInfo_v2(size_t *available, size_t *total) {
  VGPU_ENTER("cuMemGetInfo");
  const DeviceMemory &memory = DeviceMemory::get();
  *total = memory.capacity;
  *available = memory.capacity - memory.usedBytes();
  return CUDA_SUCCESS;
}
CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  VGPU_ENTER("cuMemAlloc");
  return allocate(address, bytes);
}
CUresult cuMemFree_v2(CUdeviceptr address) {
  CUresult injected = Driver::get().enter("cuMemFree");
  if (!address)
    return injected;
  CUresult result = Driver::get().waitAll();
  if (!DeviceMemory::get().release(address))
    return CUDA_ERROR_INVALID_VALUE;
  return injected ? injected : result;
}
CUresult cuMemAllocAsync(CUdeviceptr *address, size_t bytes, CUstream stream) {
  VGPU_ENTER("cuMemAllocAsync");
  if (Driver::get().resolve(stream)->capture)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  return allocate(address, bytes);
}
CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
  VGPU_ENTER("cuMemFreeAsync");
  Node node;
  node.kind = Node::Kind::Free;
  node.to = address;
  return Driver::get().push(stream, node);
}
CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  VGPU_ENTER("cuMemHostAlloc");
  return allocateHost(address, bytes);
}
CUresult cuMemAllocHost_v2(void **address, size_t bytes) {
  VGPU_ENTER("cuMemAllocHost");
  return allocateHost(address, bytes);
}
CUresult cuMemFreeHost(void *address) {
  CUresult injected = Driver::get().enter("cuMemFreeHost");
  CUresult result = Driver::get().waitAll();
  if (!Driver::get().hostAllocations.erase(number(address)))
    return CUDA_ERROR_INVALID_VALUE;
  free(address);
  return injected ? injected : result;
}
CUresult cuMemHostRegister_v2(void *address, size_t bytes, unsigned) {
  VGPU_ENTER("cuMemHostRegister");
  Driver::get().hostAllocations[number(address)] = bytes;
  return CUDA_SUCCESS;
}
CUresult cuMemHostUnregister(void *address) {
  CUresult injected = Driver::get().enter("cuMemHostUnregister");
  CUresult result = Driver::get().waitAll();
  if (!Driver::get().hostAllocations.erase(number(address)))
    return CUDA_ERROR_INVALID_VALUE;
  return injected ? injected : result;
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
  VGPU_ENTER("cuMemcpyHtoD");
  return pushAndWait(copyNode(to, number(from), bytes, false, true));
}
CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
  VGPU_ENTER("cuMemcpyDtoH");
  return pushAndWait(copyNode(number(to), from, bytes, true, false));
}
CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  VGPU_ENTER("cuMemcpyDtoD");
  return pushAndWait(copyNode(to, from, bytes, false, false));
}
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  VGPU_ENTER("cuMemcpyHtoDAsync");
  return pushAsync(stream, copyNode(to, number(from), bytes, false, true));
}
CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  VGPU_ENTER("cuMemcpyDtoHAsync");
  return pushAsync(stream, copyNode(number(to), from, bytes, true, false));
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  VGPU_ENTER("cuMemcpyDtoDAsync");
  return pushAsync(stream, copyNode(to, from, bytes, false, false));
}
CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  VGPU_ENTER("cuMemcpyAsync");
  DeviceMemory &memory = DeviceMemory::get();
  return pushAsync(stream, copyNode(to, from, bytes, !memory.inRange(to, bytes), !memory.inRange(from, bytes)));
}
CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count) {
  VGPU_ENTER("cuMemsetD8");
  return pushAndWait(fillNode(to, value, 1, count));
}
CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t count) {
  VGPU_ENTER("cuMemsetD32");
  return pushAndWait(fillNode(to, value, 4, count));
}
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  VGPU_ENTER("cuMemsetD8Async");
  return pushAsync(stream, fillNode(to, value, 1, count));
}
CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  VGPU_ENTER("cuMemsetD32Async");
  return pushAsync(stream, fillNode(to, value, 4, count));
}
}

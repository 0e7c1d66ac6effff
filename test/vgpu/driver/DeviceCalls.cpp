// Entry points: initialisation, device, context, modules, functions, errors, symbol look-up.
// A module without PTX is refused as a driver refuses a cubin for another GPU: error 209.
#include "test/vgpu/check/Counters.h"
#include "test/vgpu/driver/Driver.h"
#include <cstdio>
#include <cstring>
#include <dlfcn.h>

namespace vgpu {
u32 maxSharedOptIn() {
  u32 arch = Options::get().arch;
  return (arch >= 90 ? 227 : arch == 80 || arch == 87 ? 163 : 99) * 1024;
}

namespace {
CUcontext context() {
  static int object;
  return reinterpret_cast<CUcontext>(&object);
}

/// PTX text: the image itself, or the newest fitting entry of an uncompressed fat binary.
bool findPtx(const void *image, std::string &ptx) {
  const u8 *bytes = static_cast<const u8 *>(image);
  u32 magic;
  memcpy(&magic, bytes, 4);
  if (magic == 0x464c457f) // ELF: a cubin
    return false;
  if (magic != 0xba55ed50) {
    ptx = static_cast<const char *>(image);
    return true;
  }
  u16 headerBytes;
  u64 bodyBytes;
  memcpy(&headerBytes, bytes + 6, 2);
  memcpy(&bodyBytes, bytes + 8, 8);
  u32 best = 0;
  for (const u8 *entry = bytes + headerBytes, *end = entry + bodyBytes; entry < end;) {
    u16 kind;
    u32 entryHeader, arch;
    u64 payload, flags;
    memcpy(&kind, entry, 2);
    memcpy(&entryHeader, entry + 4, 4);
    memcpy(&payload, entry + 8, 8);
    memcpy(&arch, entry + 28, 4);
    memcpy(&flags, entry + 40, 8);
    const bool compressed = flags & 0xa000;
    if (kind == 1 && !compressed && arch <= Options::get().arch && arch > best) {
      best = arch;
      const char *text = reinterpret_cast<const char *>(entry) + entryHeader;
      ptx.assign(text, strnlen(text, payload));
    }
    entry += entryHeader + payload;
  }
  return best != 0;
}

/// "sm_90a" runs on 90 only, "sm_80" on 80 and later.
bool targetFits(const std::string &target) {
  u32 wanted = static_cast<u32>(atoi(target.c_str() + std::min<size_t>(3, target.size())));
  u32 arch = Options::get().arch;
  return target.find('a') != std::string::npos ? wanted == arch : wanted <= arch;
}

/// Whether PTX of that ISA version ("9.0") is newer than the driver's CUDA: ISA 8 came with CUDA 12, 9 with 13.
bool isTooNew(const std::string &ptx) {
  const size_t at = ptx.find(".version ");
  return at != std::string::npos && static_cast<u32>(atoi(ptx.c_str() + at + 9)) + 4 > Options::get().driverVersion / 1000;
}

void placeVariables(CUmod_st &result, const Module &module, SymbolTable &symbols) {
  DeviceMemory &memory = DeviceMemory::get();
  for (const Variable &v : module.variables) {
    if (v.space == "shared")
      continue;
    u64 address = memory.allocate(std::max<u64>(v.size, 1));
    if (!address)
      throw std::bad_alloc();
    symbols[v.name] = address;
    result.variables[v.name] = {address, v.size};
    std::vector<u8> init = v.init; // static storage starts as zero
    init.resize(v.size);
    memory.write(address, init.data(), init.size());
  }
  for (const Variable &v : module.variables)
    for (const Variable::Address &a : v.addresses) {
      auto it = symbols.find(a.symbol);
      if (it == symbols.end())
        throw PtxError(0, "initializer of " + v.name + " names unknown variable " + a.symbol);
      u64 value = it->second + static_cast<u64>(a.addend);
      memory.write(symbols[v.name] + a.offset, &value, 8);
    }
}

void freeVariables(CUmod_st &module) {
  for (const auto &[name, place] : module.variables) {
    GlobalRaces::get().forget(place.first, place.second);
    DeviceMemory::get().release(place.first);
  }
}

CUresult loadModule(CUmodule *out, const void *image) {
  std::string ptx;
  if (!findPtx(image, ptx)) {
    fprintf(stderr, "vgpu: the image holds no PTX for sm_%u; only PTX is executed\n", Options::get().arch);
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  if (isTooNew(ptx))
    return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
  auto result = std::make_unique<CUmod_st>();
  try {
    auto module = std::make_shared<Module>(parseModule(ptx));
    if (!targetFits(module->target)) {
      fprintf(stderr, "vgpu: PTX for %s does not run on sm_%u\n", module->target.c_str(), Options::get().arch);
      return CUDA_ERROR_NO_BINARY_FOR_GPU;
    }
    SymbolTable symbols;
    placeVariables(*result, *module, symbols);
    for (const auto &[name, function] : module->functions)
      if (function.isEntry)
        result->functions[name].program = std::make_shared<const Program>(decode(module, function, symbols));
  } catch (const std::bad_alloc &) {
    freeVariables(*result);
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (const std::exception &error) {
    fprintf(stderr, "vgpu: %s\n", error.what());
    freeVariables(*result);
    return CUDA_ERROR_INVALID_PTX;
  }
  if (u64 bytes = Driver::get().moduleBytes; bytes && !(result->memory = DeviceMemory::get().allocate(bytes))) {
    freeVariables(*result);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  *out = result.release();
  Driver::get().modules.insert(*out);
  return CUDA_SUCCESS;
}

int deviceAttribute(CUdevice_attribute attribute) {
  const Options &o = Options::get();
  switch (attribute) {
  case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return 1024;
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: return 1024;
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
  case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return 0x7fffffff;
  case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
  case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return 65535;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return 48 * 1024;
  case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
  case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK: return 65536;
  case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: return 1000000;
  case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return static_cast<int>(o.multiprocessors);
  case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: return 1000000;
  case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: return 4096;
  case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: return 40 << 20;
  case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return o.arch == 86 || o.arch == 89 ? 1536 : 2048;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return static_cast<int>(o.arch / 10);
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return static_cast<int>(o.arch % 10);
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return static_cast<int>(maxSharedOptIn() + 1024);
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return static_cast<int>(maxSharedOptIn());
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: return o.arch == 86 ? 16 : 32;
  case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
  case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
  case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH:
  case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED: return 1;
  case CU_DEVICE_ATTRIBUTE_INTEGRATED:
  case CU_DEVICE_ATTRIBUTE_ECC_ENABLED:
  case CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY: return 0;
  }
  return -1;
}

const std::map<int, std::pair<const char *, const char *>> &errorTexts() {
  static const std::map<int, std::pair<const char *, const char *>> texts = {
      {0, {"CUDA_SUCCESS", "no error"}},
      {1, {"CUDA_ERROR_INVALID_VALUE", "invalid argument"}},
      {2, {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"}},
      {3, {"CUDA_ERROR_NOT_INITIALIZED", "initialization error"}},
      {100, {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"}},
      {101, {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"}},
      {201, {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"}},
      {209, {"CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"}},
      {218, {"CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"}},
      {222, {"CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."}},
      {400, {"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"}},
      {401, {"CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"}},
      {500, {"CUDA_ERROR_NOT_FOUND", "named symbol not found"}},
      {600, {"CUDA_ERROR_NOT_READY", "device not ready"}},
      {700, {"CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"}},
      {710, {"CUDA_ERROR_ASSERT", "device-side assert triggered"}},
      {716, {"CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"}},
      {719, {"CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"}},
      {801, {"CUDA_ERROR_NOT_SUPPORTED", "operation not supported"}},
      {900, {"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"}},
      {901, {"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"}},
      {902, {"CUDA_ERROR_STREAM_CAPTURE_MERGE", "operation would result in a merge of separate capture sequences"}},
      {904, {"CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "capturing stream has unjoined work"}},
      {906, {"CUDA_ERROR_STREAM_CAPTURE_IMPLICIT", "operation would make the legacy stream depend on a capturing blocking stream"}},
      {910, {"CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE", "the graph update was not performed because it included changes which violated constraints"}},
      {999, {"CUDA_ERROR_UNKNOWN", "unknown error"}}};
  return texts;
}
} // namespace
} // namespace vgpu

using namespace vgpu;
extern "C" {
CUresult cuInit(unsigned flags) {
  VGPU_ENTER("cuInit");
  if (flags)
    return CUDA_ERROR_INVALID_VALUE;
  Driver::get().initialized = true;
  return CUDA_SUCCESS;
}
CUresult cuDriverGetVersion(int *version) {
  VGPU_ENTER("cuDriverGetVersion");
  *version = static_cast<int>(Options::get().driverVersion);
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetCount(int *count) {
  VGPU_ENTER("cuDeviceGetCount");
  *count = 1;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  VGPU_ENTER("cuDeviceGet");
  *device = 0;
  return ordinal == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}
CUresult cuDeviceGetName(char *name, int length, CUdevice) {
  VGPU_ENTER("cuDeviceGetName");
  snprintf(name, static_cast<size_t>(length), "Stoop virtual GPU sm_%u", Options::get().arch);
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice) {
  VGPU_ENTER("cuDeviceGetUuid");
  memcpy(uuid->bytes, "stoop-virtualgpu", 16);
  return CUDA_SUCCESS;
}
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice) {
  VGPU_ENTER("cuDeviceTotalMem");
  *bytes = DeviceMemory::get().capacity;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice) {
  VGPU_ENTER("cuDeviceGetAttribute");
  *value = deviceAttribute(attribute);
  if (*value >= 0)
    return CUDA_SUCCESS;
  fprintf(stderr, "vgpu: unknown device attribute %d\n", static_cast<int>(attribute));
  return CUDA_ERROR_INVALID_VALUE;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice) {
  VGPU_ENTER("cuDevicePrimaryCtxRetain");
  *out = context();
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) {
  VGPU_ENTER("cuDevicePrimaryCtxRelease");
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice, unsigned) {
  VGPU_ENTER("cuDevicePrimaryCtxSetFlags");
  return CUDA_SUCCESS;
}
CUresult cuCtxSetCurrent(CUcontext) {
  VGPU_ENTER("cuCtxSetCurrent");
  return CUDA_SUCCESS;
}
CUresult cuCtxGetCurrent(CUcontext *out) {
  VGPU_ENTER("cuCtxGetCurrent");
  *out = context();
  return CUDA_SUCCESS;
}
CUresult cuCtxSynchronize() {
  VGPU_ENTER("cuCtxSynchronize");
  return Driver::get().waitAll();
}

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  VGPU_ENTER("cuModuleLoadData");
  return loadModule(module, image);
}
CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned, int *, void **) {
  VGPU_ENTER("cuModuleLoadDataEx");
  return loadModule(module, image);
}
CUresult cuModuleUnload(CUmodule module) {
  CUresult injected = Driver::get().enter("cuModuleUnload");
  if (!Driver::get().modules.erase(module))
    return CUDA_ERROR_INVALID_HANDLE;
  CUresult result = Driver::get().waitAll();
  freeVariables(*module);
  if (module->memory)
    DeviceMemory::get().release(module->memory);
  delete module;
  return injected ? injected : result;
}
CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  VGPU_ENTER("cuModuleGetFunction");
  auto it = module->functions.find(name);
  if (it == module->functions.end())
    return CUDA_ERROR_NOT_FOUND;
  *function = &it->second;
  return CUDA_SUCCESS;
}
CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes, CUmodule module, const char *name) {
  VGPU_ENTER("cuModuleGetGlobal");
  auto it = module->variables.find(name);
  if (it == module->variables.end())
    return CUDA_ERROR_NOT_FOUND;
  if (address)
    *address = it->second.first;
  if (bytes)
    *bytes = it->second.second;
  return CUDA_SUCCESS;
}
CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function) {
  VGPU_ENTER("cuFuncGetAttribute");
  const Program &p = *function->program;
  switch (attribute) {
  case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = static_cast<int>(p.maxThreads); break;
  case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = static_cast<int>(p.staticShared); break;
  case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES: *value = 0; break;
  case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *value = static_cast<int>(p.localBytes); break;
  case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = 255; break; // ptxas decides that on a real one
  case CU_FUNC_ATTRIBUTE_PTX_VERSION:
  case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = static_cast<int>(Options::get().arch); break;
  case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = function->maxDynamicShared; break;
  default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  VGPU_ENTER("cuFuncSetAttribute");
  if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT)
    return CUDA_SUCCESS;
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 ||
      static_cast<u32>(value) + function->program->staticShared > maxSharedOptIn())
    return CUDA_ERROR_INVALID_VALUE;
  function->maxDynamicShared = value;
  function->hasOptedIn = true;
  return CUDA_SUCCESS;
}
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function, int threads, size_t dynamicShared) {
  VGPU_ENTER("cuOccupancyMaxActiveBlocksPerMultiprocessor");
  if (threads <= 0 || threads > 1024)
    return CUDA_ERROR_INVALID_VALUE;
  size_t shared = function->program->staticShared + dynamicShared + 1024; // the system's part of each block
  int byThreads = deviceAttribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR) / ((threads + 31) / 32 * 32);
  int byShared = static_cast<int>((maxSharedOptIn() + 1024) / shared);
  *blocks = std::min({byThreads, byShared, deviceAttribute(CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR)});
  return CUDA_SUCCESS;
}

/// Works in any state and is no call that can fail; only counted.
static void countCall(const char *name) {
  if (Counters::get().isOn)
    Counters::get().call(name);
}
CUresult cuGetErrorName(CUresult error, const char **text) {
  countCall("cuGetErrorName");
  auto it = errorTexts().find(error);
  *text = it == errorTexts().end() ? nullptr : it->second.first;
  return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
CUresult cuGetErrorString(CUresult error, const char **text) {
  countCall("cuGetErrorString");
  auto it = errorTexts().find(error);
  *text = it == errorTexts().end() ? nullptr : it->second.second;
  return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/// NVRTC asks for undocumented tables when it finds a driver; a table that holds only its own size satisfies it.
CUresult cuGetExportTable(const void **table, const CUuuid *) {
  countCall("cuGetExportTable");
  static const u64 empty[6] = {sizeof empty};
  *table = empty;
  return CUDA_SUCCESS;
}

namespace symbols {
const char *const names[] = {
#define VGPU_CALL(name) #name,
#include "test/vgpu/driver/driver.def"
#undef VGPU_CALL
};
} // namespace symbols

CUresult cuGetProcAddress_v2(const char *name, void **address, int, unsigned long long, CUdriverProcAddressQueryResult *status) {
  VGPU_ENTER("cuGetProcAddress");
  *address = nullptr;
  Dl_info self;
  dladdr(reinterpret_cast<void *>(&cuGetProcAddress_v2), &self);
  void *library = dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  for (const char *known : symbols::names) {
    std::string symbol = known, plain = symbol.substr(0, symbol.rfind("_v"));
    if (symbol == name || plain == name)
      *address = dlsym(library ? library : RTLD_DEFAULT, known);
  }
  if (library)
    dlclose(library);
  if (status)
    *status = *address ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  return *address ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
}

//===- Producer.cpp - a launch in front of the kernel under test ----------===//
//
// One block a range, two bytes at a time: operands need not have whole words. The module is loaded once, while nothing is
// counted.
//
//===----------------------------------------------------------------------===//
#include "test/kernels/cuda/Producer.h"
#include "test/kernels/cuda/GpuHarness.h"

using namespace stoop;
using namespace stoop::test;

static constexpr const char *kPtx = R"(
.address_size 64
.visible .entry produce(.param .u64 ranges)
{
.reg .pred %ended;
.reg .b16 %half;
.reg .b32 %block, %thread, %size;
.reg .b64 %range, %offset, %from, %to, %bytes, %step, %at;
TRIGGER
ld.param.u64 %range, [ranges];
mov.u32 %block, %ctaid.x;
mul.wide.u32 %offset, %block, 24;
add.s64 %range, %range, %offset;
ld.global.u64 %from, [%range];
ld.global.u64 %to, [%range+8];
ld.global.u64 %bytes, [%range+16];
mov.u32 %thread, %tid.x;
mov.u32 %size, %ntid.x;
mul.wide.u32 %offset, %thread, 2;
mul.wide.u32 %step, %size, 2;
$next:
setp.ge.u64 %ended, %offset, %bytes;
@%ended bra $end;
add.s64 %at, %from, %offset;
ld.global.u16 %half, [%at];
add.s64 %at, %to, %offset;
st.global.u16 [%at], %half;
add.s64 %offset, %offset, %step;
bra $next;
$end:
ret;
}
)";

static void *producerOf(rt::CudaDriver &api) {
  static void *function = [&]() -> void * {
    void *module = nullptr, *found = nullptr;
    const bool early = overlapsLaunches();
    std::string ptx = std::string(early ? ".version 8.0\n.target sm_90" : ".version 8.0\n.target sm_80") + kPtx;
    ptx.replace(ptx.find("TRIGGER"), 7, early ? "griddepcontrol.launch_dependents;" : "");
    if (api.module_load(&module, ptx.c_str()) || api.module_function(&found, module, "produce"))
      return nullptr;
    return found;
  }();
  return function;
}

void Producer::load(rt::CudaDriver &api) { producerOf(api); }

Producer::Producer(rt::CudaDriver &api, void *stream) : api(api), stream(stream) {}

Producer::~Producer() {
  for (uint64_t address : allocated)
    api.memory_free(address);
}

uint64_t Producer::allocate(const void *data, size_t bytes) {
  uint64_t address = 0;
  if (api.memory_allocate(&address, bytes))
    return 0;
  allocated.push_back(address);
  if (data)
    api.copy_to_device(address, data, bytes, stream);
  else
    api.fill(address, 0, bytes, stream);
  return address;
}

void Producer::write(uint64_t to, const void *data, size_t bytes) {
  ranges.push_back({allocate(data, bytes), to, bytes});
}

int Producer::launch() {
  void *function = producerOf(api);
  uint64_t table = allocate(ranges.data(), ranges.size() * sizeof(Range));
  if (!function || !table)
    return -1;
  void *parameters[] = {&table};
  return api.launch(function, static_cast<unsigned>(ranges.size()), 1, 1, 128, 1, 1, 0, stream, parameters, nullptr);
}

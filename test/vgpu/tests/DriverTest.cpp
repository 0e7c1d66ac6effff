// The driver library as a program meets it: deferred work, capture, programmatic launches, faults and leaks.
#include "test/vgpu/tests/DriverHarness.h"

namespace vgpu::test {
namespace {
TEST_F(DriverTest, WorkIsDeferredUntilASync) {
  void *host = nullptr;
  ASSERT_EQ(call("cuMemHostAlloc", &host, size_t{512}, 0u), CUDA_SUCCESS);
  memset(host, 0, 512);
  EXPECT_EQ(launch(stream, "good_barrier", 1, 128, false, x, y), CUDA_SUCCESS);
  EXPECT_EQ(call("cuMemcpyDtoHAsync", host, y, size_t{512}, stream), CUDA_SUCCESS);
  EXPECT_EQ(static_cast<float *>(host)[5], 0.f);
  EXPECT_EQ(call("cuStreamSynchronize", stream), CUDA_SUCCESS);
  EXPECT_EQ(static_cast<float *>(host)[5], 1.f);
  EXPECT_EQ(findings(), "");
  EXPECT_EQ(call("cuMemFreeHost", host), CUDA_SUCCESS);
}

TEST_F(DriverTest, StreamsWithoutAnEventRace) {
  for (bool withEvent : {true, false}) {
    CUstream other = nullptr;
    CUevent event = nullptr;
    ASSERT_EQ(call("cuStreamCreate", &other, 1u), CUDA_SUCCESS);
    ASSERT_EQ(call("cuEventCreate", &event, 2u), CUDA_SUCCESS);
    EXPECT_EQ(launch(stream, "produce", 4, 32, false, x, 2.f), CUDA_SUCCESS);
    EXPECT_EQ(call("cuEventRecord", event, stream), CUDA_SUCCESS);
    if (withEvent) {
      EXPECT_EQ(call("cuStreamWaitEvent", other, event, 0u), CUDA_SUCCESS);
    }
    EXPECT_EQ(launch(other, "good_dependent", 4, 32, false, x, y), CUDA_SUCCESS);
    CUresult result = call("cuCtxSynchronize");
    EXPECT_EQ(result, withEvent ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS);
    EXPECT_EQ(findings().find("global-memory race") != std::string::npos, !withEvent);
    hook<void (*)()>("stoopVgpuReset")();
    call("cuEventDestroy", event), call("cuStreamDestroy", other);
  }
}

TEST_F(DriverTest, CapturedGraphWithProgrammaticEdges) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    hook<void (*)(uint64_t)>("stoopVgpuSeed")(seed);
    CUgraph graph = nullptr;
    CUgraphExec exec = nullptr;
    ASSERT_EQ(call("cuStreamBeginCapture", stream, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
    EXPECT_EQ(launch(stream, "produce", 4, 32, false, x, 2.f), CUDA_SUCCESS);
    EXPECT_EQ(launch(stream, "good_dependent", 4, 32, true, x, y), CUDA_SUCCESS);
    EXPECT_EQ(call("cuStreamSynchronize", stream), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    ASSERT_EQ(call("cuStreamEndCapture", stream, &graph), CUDA_SUCCESS);
    ASSERT_EQ(call("cuGraphInstantiateWithFlags", &exec, graph, 0ull), CUDA_SUCCESS);
    EXPECT_EQ(readY()[3], seed == 1 ? 0.f : 7.f); // captured work does not run
    for (int replay = 0; replay < 3; ++replay)
      EXPECT_EQ(call("cuGraphLaunch", exec, stream), CUDA_SUCCESS);
    EXPECT_EQ(call("cuStreamSynchronize", stream), CUDA_SUCCESS);
    EXPECT_EQ(findings(), "");
    EXPECT_EQ(readY()[3], 7.f);
    call("cuGraphExecDestroy", exec), call("cuGraphDestroy", graph);
  }
}

TEST_F(DriverTest, ReadBeforeGridWaitIsASticky700) {
  EXPECT_EQ(launch(stream, "produce", 4, 32, false, x, 2.f), CUDA_SUCCESS);
  EXPECT_EQ(launch(stream, "bad_dependent", 4, 32, true, x, y), CUDA_SUCCESS);
  EXPECT_EQ(call("cuStreamSynchronize", stream), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_NE(findings().find("griddepcontrol.wait"), std::string::npos);
  EXPECT_EQ(call("cuStreamSynchronize", stream), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST_F(DriverTest, UnjoinedCaptureIsRefused) {
  CUstream other = nullptr;
  CUevent event = nullptr;
  CUgraph graph = nullptr;
  call("cuStreamCreate", &other, 1u), call("cuEventCreate", &event, 2u);
  ASSERT_EQ(call("cuStreamBeginCapture", stream, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
  call("cuEventRecord", event, stream), call("cuStreamWaitEvent", other, event, 0u);
  EXPECT_EQ(launch(other, "good_barrier", 1, 128, false, x, y), CUDA_SUCCESS);
  EXPECT_EQ(call("cuStreamEndCapture", stream, &graph), CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
  call("cuEventDestroy", event), call("cuStreamDestroy", other);
}

TEST_F(DriverTest, LaunchLimits) {
  EXPECT_EQ(launch(stream, "good_barrier", 0, 128, false, x, y), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(stream, "good_barrier", 1, 2048, false, x, y), CUDA_ERROR_INVALID_VALUE);
  CUfunction f = get("good_barrier");
  void *params[] = {&x, &y};
  auto withShared = [&](unsigned bytes) {
    return call("cuLaunchKernel", f, 1u, 1u, 1u, 128u, 1u, 1u, bytes, stream, static_cast<void **>(params), static_cast<void **>(nullptr));
  };
  EXPECT_EQ(withShared(60 << 10), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(call("cuFuncSetAttribute", f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 64 << 10), CUDA_SUCCESS);
  EXPECT_EQ(withShared(60 << 10), CUDA_SUCCESS);
  EXPECT_EQ(call("cuFuncSetAttribute", f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 300 << 10), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(call("cuCtxSynchronize"), CUDA_SUCCESS);
}

TEST_F(DriverTest, ContractOfALaunch) {
  StoopVgpuSlice slices[] = {{x, 64, 1, "x"}, {y, 64, 2, "y"}};
  for (int n : {16, 17}) {
    hook<void (*)(const StoopVgpuSlice *, size_t)>("stoopVgpuNextLaunch")(slices, 2);
    EXPECT_EQ(launch(stream, "in_slice", 1, 32, false, x, y, n), CUDA_SUCCESS);
    EXPECT_EQ(call("cuCtxSynchronize"), n == 16 ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS);
    EXPECT_EQ(findings().find("launch contract broken") != std::string::npos, n == 17);
  }
}

TEST_F(DriverTest, RefusedImages) {
  CUmodule m = nullptr;
  const char elf[64] = "\x7f" "ELF";
  EXPECT_EQ(call("cuModuleLoadData", &m, static_cast<const void *>(elf)), CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_EQ(call("cuModuleLoadData", &m, static_cast<const void *>(".version 9.0\n.target sm_100\n")), CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_EQ(call("cuModuleLoadData", &m, static_cast<const void *>(".version 9.0\n.target sm_80\n.entry e() { wibble; }\n")), CUDA_ERROR_INVALID_PTX);
  std::string newer = text;
  newer.replace(newer.find(".version "), 10, ".version 99");
  EXPECT_EQ(call("cuModuleLoadData", &m, static_cast<const void *>(newer.c_str())), CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
}

/// Copies and fills that Stoop's runtime makes no use of, in a stream and at once.
TEST_F(DriverTest, CopiesFillsAndPolling) {
  CUdeviceptr p = 0;
  void *pinned = nullptr;
  ASSERT_EQ(call("cuMemAllocAsync", &p, size_t{64}, stream), CUDA_SUCCESS);
  ASSERT_EQ(call("cuMemAllocHost", &pinned, size_t{64}), CUDA_SUCCESS);
  EXPECT_EQ(call("cuMemsetD8", p, static_cast<unsigned char>(3), size_t{64}), CUDA_SUCCESS);
  EXPECT_EQ(call("cuMemsetD32Async", p + 16, 0x01020304u, size_t{4}, stream), CUDA_SUCCESS);
  EXPECT_EQ(call("cuMemcpyDtoDAsync", p + 32, p + 16, size_t{8}, stream), CUDA_SUCCESS);
  EXPECT_EQ(call("cuMemcpyAsync", p + 40, p + 16, size_t{8}, stream), CUDA_SUCCESS);
  EXPECT_EQ(call("cuStreamSynchronize", stream), CUDA_SUCCESS);
  EXPECT_EQ(call("cuMemcpyDtoD", p + 48, p + 16, size_t{4}), CUDA_SUCCESS);
  std::vector<unsigned char> bytes(64), expected(64, 3);
  for (size_t word : {4, 5, 6, 7, 8, 9, 10, 11, 12})
    for (unsigned char byte = 0; byte < 4; ++byte)
      expected[4 * word + byte] = static_cast<unsigned char>(4 - byte);
  ASSERT_EQ(call("cuMemHostRegister", static_cast<void *>(bytes.data()), bytes.size(), 0u), CUDA_SUCCESS);
  CUevent before = nullptr, after = nullptr;
  ASSERT_EQ(call("cuEventCreate", &before, 0u), CUDA_SUCCESS);
  ASSERT_EQ(call("cuEventCreate", &after, 0u), CUDA_SUCCESS);
  float milliseconds = 0;
  EXPECT_EQ(call("cuEventElapsedTime_v2", &milliseconds, before, after), CUDA_ERROR_INVALID_HANDLE); // never recorded
  EXPECT_EQ(call("cuEventRecord", before, stream), CUDA_SUCCESS);
  EXPECT_EQ(call("cuMemcpyDtoHAsync", static_cast<void *>(bytes.data()), p, size_t{64}, stream), CUDA_SUCCESS);
  EXPECT_EQ(call("cuEventRecord", after, stream), CUDA_SUCCESS);
  EXPECT_NE(bytes, expected);
  EXPECT_EQ(call("cuEventQuery", after), CUDA_ERROR_NOT_READY);
  EXPECT_EQ(call("cuEventQuery", after), CUDA_SUCCESS);
  EXPECT_EQ(bytes, expected);
  EXPECT_EQ(call("cuEventSynchronize", before), CUDA_SUCCESS);
  EXPECT_EQ(launch(stream, "produce", 4, 32, false, y, 2.f), CUDA_SUCCESS);
  EXPECT_EQ(call("cuEventRecord", after, stream), CUDA_SUCCESS);
  EXPECT_EQ(call("cuEventElapsedTime_v2", &milliseconds, before, after), CUDA_ERROR_NOT_READY);
  EXPECT_EQ(call("cuEventSynchronize", after), CUDA_SUCCESS);
  EXPECT_EQ(call("cuEventElapsedTime_v2", &milliseconds, before, after), CUDA_SUCCESS);
  EXPECT_GT(milliseconds, 0.f);
  int calls = 0;
  const CUhostFn count = [](void *data) { ++*static_cast<int *>(data); };
  EXPECT_EQ(call("cuLaunchHostFunc", stream, count, static_cast<void *>(&calls)), CUDA_SUCCESS);
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(call("cuStreamQuery", stream), CUDA_ERROR_NOT_READY);
  EXPECT_EQ(call("cuStreamQuery", stream), CUDA_SUCCESS);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(call("cuMemHostUnregister", static_cast<void *>(bytes.data())), CUDA_SUCCESS);
  EXPECT_EQ(call("cuMemHostUnregister", static_cast<void *>(bytes.data())), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(call("cuMemFreeAsync", p, stream), CUDA_SUCCESS);
  EXPECT_EQ(call("cuStreamSynchronize", stream), CUDA_SUCCESS);
  EXPECT_EQ(call("cuMemcpyDtoH", static_cast<void *>(bytes.data()), p, size_t{4}), CUDA_ERROR_ILLEGAL_ADDRESS); // gone
  EXPECT_NE(findings(), "");
  hook<void (*)()>("stoopVgpuReset")();
  EXPECT_EQ(call("cuMemFreeHost", pinned), CUDA_SUCCESS);
  call("cuEventDestroy", before), call("cuEventDestroy", after);
}

TEST_F(DriverTest, FactsOfDeviceFunctionAndModule) {
  CUcontext context = nullptr;
  CUuuid uuid = {};
  size_t total = 0, free = 0, capacity = 0;
  EXPECT_EQ(call("cuDevicePrimaryCtxSetFlags", 0, 0u), CUDA_SUCCESS);
  EXPECT_EQ(call("cuCtxGetCurrent", &context), CUDA_SUCCESS);
  EXPECT_NE(context, nullptr);
  EXPECT_EQ(call("cuDeviceGetUuid", &uuid, 0), CUDA_SUCCESS);
  EXPECT_NE(uuid.bytes[0], 0);
  EXPECT_EQ(call("cuDeviceTotalMem", &total, 0), CUDA_SUCCESS);
  EXPECT_EQ(call("cuMemGetInfo", &free, &capacity), CUDA_SUCCESS);
  EXPECT_TRUE(total == capacity && free + 8192 <= capacity);
  int shared = 0, threads = 0, blocks = 0;
  EXPECT_EQ(call("cuFuncGetAttribute", &shared, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, get("good_barrier")), CUDA_SUCCESS);
  EXPECT_EQ(call("cuFuncGetAttribute", &threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, get("good_barrier")), CUDA_SUCCESS);
  EXPECT_TRUE(shared == 512 && threads == 1024) << shared << " " << threads;
  EXPECT_EQ(call("cuOccupancyMaxActiveBlocksPerMultiprocessor", &blocks, get("good_barrier"), 1024, size_t{0}), CUDA_SUCCESS);
  EXPECT_EQ(blocks, 2); // 2048 threads a multiprocessor
  const std::string language = readInput("language.sm_80.ptx");
  CUmodule other = nullptr;
  CUdeviceptr counter = 0;
  size_t bytes = 0;
  unsigned value = 0;
  ASSERT_EQ(call("cuModuleLoadDataEx", &other, static_cast<const void *>(language.c_str()), 0u, static_cast<int *>(nullptr),
                 static_cast<void **>(nullptr)), CUDA_SUCCESS);
  ASSERT_EQ(call("cuModuleGetGlobal", &counter, &bytes, other, "counter"), CUDA_SUCCESS);
  EXPECT_EQ(bytes, 4u);
  EXPECT_EQ(call("cuMemcpyDtoH", static_cast<void *>(&value), counter, bytes), CUDA_SUCCESS);
  EXPECT_EQ(value, 5u);
  EXPECT_EQ(call("cuModuleGetGlobal", &counter, &bytes, other, "nothing"), CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(call("cuModuleUnload", other), CUDA_SUCCESS);
  const char *name = nullptr, *words = nullptr;
  EXPECT_EQ(call("cuGetErrorName", CUDA_ERROR_OUT_OF_MEMORY, &name), CUDA_SUCCESS);
  EXPECT_EQ(call("cuGetErrorString", CUDA_ERROR_OUT_OF_MEMORY, &words), CUDA_SUCCESS);
  EXPECT_STREQ(name, "CUDA_ERROR_OUT_OF_MEMORY");
  EXPECT_STREQ(words, "out of memory");
}

/// An executable graph takes another graph of the same form, and only that.
TEST_F(DriverTest, GraphsAreUpdated) {
  CUgraph graphs[3] = {};
  CUgraphExec exec = nullptr;
  for (int i = 0; i < 3; ++i) {
    CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
    ASSERT_EQ(call("cuStreamBeginCapture", stream, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
    EXPECT_EQ(call("cuStreamIsCapturing", stream, &status), CUDA_SUCCESS);
    EXPECT_EQ(status, CU_STREAM_CAPTURE_STATUS_ACTIVE);
    EXPECT_EQ(launch(stream, "produce", 4, 32, false, y, 2.f + static_cast<float>(i)), CUDA_SUCCESS);
    if (i == 2) {
      EXPECT_EQ(call("cuMemsetD8Async", y, static_cast<unsigned char>(0), size_t{4}, stream), CUDA_SUCCESS);
    }
    ASSERT_EQ(call("cuStreamEndCapture", stream, &graphs[i]), CUDA_SUCCESS);
    size_t nodes = 0;
    EXPECT_EQ(call("cuGraphGetNodes", graphs[i], static_cast<CUgraphNode *>(nullptr), &nodes), CUDA_SUCCESS);
    EXPECT_EQ(nodes, i == 2 ? 2u : 1u);
  }
  CUgraphExecUpdateResultInfo info = {};
  ASSERT_EQ(call("cuGraphInstantiateWithFlags", &exec, graphs[0], 0ull), CUDA_SUCCESS);
  EXPECT_EQ(call("cuGraphUpload", exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(call("cuGraphExecUpdate", exec, graphs[1], &info), CUDA_SUCCESS);
  EXPECT_EQ(call("cuGraphExecUpdate", exec, graphs[2], &info), CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
  EXPECT_EQ(info.result, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
  EXPECT_EQ(call("cuGraphLaunch", exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(call("cuStreamSynchronize", stream), CUDA_SUCCESS);
  EXPECT_EQ(readY()[3], 9.f);
  CUgraph empty = nullptr;
  EXPECT_EQ(call("cuGraphCreate", &empty, 0u), CUDA_SUCCESS);
  for (CUgraph graph : {graphs[0], graphs[1], graphs[2], empty})
    EXPECT_EQ(call("cuGraphDestroy", graph), CUDA_SUCCESS);
  EXPECT_EQ(call("cuGraphExecDestroy", exec), CUDA_SUCCESS);
}

TEST_F(DriverTest, EveryCallCanFailAndNothingLeaks) {
  auto live = hook<StoopVgpuLive (*)()>("stoopVgpuLive");
  auto failAt = hook<void (*)(uint64_t)>("stoopVgpuFailAt");
  auto program = [&]() -> CUresult { // allocate, run, read, release whatever there is
    CUdeviceptr p = 0;
    CUevent event = nullptr;
    float value = 0;
    CUresult result = call("cuMemAlloc", &p, size_t{512});
    if (!result)
      result = call("cuEventCreate", &event, 2u);
    if (!result)
      result = call("cuMemsetD32", p, 0u, size_t{128});
    if (!result)
      result = launch(stream, "good_barrier", 1, 128, false, x, p);
    if (!result)
      result = call("cuEventRecord", event, stream);
    if (!result)
      result = call("cuStreamSynchronize", stream);
    if (!result)
      result = call("cuMemcpyDtoH", static_cast<void *>(&value), p, size_t{4});
    if (event)
      if (CUresult error = call("cuEventDestroy", event); !result)
        result = error;
    if (p)
      if (CUresult error = call("cuMemFree", p); !result)
        result = error;
    return result;
  };
  get("good_barrier");
  EXPECT_EQ(program(), CUDA_SUCCESS);
  failAt(0);
  StoopVgpuLive before = live();
  EXPECT_EQ(program(), CUDA_SUCCESS);
  uint64_t calls = hook<uint64_t (*)()>("stoopVgpuCalls")();
  EXPECT_EQ(calls, 10u); // nine calls, and the function's look-up of launch
  for (uint64_t n = 1; n <= calls; ++n) {
    failAt(n);
    if (n != 4) { // the look-up inside launch() reports by itself
      EXPECT_NE(program(), CUDA_SUCCESS) << "call " << n;
    }
    failAt(0);
    EXPECT_EQ(call("cuCtxSynchronize"), CUDA_SUCCESS);
    StoopVgpuLive after = live();
    EXPECT_EQ(memcmp(&before, &after, sizeof before), 0) << "call " << n << " leaks";
  }
}
} // namespace
} // namespace vgpu::test

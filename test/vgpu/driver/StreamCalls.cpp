// Entry points: streams, events, launches, capture, graphs.
#include "test/vgpu/check/Counters.h"
#include "test/vgpu/driver/Driver.h"
#include <cstdio>
#include <cstring>

using namespace vgpu;
namespace {
struct LaunchShape {
  std::array<u32, 3> grid, block;
  u32 shared;
};

CUresult makeNode(CUfunction f, const LaunchShape &s, void **params, Node &node) {
  const Program &p = *f->program;
  const u64 threads = static_cast<u64>(s.block[0]) * s.block[1] * s.block[2];
  for (u32 x : {s.grid[0], s.grid[1], s.grid[2], s.block[0], s.block[1], s.block[2]})
    if (!x)
      return CUDA_ERROR_INVALID_VALUE;
  if (s.grid[1] > 65535 || s.grid[2] > 65535 || s.block[2] > 64 || threads > std::min(1024u, p.maxThreads))
    return CUDA_ERROR_INVALID_VALUE;
  // Above 48 KiB in all a kernel has to opt in first.
  const u32 limit = f->hasOptedIn ? maxSharedOptIn() : 48 * 1024;
  if (s.shared > static_cast<u32>(f->maxDynamicShared) || p.staticShared + s.shared > limit)
    return CUDA_ERROR_INVALID_VALUE;
  if (!params && !p.params.empty())
    return CUDA_ERROR_INVALID_VALUE;
  node.kind = Node::Kind::Kernel;
  Launch &launch = node.launch;
  launch.program = f->program;
  launch.grid = s.grid;
  launch.block = s.block;
  launch.dynamicShared = s.shared;
  launch.params.assign(p.paramBytes, 0);
  for (size_t i = 0; i < p.params.size(); ++i)
    memcpy(&launch.params[p.paramOffsets[i]], params[i], p.params[i].size);
  Driver &driver = Driver::get();
  if (driver.hasContract) {
    launch.hasContract = true;
    launch.contract = std::move(driver.contract);
    // A kernel's constants and variables are parts of its module, not of the caller's memory.
    for (CUmodule module : driver.modules)
      for (const auto &[name, own] : module->functions)
        if (own.program == f->program)
          for (const auto &[variable, range] : module->variables)
            launch.contract.push_back({range.first, range.first + range.second, true, true, variable});
    std::sort(launch.contract.begin(), launch.contract.end(), [](const Slice &a, const Slice &b) { return a.begin < b.begin; });
    driver.hasContract = false;
    driver.contract.clear();
  }
  return CUDA_SUCCESS;
}
} // namespace

extern "C" {
CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
  VGPU_ENTER("cuStreamCreate");
  *stream = new CUstream_st;
  (*stream)->nonBlocking = flags & CU_STREAM_NON_BLOCKING;
  Driver::get().streams.insert(*stream);
  return CUDA_SUCCESS;
}
CUresult cuStreamDestroy_v2(CUstream stream) {
  CUresult injected = Driver::get().enter("cuStreamDestroy");
  if (!Driver::get().streams.erase(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  CUresult result = Driver::get().wait(stream->last);
  delete stream;
  return injected ? injected : result;
}
CUresult cuStreamSynchronize(CUstream handle) {
  VGPU_ENTER("cuStreamSynchronize");
  CUstream stream = Driver::get().resolve(handle);
  if (stream->capture)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  return Driver::get().wait(Driver::get().lastOf(stream));
}
CUresult cuStreamQuery(CUstream handle) {
  VGPU_ENTER("cuStreamQuery");
  Driver &driver = Driver::get();
  for (u64 task : driver.resolve(handle)->last)
    if (driver.scheduler.isPending(task)) { // polling hosts must get on: run it, and say so the next time
      CUresult result = driver.wait({task});
      return result ? result : CUDA_ERROR_NOT_READY;
    }
  return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent *event, unsigned) {
  VGPU_ENTER("cuEventCreate");
  *event = new CUevent_st;
  Driver::get().events.insert(*event);
  return CUDA_SUCCESS;
}
CUresult cuEventDestroy_v2(CUevent event) {
  CUresult injected = Driver::get().enter("cuEventDestroy");
  if (!Driver::get().events.erase(event))
    return CUDA_ERROR_INVALID_HANDLE;
  delete event;
  return injected;
}
CUresult cuEventRecord(CUevent event, CUstream handle) {
  VGPU_ENTER("cuEventRecord");
  CUstream stream = Driver::get().resolve(handle);
  event->recorded = true;
  event->instructions.reset();
  event->capture = stream->capture;
  event->nodes = stream->captureLast;
  event->tasks = stream->capture ? std::vector<u64>{} : Driver::get().lastOf(stream);
  return CUDA_SUCCESS;
}
CUresult cuEventSynchronize(CUevent event) {
  VGPU_ENTER("cuEventSynchronize");
  if (event->capture)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  CUresult result = Driver::get().wait(event->tasks);
  if (!event->instructions)
    event->instructions = Driver::get().scheduler.instructions;
  return result;
}
CUresult cuEventQuery(CUevent event) {
  VGPU_ENTER("cuEventQuery");
  for (u64 task : event->tasks)
    if (Driver::get().scheduler.isPending(task)) {
      CUresult result = Driver::get().wait({task});
      return result ? result : CUDA_ERROR_NOT_READY;
    }
  return CUDA_SUCCESS;
}
// The clock counts warp instructions, a nanosecond each; an event has the time at which it was first waited for.
CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent first, CUevent second) {
  VGPU_ENTER("cuEventElapsedTime");
  if (!first->recorded || !second->recorded)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!first->instructions || !second->instructions)
    return CUDA_ERROR_NOT_READY;
  *milliseconds = static_cast<float>(1e-6 * static_cast<double>(*second->instructions - *first->instructions));
  return CUDA_SUCCESS;
}
CUresult cuEventElapsedTime(float *milliseconds, CUevent first, CUevent second) {
  return cuEventElapsedTime_v2(milliseconds, first, second);
}
CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned) {
  VGPU_ENTER("cuStreamWaitEvent");
  CUstream stream = Driver::get().resolve(handle);
  if (event->capture) { // joins the capture
    if (stream->capture && stream->capture != event->capture)
      return CUDA_ERROR_STREAM_CAPTURE_MERGE;
    stream->capture = event->capture;
    for (size_t node : event->nodes)
      if (std::find(stream->captureLast.begin(), stream->captureLast.end(), node) == stream->captureLast.end())
        stream->captureLast.push_back(node);
    return CUDA_SUCCESS;
  }
  if (stream->capture)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  std::vector<u64> both = Driver::get().lastOf(stream);
  both.insert(both.end(), event->tasks.begin(), event->tasks.end());
  stream->last = {Driver::get().scheduler.enqueue(Node(), both)};
  return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                        CUstream stream, void **params, void **extra) {
  VGPU_ENTER("cuLaunchKernel");
  if (extra)
    return CUDA_ERROR_NOT_SUPPORTED;
  Node node;
  if (CUresult error = makeNode(f, {{gx, gy, gz}, {bx, by, bz}, shared}, params, node))
    return error;
  return Driver::get().push(stream, std::move(node));
}
CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction f, void **params, void **extra) {
  VGPU_ENTER("cuLaunchKernelEx");
  Node node;
  if (extra)
    return CUDA_ERROR_NOT_SUPPORTED;
  if (CUresult error = makeNode(f, {{c->gridDimX, c->gridDimY, c->gridDimZ}, {c->blockDimX, c->blockDimY, c->blockDimZ}, c->sharedMemBytes}, params, node))
    return error;
  for (unsigned i = 0; i < c->numAttrs; ++i) {
    const CUlaunchAttribute &a = c->attrs[i];
    switch (a.id) {
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
      // Graphs know such edges since CUDA 12.3.
      if (Options::get().arch < 90 || (Driver::get().resolve(c->hStream)->capture && Options::get().driverVersion < 12030))
        return CUDA_ERROR_NOT_SUPPORTED;
      node.programmatic = a.value.programmaticStreamSerializationAllowed != 0;
      break;
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE: node.launch.cooperative = a.value.cooperative != 0; break;
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
      if (a.value.clusterDim.x * a.value.clusterDim.y * a.value.clusterDim.z != 1)
        return CUDA_ERROR_NOT_SUPPORTED;
      break;
    case CU_LAUNCH_ATTRIBUTE_IGNORE:
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
    case CU_LAUNCH_ATTRIBUTE_PRIORITY: break;
    default: fprintf(stderr, "vgpu: unknown launch attribute %d\n", static_cast<int>(a.id)); return CUDA_ERROR_NOT_SUPPORTED;
    }
  }
  if (node.programmatic && Counters::get().isOn)
    Counters::get().call("cuLaunchKernelEx.programmatic");
  return Driver::get().push(c->hStream, std::move(node));
}
CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void *data) {
  VGPU_ENTER("cuLaunchHostFunc");
  Node node;
  node.kind = Node::Kind::Host;
  node.function = function;
  node.data = data;
  return Driver::get().push(stream, node);
}

CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode) {
  VGPU_ENTER("cuStreamBeginCapture");
  if (!stream || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream->capture)
    return CUDA_ERROR_ILLEGAL_STATE;
  stream->capture = new CUgraph_st;
  stream->captureOrigin = true;
  stream->captureLast.clear();
  return CUDA_SUCCESS;
}
CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  CUresult injected = Driver::get().enter("cuStreamEndCapture");
  if (!stream->capture || !stream->captureOrigin)
    return CUDA_ERROR_ILLEGAL_STATE;
  CUgraph captured = stream->capture;
  // Every node must lead to where the origin stream is now.
  std::set<size_t> reached;
  std::vector<size_t> work = stream->captureLast;
  while (!work.empty()) {
    size_t node = work.back();
    work.pop_back();
    if (reached.insert(node).second)
      work.insert(work.end(), captured->nodes[node].dependencies.begin(), captured->nodes[node].dependencies.end());
  }
  for (CUstream s : Driver::get().streams)
    if (s->capture == captured) {
      s->capture = nullptr;
      s->captureOrigin = false;
      s->captureLast.clear();
    }
  for (CUevent e : Driver::get().events)
    if (e->capture == captured)
      e->capture = nullptr, e->nodes.clear();
  if (injected || reached.size() != captured->nodes.size()) {
    delete captured;
    *graph = nullptr;
    return injected ? injected : CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  }
  *graph = captured;
  Driver::get().graphs.insert(captured);
  return CUDA_SUCCESS;
}
CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *status) {
  VGPU_ENTER("cuStreamIsCapturing");
  *status = Driver::get().resolve(handle)->capture ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}

CUresult cuGraphCreate(CUgraph *graph, unsigned) {
  VGPU_ENTER("cuGraphCreate");
  *graph = new CUgraph_st;
  Driver::get().graphs.insert(*graph);
  return CUDA_SUCCESS;
}
CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *, size_t *count) {
  VGPU_ENTER("cuGraphGetNodes");
  *count = graph->nodes.size();
  return CUDA_SUCCESS;
}
CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long) {
  VGPU_ENTER("cuGraphInstantiateWithFlags");
  *exec = new CUgraphExec_st{*graph};
  Driver::get().graphExecs.insert(*exec);
  return CUDA_SUCCESS;
}
CUresult cuGraphUpload(CUgraphExec exec, CUstream) {
  VGPU_ENTER("cuGraphUpload");
  const u64 bytes = Driver::get().graphNodeBytes * exec->graph.nodes.size();
  if (bytes && !exec->memory && !(exec->memory = DeviceMemory::get().allocate(bytes)))
    return CUDA_ERROR_OUT_OF_MEMORY;
  return CUDA_SUCCESS;
}
CUresult cuGraphLaunch(CUgraphExec exec, CUstream handle) {
  VGPU_ENTER("cuGraphLaunch");
  Driver &driver = Driver::get();
  CUstream stream = driver.resolve(handle);
  if (stream->capture)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  const std::vector<u64> before = driver.lastOf(stream);
  std::vector<u64> ids;
  for (const Node &node : exec->graph.nodes) {
    std::vector<u64> dependencies;
    for (size_t d : node.dependencies)
      dependencies.push_back(ids[d]);
    ids.push_back(driver.scheduler.enqueue(node, dependencies.empty() ? before : dependencies));
  }
  if (!ids.empty())
    stream->last = {driver.scheduler.enqueue(Node(), ids)};
  return CUDA_SUCCESS;
}
CUresult cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo *info) {
  VGPU_ENTER("cuGraphExecUpdate");
  CUgraphExecUpdateResult result = CU_GRAPH_EXEC_UPDATE_SUCCESS;
  if (exec->graph.nodes.size() != graph->nodes.size())
    result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
  for (size_t i = 0; result == CU_GRAPH_EXEC_UPDATE_SUCCESS && i < graph->nodes.size(); ++i) {
    const Node &a = exec->graph.nodes[i], &b = graph->nodes[i];
    if (a.kind != b.kind)
      result = CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
    else if (a.dependencies != b.dependencies || a.programmatic != b.programmatic)
      result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
  }
  if (info)
    *info = {result, nullptr, nullptr};
  if (result != CU_GRAPH_EXEC_UPDATE_SUCCESS)
    return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  exec->graph = *graph;
  return CUDA_SUCCESS;
}
CUresult cuGraphDestroy(CUgraph graph) {
  CUresult injected = Driver::get().enter("cuGraphDestroy");
  if (!Driver::get().graphs.erase(graph))
    return CUDA_ERROR_INVALID_HANDLE;
  delete graph;
  return injected;
}
CUresult cuGraphExecDestroy(CUgraphExec exec) {
  CUresult injected = Driver::get().enter("cuGraphExecDestroy");
  if (!Driver::get().graphExecs.erase(exec))
    return CUDA_ERROR_INVALID_HANDLE;
  if (exec->memory)
    DeviceMemory::get().release(exec->memory);
  delete exec;
  return injected;
}
}
